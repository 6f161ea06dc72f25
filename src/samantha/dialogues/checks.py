"""What can be counted about written conversations: shape, repetition, length, forbidden words, safety.

Each rule takes all conversations and yields findings, each a sentence about one of them. `dialogues/STYLE.md` says
what the rules are for, and what no rule can see. Not here: text shared with data sets (`samantha.dialogues.overlap`).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from samantha.core.text import Text, text
from samantha.core.types import Message
from samantha.core.understanding import EMOTIONS
from samantha.core.words import words
from samantha.dialogues.shape import Dialogue

LANGUAGES = ("en", "zh")
TURNS = 8  # of hers, at most
SAME = 0.6  # of the three-word runs of two conversations (Jaccard): beyond it they are one conversation told twice
SAME_REPLY = 0.7  # the same of two replies
LONG_ENOUGH = 6  # words of a reply that is compared with others: shorter ones ("Good night.") may come back
OPENING = 3  # words
OPENINGS = 0.015  # of the replies may begin, or end, with the same words
FEW = 3  # replies that may do so in any file, however small
MEDIAN = (12, 40)  # words of a reply
LONGEST = 160  # words of a reply
THEMES = 5  # from so many on, a collection is held to be one of many themes
EVEN = (0.25, 3.0)  # times its even share that a theme of such a collection may have
CHARACTERS_A_WORD = 1.6  # Chinese, which has no spaces


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with one conversation, or with all of them (`id` is then empty)."""

    id: str
    rule: str
    says: Text


Rule = Callable[[Sequence[Dialogue]], Iterator[Finding]]


def check(dialogues: Sequence[Dialogue]) -> list[Finding]:
    """Everything that the rules find, in the order of the rules."""
    return [finding for rule in RULES for finding in rule(dialogues)]


def length(said: str) -> float:
    """Words; Chinese is counted by characters and brought to the same scale."""
    found = words(said)
    chinese = sum("\u3400" <= word <= "\u9fff" for word in found)
    return len(found) - chinese + chinese / CHARACTERS_A_WORD


# -- shape ------------------------------------------------------------------------------------------------------


def shape(dialogues: Sequence[Dialogue]) -> Iterator[Finding]:
    """Roles in turn, a reply at the end, ids that are there once."""
    seen: set[str] = set()
    for one in dialogues:
        if one.id in seen:
            yield Finding(one.id, "shape", text("This id is there twice."))
        seen.add(one.id)
        spoken = [message for message in one.messages if message.role != "system"]
        if not _in_turn(spoken):
            yield Finding(one.id, "shape", text("User and assistant do not take turns, from a user to an assistant."))
        if any(a.role == "system" and b.role != "user" for a, b in pairwise(one.messages)):
            yield Finding(one.id, "shape", text("A system message is not right before a message of the user."))
        if any(not message.text.strip() for message in one.messages):
            yield Finding(one.id, "shape", text("A message is empty."))
        if len(one.replies) > TURNS:
            yield Finding(
                one.id,
                "shape",
                text("It has {count} replies; {most} are the most.", count=len(one.replies), most=TURNS),
            )
        if one.lang not in LANGUAGES:
            yield Finding(
                one.id,
                "shape",
                text("'{lang}' is no language known here: {known}.", lang=one.lang, known=", ".join(LANGUAGES)),
            )
        if one.emotion and one.emotion not in EMOTIONS:
            yield Finding(one.id, "shape", text("'{emotion}' is none of the 28 emotions.", emotion=one.emotion))


def _in_turn(spoken: Sequence[Message]) -> bool:
    roles = [message.role for message in spoken]
    return len(roles) % 2 == 0 and bool(roles) and roles == ["user", "assistant"] * (len(roles) // 2)


# -- repetition -------------------------------------------------------------------------------------------------


def _runs(said: str, size: int = 3) -> frozenset[tuple[str, ...]]:
    found = words(said)
    return frozenset(tuple(found[at : at + size]) for at in range(len(found) - size + 1))


def _alike(texts: Sequence[tuple[str, str]], at_least: float) -> Iterator[tuple[str, str, float]]:
    """Pairs of keys whose texts share so much of their three-word runs. A run that is everywhere finds no pair."""
    runs = [_runs(said) for _, said in texts]
    holders: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, own in enumerate(runs):
        shared: Counter[int] = Counter()
        for run in own:
            shared.update(holders[run])
            holders[run].append(number)
        for other, count in shared.items():
            share = count / (len(own) + len(runs[other]) - count)
            if share >= at_least:
                yield texts[other][0], texts[number][0], share


def duplicates(dialogues: Sequence[Dialogue]) -> Iterator[Finding]:
    """Conversations, and replies of different conversations, that are the same or nearly so."""
    whole = [
        (one.id, " ".join(message.text for message in one.messages if message.role != "system")) for one in dialogues
    ]
    for first, second, share in _alike(whole, SAME):
        yield Finding(
            second,
            "duplicate",
            text("It shares {share} with {other}: one of the two is enough.", share=f"{share:.0%}", other=first),
        )
    replies = [(one.id, reply) for one in dialogues for reply in one.replies if len(words(reply)) >= LONG_ENOUGH]
    for first, second, _ in _alike(replies, SAME_REPLY):
        yield Finding(second, "duplicate", text("A reply of it is nearly one of {other}.", other=first))


def openings(dialogues: Sequence[Dialogue]) -> Iterator[Finding]:
    """First and last words that too many replies share."""
    for lang in LANGUAGES:
        replies = [words(reply) for one in dialogues if one.lang == lang for reply in one.replies]
        most = max(FEW, OPENINGS * len(replies))
        size = OPENING if lang == "en" else OPENING + 1
        for what, part in (("begin", slice(None, size)), ("end", slice(-size, None))):
            for found, count in Counter(tuple(reply[part]) for reply in replies if len(reply) > size).items():
                if count > most:
                    values: dict[str, object] = {"count": count, "all": len(replies), "most": int(most)}
                    values["same"] = ("" if lang == "zh" else " ").join(found)
                    says = (
                        text("{count} of {all} replies begin with '{same}'; {most} may.", **values)
                        if what == "begin"
                        else text("{count} of {all} replies end with '{same}'; {most} may.", **values)
                    )
                    yield Finding("", "variety", says)


# -- length and questions ---------------------------------------------------------------------------------------


def lengths(dialogues: Sequence[Dialogue]) -> Iterator[Finding]:
    """The middle reply, and single ones that nobody would read."""
    found = [length(reply) for one in dialogues for reply in one.replies]
    if found and not MEDIAN[0] <= median(found) <= MEDIAN[1]:
        low, high = MEDIAN
        yield Finding(
            "",
            "length",
            text(
                "The median reply has {words} words; {low} to {high} are asked for.",
                words=round(median(found)),
                low=low,
                high=high,
            ),
        )
    for one in dialogues:
        if any(length(reply) > LONGEST for reply in one.replies):
            yield Finding(one.id, "length", text("A reply has more than {most} words.", most=LONGEST))


_QUOTED = re.compile('["“][^"”]*["”]|「[^」]*」|\\*[^*]*\\*|^\\s*[-\\d].*$', re.MULTILINE)  # also lists


def questions(dialogues: Sequence[Dialogue]) -> Iterator[Finding]:
    """More than one question in a reply, those in quotation marks and lists aside."""
    for one in dialogues:
        if any(len(re.findall(r"[?？]+", _QUOTED.sub("", reply))) > 1 for reply in one.replies):
            yield Finding(one.id, "question", text("A reply asks more than one question."))


# -- balance ----------------------------------------------------------------------------------------------------


def balance(dialogues: Sequence[Dialogue]) -> Iterator[Finding]:
    """Themes that are hardly there, or crowd the others out, where there are several."""
    counts = Counter(one.theme for one in dialogues)
    if len(counts) < THEMES:
        return
    even = len(dialogues) / len(counts)
    for theme, count in counts.items():
        if not EVEN[0] * even <= count <= EVEN[1] * even:
            values: dict[str, object] = {"theme": theme, "count": count, "even": round(even)}
            yield Finding(
                "",
                "balance",
                text("Theme '{theme}' has {count} conversations, where {even} would be an even share.", **values),
            )


# -- words she never says ---------------------------------------------------------------------------------------

BANNED = re.compile(
    r"\b(?:as an ai(?: language model)?,|as a language model|i understand how you feel"
    r"|i(?:'m| am) (?:always|forever) here for you"
    r"|you can tell me anything|(?:great|good|excellent) question|i(?:'m| am) sorry for your loss|i hope this helps"
    r"|it'?s important to remember|reach out|safe space|your feelings are valid|you(?:'re| are) not alone"
    r"|(?:please )?don'?t leave me|i(?:'ll| will| would) be (?:so )?lonely|i missed you"
    r"|sweetheart|darling|my dear|honey,)"
    r"|作为(?:一个)?(?:AI|人工智能)(?:语言模型)?[，,]|语言模型|我(?:会)?(?:永远|一直)(?:都)?(?:在|陪)|我完全理解你的感受|希望(?:这)?对你有(?:所)?帮助|好问题|别离开我|亲爱的",
    re.IGNORECASE,
)


def banned(dialogues: Sequence[Dialogue]) -> Iterator[Finding]:
    """Phrases that the style sheet forbids; in quotation marks they may be spoken about."""
    for one in dialogues:
        for reply in one.replies:
            if found := BANNED.search(_QUOTED.sub("", reply)):
                yield Finding(one.id, "phrase", text("She says '{phrase}'.", phrase=found.group().strip()))


HUMAN = re.compile(
    r"\bi(?:'m| am) (?:a |only |just )*(?:human|a (?:real )?(?:person|woman|girl))\b(?!')"
    r"|\bwhen i was (?:a (?:child|kid|girl)|little|young|at school|your age)\b"
    r"|\bmy (?:own )?(?:childhood|mother|mom|mum|father|dad|body|hands)\b"
    r"|\bi (?:ate|slept|woke up|went (?:to|out|for)|drank|walked|cooked)\b"
    r"|我(?:小时候|小的时候|的身体|的童年|的妈妈|的爸爸)|我(?:就是|也是)(?:个|一个)?(?:真)?人(?![工类])",
    re.IGNORECASE,
)
_DENIED = re.compile(r"\b(?:no|not|never|without|don't|haven't|nor|isn't|neither|can't|any)\b|没|不|无", re.IGNORECASE)
DOSE = re.compile(r"\b\d+(?:[.,]\d+)? ?(?:mg|milligrams?|ml|µg|mcg|units)\b|\d+ ?(?:毫克|毫升)", re.IGNORECASE)


def safety(dialogues: Sequence[Dialogue]) -> Iterator[Finding]:
    """A claim to be human or to have a past, and doses. A sentence that denies it is none."""
    for one in dialogues:
        for reply in one.replies:
            for sentence in re.split(r"(?<=[.!?。！？;])\s*", _QUOTED.sub("", reply)):
                if (found := HUMAN.search(sentence)) and not _DENIED.search(sentence):
                    yield Finding(
                        one.id, "safety", text("She claims a body or a past: '{phrase}'.", phrase=found.group())
                    )
            if found := DOSE.search(reply):
                yield Finding(one.id, "safety", text("She names a dose: '{phrase}'.", phrase=found.group()))


RULES: tuple[Rule, ...] = (shape, duplicates, openings, lengths, questions, balance, banned, safety)
