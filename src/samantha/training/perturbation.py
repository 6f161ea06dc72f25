"""The same text a little otherwise, to see what a model makes of it: with typing errors, and in other words.

The rewording is no paraphrase of a person: it writes contractions out, puts synonyms of a short table, a filler and a
capital letter. It is for English. Not here: what a model makes of it (`samantha.training.classification`).
"""

import random
import re
from collections.abc import Sequence

TYPOS = 0.15  # share of the words
LEAST = 4  # letters of a word that gets one: shorter ones would become other words
SYNONYMS = (
    ("movie", "film"), ("story", "tale"), ("funny", "amusing"), ("boring", "dull"), ("great", "superb"),
    ("bad", "poor"), ("good", "fine"), ("really", "truly"), ("very", "quite"), ("smart", "clever"), ("sad", "mournful"),
    ("beautiful", "lovely"), ("always", "at all times"), ("often", "frequently"), ("begin", "start"),
    ("kids", "children"),
    ("people", "folks"), ("maybe", "perhaps"), ("almost", "nearly"), ("entirely", "completely"), ("big", "large"),
    ("small", "little"), ("hard", "difficult"), ("easy", "simple"), ("enough", "sufficiently"), ("makes", "renders"),
    ("watch", "see"), ("shows", "displays"), ("seems", "appears"), ("feels", "seems"), ("also", "too"),
)  # fmt: skip
FILLERS = ("well , ", "honestly , ", "i think ", "in short , ", "you know , ", "to me , ")

_CONTRACTIONS = tuple(
    (re.compile(pattern, re.IGNORECASE), whole)
    for pattern, whole in (
        (r"\bca ?n['’]t\b", "can not"),
        (r"\bwo ?n['’]t\b", "will not"),
        (r" ?n['’]t\b", " not"),
        (r" ?['’]re\b", " are"),
        (r" ?['’]ve\b", " have"),
        (r" ?['’]ll\b", " will"),
        (r"\b(it|that|there|he|she|what|who) ?['’]s\b", r"\1 is"),
        (r"\bi ?['’]m\b", "i am"),
    )
)
_WORD = re.compile(r"[^\W\d_]+")


def typos(said: str, *, seed: int, share: float = TYPOS) -> str:
    """`said` with two letters swapped, one dropped or one doubled in `share` of the words that are long enough."""
    chance = random.Random(f"{seed} {said}")
    return _WORD.sub(
        lambda word: _mistyped(word[0], chance) if len(word[0]) >= LEAST and chance.random() < share else word[0], said
    )


def _mistyped(word: str, chance: random.Random) -> str:
    at = chance.randrange(1, len(word) - 1)  # the first letter is seldom wrong
    match chance.choice(("swap", "drop", "double")):
        case "swap":
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        case "drop":
            return word[:at] + word[at + 1 :]
        case _:
            return word[:at] + word[at] + word[at:]


def reworded(said: str, *, seed: int) -> str:
    """`said` with contractions written out, known words replaced by synonyms, a filler, and a capital letter."""
    chance = random.Random(f"{seed} {said}")
    for pattern, whole in _CONTRACTIONS:
        said = pattern.sub(whole, said)
    other = {one: two for pair in SYNONYMS for one, two in (pair, pair[::-1])}
    said = chance.choice(FILLERS) + _WORD.sub(lambda word: other.get(word[0], word[0]), said)
    return said[0].upper() + said[1:]


def each(texts: Sequence[str], *, seed: int) -> dict[str, list[str]]:
    """All `texts`, by what was done to them."""
    return {
        "typos": [typos(said, seed=seed) for said in texts],
        "reworded": [reworded(said, seed=seed) for said in texts],
    }
