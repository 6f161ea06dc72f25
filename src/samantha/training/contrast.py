"""Sentences in which a negation or a contrast decides the sentiment, made from word lists.

Comments seldom say "it was not bad": a network that has read only comments takes the strongest word for the whole.
The templates and words are written for this project; the domains that the tests are about are left out.
"""

import random

from samantha.core.understanding import SENTIMENTS
from samantha.training.data import Example

GOOD = (
    "good great excellent amazing wonderful lovely brilliant superb delightful fantastic perfect fun charming "
    "beautiful awesome enjoyable pleasant impressive exciting nice outstanding sweet adorable exceptional "
    "extraordinary incredible happy fabulous terrific splendid"
).split()
BAD = (
    "bad awful terrible horrible dreadful boring ugly nasty poor disappointing annoying dull lousy ridiculous "
    "frustrating unpleasant miserable weird creepy hard difficult rude sad unhappy lame average pathetic useless "
    "disgusting painful"
).split()
PLAIN = (
    "local national Italian commercial private public daily northern Canadian electric wooden weekly digital "
    "British regional Indian Israeli Australian American Russian international domestic French annual urban medical"
).split()
LIKE = "like love enjoy appreciate admire recommend value adore".split()
DISLIKE = "dislike hate despise regret dread abhor loathe resent".split()
SEE = "see find notice visit mention describe watch remember".split()
THINGS = (
    "film dinner room phone teacher concert book garden town song hotel meeting laptop neighbour doctor show shop park "
    "coat game class bike cake painting café job radio boss story house"
).split()
MIDDLE = (
    "given that I came on a Tuesday", "all things considered, after three weeks", "even though we drove four hours",
    "considering what my cousin had told me", "having been here since May", "for somebody of my age",
    "after all the talk in the office", "given the time that I spent there", "with my family around",
)  # fmt: skip
NEGATIVE, NEUTRAL, POSITIVE = range(len(SENTIMENTS))


def sentences(number: int, *, seed: int) -> list[Example]:
    """`number` sentences with their sentiment. The same seed gives the same ones."""
    chance = random.Random(seed)
    return [_sentence(chance) for _ in range(number)]


def _sentence(chance: random.Random) -> Example:
    kind = chance.choice((NEGATIVE, NEUTRAL, POSITIVE))
    other = {NEGATIVE: POSITIVE, POSITIVE: NEGATIVE, NEUTRAL: NEUTRAL}
    words = {NEGATIVE: BAD, NEUTRAL: PLAIN, POSITIVE: GOOD}
    verbs = {NEGATIVE: DISLIKE, NEUTRAL: SEE, POSITIVE: LIKE}
    thing, the = chance.choice(THINGS), chance.choice(("the", "this", "that", "my", "our"))
    word, verb = chance.choice(words[kind]), chance.choice(verbs[kind])
    opposite = chance.choice(words[other[kind]])
    no = chance.choice(("not", "never", "hardly"))
    was, isnt = chance.choice((("is", "isn't"), ("was", "wasn't")))
    middle, an = chance.choice(MIDDLE), "an" if word[0].lower() in "aeiou" else "a"
    forms: list[tuple[str, int]] = [
        (word, kind),
        (f"{the} {thing} {was} {word}", kind),
        (f"it {was} {an} {word} {thing}", kind),
        (f"I {verb} {the} {thing}", kind),
        (f"we {verb} {the} {thing}", kind),
        (f"I {chance.choice(('really', 'truly', 'very much'))} {verb} {the} {thing}", kind),
        (f"{the} {thing} {isnt} {word}", other[kind]),
        (f"{the} {thing} was {no} {word}", other[kind]),
        (f"I can't say I {verb} {the} {thing}", other[kind]),
        (f"nobody here would {verb} {the} {thing}", other[kind]),
        (f"I don't {verb} {the} {thing}", other[kind]),
        (f"I never {verb}d it" if verb.endswith("e") else f"I never {verb}ed it", other[kind]),
        (f"it isn't {an} {word} {thing}", other[kind]),
        (f"I expected {the} {thing} to be {word}, but it wasn't", other[kind]),
        (f"I thought {the} {thing} would be {word}; it was not", other[kind]),
        (f"I was told {the} {thing} was {word} and it turned out it wasn't", other[kind]),
        (f"I don't think, {middle}, that {the} {thing} was {word}", other[kind]),
        (f"I wouldn't say, {middle}, that I {verb} {the} {thing}", other[kind]),
        (f"it isn't true, {middle}, that {the} {thing} is {word}", other[kind]),
        (f"once I found {the} {thing} {opposite}, now I find it {word}", kind),
        (f"I find {the} {thing} {word} now, though I used to find it {opposite}", kind),
        (f"in the past I would have called it {opposite}, today I call it {word}", kind),
        (f"others call {the} {thing} {opposite}; to me it is {word}", kind),
        (f"I find {the} {thing} {word}, whatever people say about it being {opposite}", kind),
        (f"is {the} {thing} {word}? Yes, it is", kind),
        (f"is {the} {thing} {word}, if you ask me? Yes", kind),
        (f"did I find {the} {thing} {word}? No", other[kind]),
        (f"would I call {the} {thing} {word}? No", other[kind]),
    ]
    said, sentiment = chance.choice(forms)
    if chance.random() < 0.7:
        said = said[0].upper() + said[1:] + chance.choice((".", ".", "!", ""))
    return Example(said, {"sentiment": sentiment})
