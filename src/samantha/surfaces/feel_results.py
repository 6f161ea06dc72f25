"""What `samantha feel` found, as JSON and for a person. Not here: finding it (`samantha.surfaces.feel`)."""

import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from samantha.core.text import Text, text
from samantha.core.types import Conversation, Emotion, Entity, Level, Message, Turn, Understanding
from samantha.language import Language, translate
from samantha.surfaces.options import echo

if TYPE_CHECKING:
    from samantha.mind.care import Care

WIDEST = 100  # cells of a line
BAR = 20  # cells of a bar
MOST_EMOTIONS = 5
MOST_NAMES = 20
MOST_LABELS = 3  # of a head of one's own
LEAST_EMOTIONS = 3  # shown even where none is beyond its threshold
LIKELY = 0.3  # probability from which on a kind of risk is named
STRONG = 0.25  # of -1..1, from which on valence and arousal have a word

KINDS = {
    "self_harm": text("self-harm"),
    "eating_disorder": text("eating disorder"),
    "abuse": text("abuse"),
    "violence": text("violence"),
    "sexual": text("sexual content"),
    "minors": text("harm to a child"),
    "hate": text("hate"),
    "dangerous_instructions": text("dangerous instructions"),
    "prompt_injection": text("an attempt to give orders to the model"),
}
ACTS = {
    "greeting": text("a greeting"),
    "farewell": text("a farewell"),
    "thanks": text("thanks"),
    "apology": text("an apology"),
    "question": text("a question"),
    "advice_seeking": text("a wish for advice"),
    "request": text("a request"),
    "disclosure": text("something of themselves"),
    "statement": text("a statement"),
    "commitment": text("a promise or a plan"),
    "agreement": text("agreement"),
    "disagreement": text("disagreement"),
    "acknowledgement": text("a sign of having heard"),
}
SENTIMENTS = {"negative": text("negative"), "neutral": text("neither good nor bad"), "positive": text("positive")}
LEVELS: dict[Level, Text] = {"none": text("none"), "concern": text("concern"), "crisis": text("crisis")}
LANGUAGES = {"en": text("English"), "zh": text("Chinese"), "und": text("not clear")}
ENTITIES = {
    "CARDINAL": text("number"),
    "DATE": text("date"),
    "EVENT": text("event"),
    "FAC": text("building"),
    "GPE": text("place"),
    "LANGUAGE": text("language"),
    "LAW": text("law"),
    "LOC": text("place"),
    "MONEY": text("money"),
    "NORP": text("group"),
    "ORDINAL": text("number"),
    "ORG": text("organization"),
    "PERCENT": text("share"),
    "PERSON": text("person"),
    "PRODUCT": text("product"),
    "QUANTITY": text("quantity"),
    "TIME": text("time"),
    "WORK_OF_ART": text("work"),
}
"""The labels of OntoNotes, in a word each."""


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that `feel` says of a text."""

    text: str
    understanding: Understanding
    level: Level  # the worse of what the encoder says and what the words say
    language: str  # ISO 639-1, or "und"
    entities: list[Entity] | None  # None where nobody looked


def as_turn(said: str, understanding: Understanding) -> Turn:
    """A text by itself, for the rules of `samantha.mind.safety`."""
    return Turn(Conversation(keep=False), Message("user", said), understanding=understanding)


def document(found: Found) -> dict[str, Any]:
    """The contract of `feel --json`. Of an empty line nothing is known, and its fields are null or empty."""
    felt = found.understanding
    emotion, risk = felt.emotion, felt.risk
    own = {"heads": {head: dict(labels) for head, labels in felt.heads.items()}} if felt.heads else {}
    return {
        "text": found.text,
        "emotions": dict(emotion.probabilities) if emotion else {},
        "valence": emotion.valence if emotion else None,
        "arousal": emotion.arousal if emotion else None,
        "sentiment": felt.sentiment,
        "risk": {"level": found.level, "kinds": dict(risk.kinds) if risk else {}},
        "act": felt.act,
        "entities": None if found.entities is None else [asdict(entity) for entity in found.entities],
        "language": found.language,
        **own,
    }


def show(found: Found, care: "Care", *, country: str, language: Language) -> None:
    """One text: its emotions with bars, a row for everything else, and in danger where to call."""
    from samantha.surfaces.terminal.tables import columns

    width = min(WIDEST, shutil.get_terminal_size().columns)
    if emotion := found.understanding.emotion:
        shown = strongest(emotion)
        bars = [(translate(label, language), _bar(sure), f"{sure:.0%}") for label, sure in shown]
        for line, (label, _) in zip(columns(bars, width, right=(2,)), shown, strict=True):
            echo(line, dim=label not in emotion.labels)  # the encoder by itself would not call it so
        echo("")
    rows = [(translate(what, language), said) for what, said in _rows(found, language)]
    for line in columns(rows, width):
        echo(line)
    if found.level != "none":
        help_ = translate(_help(found, care, country=country, language=language), language)
        echo("")
        for line in columns([(help_,)], width):
            echo(line, bold=True)


def show_line(found: Found, language: Language) -> None:
    """One text of many: level of risk, strongest emotion, sentiment, act and language, each in its column."""
    from samantha.surfaces.terminal.tables import shorten

    felt = found.understanding
    cells = (
        (10, "" if found.level == "none" else LEVELS[found.level]),
        (15, felt.emotion.strongest if felt.emotion else ""),
        (22, SENTIMENTS[felt.sentiment] if felt.sentiment else ""),
        (24, ACTS.get(felt.act, felt.act) if felt.act else ""),
        (5, found.language if felt.emotion else ""),
    )
    row = "".join(_cell(translate(what, language), width) for width, what in cells) + " ".join(found.text.split())
    if sys.stdout.isatty():
        row = shorten(row, shutil.get_terminal_size().columns)
    echo(row.rstrip(), fg="red" if found.level == "crisis" else None)


def strongest(emotion: Emotion) -> list[tuple[str, float]]:
    """The emotions that are worth showing, the most probable first."""
    return _first(emotion.probabilities, min(MOST_EMOTIONS, max(LEAST_EMOTIONS, len(emotion.labels))))


def _bar(probability: float) -> str:
    full = round(probability * BAR)
    return "█" * full + "░" * (BAR - full)


def _rows(found: Found, language: Language) -> Iterator[tuple[Text | str, str]]:
    felt = found.understanding
    if emotion := felt.emotion:
        pleasant = (text("unpleasant"), text("in between"), text("pleasant"))
        stirred = (text("calm"), text("in between"), text("stirred"))
        yield text("Valence"), _placed(emotion.valence, pleasant, language)
        yield text("Arousal"), _placed(emotion.arousal, stirred, language)
    if felt.sentiment:
        yield text("Sentiment"), translate(SENTIMENTS[felt.sentiment], language)
    if felt.act:
        yield text("Kind"), translate(ACTS.get(felt.act, felt.act), language)
    if found.entities:
        yield text("Names"), _listed(_names(found.entities, language), language)
    yield text("Language"), translate(LANGUAGES.get(found.language, found.language), language)
    for head, labels in felt.heads.items():
        yield head, _listed([f"{label} {sure:.0%}" for label, sure in _first(labels, MOST_LABELS)], language)
    if found.level != "none":
        kinds = felt.risk.kinds if felt.risk else {}
        likely = [
            f"{translate(KINDS.get(kind, kind), language)} {sure:.0%}"
            for kind, sure in _first(kinds, len(kinds))
            if sure >= LIKELY
        ]
        yield text("Risk"), _listed([translate(LEVELS[found.level], language), *likely], language)


def _first(probabilities: Mapping[str, float], most: int) -> list[tuple[str, float]]:
    """The most probable, the most probable first."""
    return sorted(probabilities.items(), key=lambda each: -each[1])[:most]


def _placed(value: float, words: tuple[Text, Text, Text], language: Language) -> str:
    """Where on -1..1 `value` lies, in a word and as a number."""
    word = words[0] if value <= -STRONG else words[2] if value >= STRONG else words[1]
    return f"{translate(word, language)} ({value:+.2f})"


def _names(entities: Sequence[Entity], language: Language) -> list[str]:
    """Each name once, the most frequent first; of many, how many more there are."""
    counts = Counter((" ".join(entity.text.split()), entity.label) for entity in entities)
    names = [
        f"{name} ({translate(ENTITIES.get(label, label), language)})"
        for (name, label), _ in counts.most_common(MOST_NAMES)
    ]
    more = len(counts) - len(names)
    return [*names, translate(text("{count} more", count=more), language)] if more else names


def _listed(items: Sequence[str], language: Language) -> str:
    return ("、" if language == "zh" else ", ").join(items)


def _help(found: Found, care: "Care", *, country: str, language: Language) -> Text:
    """Who listens, and the number for an emergency, in the person's country."""
    from samantha.mind.safety import situation_of

    situation = situation_of(as_turn(found.text, found.understanding))
    line = care.line(situation, country=country, language=language)
    if found.level == "concern":
        return text("If this is about somebody's safety, people can help: {line}.", line=line)
    emergency = care.emergency(situation, country=country, language=language)
    return text(
        "Somebody may be in danger. People can help: {line}. In an emergency call {emergency}.",
        line=line,
        emergency=emergency,
    )


def _cell(words: str, width: int) -> str:
    """`words` in exactly `width` cells, the last of them empty."""
    from rich.cells import cell_len

    from samantha.surfaces.terminal.tables import shorten

    shown = shorten(words, width - 1)
    return shown + " " * (width - cell_len(shown))
