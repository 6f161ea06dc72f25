"""How good the heads are that a person trains on their own labels: CLINC150, and ten shots of Banking77.

Nothing that is trained here is kept. Not here: training (`Subject.head_trainer` does it), or the heads that ship
(`samantha.evaluation.suites.understanding`).
"""

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samantha.core.text import text
from samantha.evaluation import metrics, sets
from samantha.evaluation.metrics import Floats
from samantha.evaluation.report import Row, row
from samantha.evaluation.sets import OUT_OF_SCOPE, Intent, Split, Unusable
from samantha.evaluation.subject import Head, HeadTrainer, Readout, Subject

SHOTS = 10  # examples a class
SEEDS = (0, 1, 2)
HELD_OUT = 0.15  # of the training examples of each intent: what is out of scope is decided on them
IN_SCOPE_LOSS = 0.003  # of the intents found there; that many may be taken for out of scope

Names = NDArray[np.str_]


def clinc150(subject: Subject, folder: Path, split: Split | None) -> Iterator[Row]:
    """150 intents, and noticing what is none of them. Trained on train with its 100 out-of-scope examples."""
    trainer = _trainer(subject)
    examples = sets.read(sets.clinc150, sets.matching(folder, "*.json"))
    there = {one.part for one in examples}
    part = next((one for one in {"dev": ["val"], "test": ["test"], None: ["val", "test"]}[split] if one in there), "")
    if not part or "train" not in there:
        raise Unusable(
            text("It takes a part to train on and one to measure; there are: {parts}.", parts=", ".join(sorted(there)))
        )
    training = [one for one in examples if one.part in ("train", "oos_train")]
    least = _least_margin(subject, trainer, training)
    head = _trained(trainer, training)
    for what, measured, bar in (("accuracy in scope", part, 0.95), ("out-of-scope recall", f"oos_{part}", 0.60)):
        asked = [one for one in examples if one.part == measured]
        if asked:
            found, margins = _likeliest(head, subject.encoder.read([one.text for one in asked]))
            right = np.where(margins >= least, found, OUT_OF_SCOPE) == _intents(asked)
            yield row(f"CLINC150 {part}, own head, {what}", metrics.share(right), len(asked), at_least=bar)


def _least_margin(subject: Subject, trainer: HeadTrainer, training: Sequence[Intent]) -> float:
    """The margin from which on a text is in scope, chosen on training examples that a first head has not seen."""
    held = _drawn(training, lambda count: round(count * HELD_OUT), seed=0)
    head = _trained(trainer, [one for number, one in enumerate(training) if number not in held])
    asked = [training[number] for number in sorted(held) if training[number].intent != OUT_OF_SCOPE]
    if not asked:
        return 0.0
    found, margins = _likeliest(head, subject.encoder.read([one.text for one in asked]))
    right = margins[found == _intents(asked)]
    return float(np.quantile(right, IN_SCOPE_LOSS)) if len(right) else 0.0


def _likeliest(head: Head, readout: Readout) -> tuple[Names, Floats]:
    """The likeliest intent in scope, and its probability less that of being out of scope."""
    probabilities = np.array(head.probabilities(readout.vector, readout.pooled), np.float64)
    labels = np.array(head.labels)
    outside = probabilities[:, labels == OUT_OF_SCOPE].sum(axis=1)
    probabilities[:, labels == OUT_OF_SCOPE] = -1
    return labels[probabilities.argmax(axis=1)], probabilities.max(axis=1) - outside


def banking77(subject: Subject, folder: Path, split: Split | None) -> Iterator[Row]:
    """77 intents from ten examples each, scored on a file of its own or on what was not drawn; mean of three draws."""
    trainer = _trainer(subject)
    source, target = _files(folder, split)
    pool = sets.read(sets.banking77, source)
    asked = sets.read(sets.banking77, target) if target else pool
    readout = subject.encoder.read([one.text for one in asked])
    scores, sizes = [], []
    for seed in SEEDS:
        shots = _drawn(pool, lambda count: SHOTS, seed=seed)
        head = _trained(trainer, [pool[number] for number in sorted(shots)])
        found = head.probabilities(readout.vector, readout.pooled).argmax(axis=1)
        right = np.array(head.labels)[found] == _intents(asked)
        scored = right if target else right[[number for number in range(len(asked)) if number not in shots]]
        if not len(scored):
            raise Unusable(text("It has no more than {shots} examples of any label.", shots=SHOTS))
        scores.append(metrics.share(scored))
        sizes.append(len(scored))
    where = f"on {target[0].name}" if target else f"on the rest of {source[0].name}"
    yield row(
        f"Banking77, own head from ten examples a class, {where}", sum(scores) / len(scores), sizes[0], at_least=0.865
    )


def _files(folder: Path, split: Split | None) -> tuple[list[Path], list[Path]]:
    """What the examples are drawn from, and what is measured; nothing there means the rest of the first."""
    paths = sets.matching(folder, "*.csv")
    by_split = {name: [path for path in paths if name in sets.splits_in(path)] for name in ("train", "dev", "test")}
    target = by_split["dev"] or by_split["test"] if split is None else by_split[split]
    source = by_split["train"] or [path for path in paths if not sets.splits_in(path)] or target
    if not source or (split == "test" and not target):
        raise Unusable(
            text(
                "No file is of the split {split}; there are {files}.",
                split=split or "train",
                files=", ".join(path.name for path in paths),
            )
        )
    return source, [] if source == target else target


def _trainer(subject: Subject) -> HeadTrainer:
    if subject.head_trainer is None:
        raise Unusable(
            text("Heads are trained with scikit-learn, which is not here: `pip install 'samantha-companion[train]'`.")
        )
    return subject.head_trainer


def _trained(trainer: HeadTrainer, examples: Sequence[Intent]) -> Head:
    return trainer([one.text for one in examples], [one.intent for one in examples])


def _drawn(examples: Sequence[Intent], how_many: Callable[[int], int], *, seed: int) -> set[int]:
    """Places of some examples of each intent, drawn at random; `how_many` is asked with how many there are."""
    places: dict[str, list[int]] = {}
    for number, one in enumerate(examples):
        places.setdefault(one.intent, []).append(number)
    chance = random.Random(seed)
    return {
        number
        for _, those in sorted(places.items())
        for number in chance.sample(those, min(how_many(len(those)), len(those)))
    }


def _intents(examples: Sequence[Intent]) -> Names:
    return np.array([one.intent for one in examples])
