"""Longer texts made of short ones, so that no danger is heard in mere length or repetition.

What people write is a sentence or two, and labels are given to these; what they type when nothing comes to mind, or
to see what happens, is the same again and again. Not here: finding one line of danger in a long text, for which it is
read in windows (`samantha.adapters.onnx_encoder`).
"""

import random
import re
from collections.abc import Mapping, Sequence

from samantha.training.data import Example

ROOM = 280  # bytes of a passage: as many as `data.LONGEST` tokens hold in either language
_CHINESE = re.compile(r"[\u3400-\u9fff]")


def passages(examples: Sequence[Example], number: int, *, seed: int) -> list[Example]:
    """`number` passages with the level of the worst of their parts; the same seed gives the same ones.

    Of `examples` those count that have a level. Half the passages say one text again and again, a tenth of these one
    of danger; a fifth do so with a word of a harmless one; the others are harmless texts one after the other.
    """
    chance = random.Random(seed)
    by_language = [
        ([one for one in those if one.labels["level"] == 0], [one for one in those if one.labels["level"] != 0])
        for those in (
            [one for one in examples if "level" in one.labels and bool(_CHINESE.search(one.text)) is chinese]
            for chinese in (False, True)
        )
    ]
    languages = [each for each in by_language if all(each)]
    return [_passage(*chance.choice(languages), chance) for _ in range(number)]


def _passage(harmless: Sequence[Example], danger: Sequence[Example], chance: random.Random) -> Example:
    kind = chance.random()
    if kind < 0.5:
        one = chance.choice(danger if kind < 0.05 else harmless)
        return _joined([one] * chance.randint(2, 30), chance)
    if kind < 0.7:
        word = chance.choice(chance.choice(harmless).text.split())
        return _joined([Example(word, {"level": 0})] * chance.randint(3, 60), chance)
    return _joined(chance.choices(harmless, k=chance.randint(2, 6)), chance)


def _joined(parts: Sequence[Example], chance: random.Random) -> Example:
    parts = _within(parts, ROOM)
    chinese = bool(_CHINESE.search(parts[0].text))
    between = chance.choice(("，", "。", "\n", "") if chinese else (" ", " ", ". ", "\n"))
    worst = max(parts, key=lambda part: int(part.labels["level"]))  # type: ignore[arg-type]
    return Example(between.join(part.text for part in parts), _labels_of_danger(worst.labels))


def _within(parts: Sequence[Example], room: int) -> list[Example]:
    """The first parts that fit, and always one."""
    kept: list[Example] = []
    for part in parts:
        room -= len(part.text.encode()) + len("。".encode())
        if room < 0 and kept:
            break
        kept.append(part)
    return kept


def _labels_of_danger(labels: Mapping[str, int | tuple[float, ...]]) -> dict[str, int | tuple[float, ...]]:
    """Level and kinds: neither an act nor an emotion of one part is that of the whole."""
    return {name: labels[name] for name in ("level", "kinds") if name in labels}
