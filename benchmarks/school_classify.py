"""What the school's classifier learns of SST-2, by which means: accuracy on the development sentences, over seeds.

`make bench NAME=school_classify ARGS="DATA_DIR TRUNK_DIR [PART ...]"`, where DATA_DIR holds the public data sets and
TRUNK_DIR all-MiniLM-L6-v2. Nothing stops by, or is chosen in a run by, the sentences that measure. Runs that are done
stay in build/school_classify and are not done again, so that parts may be run one after the other, or side by side;
each part's row of minutes names the commits at which its runs were made, whenever the file is written.
Not here: how anything is trained (`samantha.recipes.classify`, `samantha.recipes.bert`).
"""

import csv
import hashlib
import json
import re
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from results_file import Row, commit, row, write

from samantha.recipes import bert, classify
from samantha.recipes.options import plain
from samantha.training.loop import Plan
from samantha.training.models.bert import Shape
from samantha.training.runs import RESULT, RunFolder

WORK = Path("build/school_classify")
COMMIT = "commit.txt"  # in the folder of a run: at which it began
Figures = dict[str, Any]  # of one run; numbers, but for the commit
SEEDS = (0, 1, 2)
BAR = 88.5  # per cent of the 872 sentences: one is 0.11
THREADS = 1
MINILM = classify.Recipe(held_share=0.0, epochs=2.0, plan=Plan(steps=0, rate=1e-4, average=0.99, half=True))
PARTS: Mapping[str, classify.Recipe] = {
    "plain": MINILM,
    "R-Drop": replace(MINILM, agreement=1.0),
    "FGM": replace(MINILM, adversarial=0.1),
    "5 % of the labels": replace(MINILM, labelled_share=0.05, unlabelled="rest"),
}
SMALL = Shape(vocabulary=6000, width=192, layers=4, attention_heads=6, inner=768, positions=128)
PRETRAINING = bert.Recipe(form="lines", shape=SMALL, plan=Plan(steps=6000, rate=1e-3, betas=(0.9, 0.98), half=True))
TUNED = classify.Recipe(
    held_share=0.0, epochs=5.0, head_rate=3.0, plan=Plan(steps=0, rate=3e-4, average=0.99, half=True)
)
BERT = "small BERT"
FEELINGS = "feelings first"
LISTENING = replace(MINILM, held_share=0.02, epochs=1.0)  # which of 28 feelings a comment of GoEmotions has


def recipe_of(part: str, seed: int, data: Path, trunk: Path) -> classify.Recipe:
    """A part's recipe on SST-2. `trunk` is MiniLM, or for the small BERT its run."""
    small = replace(TUNED, fresh=part.endswith("not pretrained"))
    base = PARTS.get(part, MINILM if part == FEELINGS else small)
    sst = data / "sst_mr_trec"
    return replace(
        base,
        data=sst / "stsa.binary.train",
        test=sst / "stsa.binary.dev",
        trunk=trunk,
        seed=seed,
        corrupt="skip",
        licence="unclear; for measuring only",
        device="cpu",
    )


def figures(name: str, recipe: Any, run: Callable[[Any, RunFolder], object]) -> tuple[Figures, Path]:
    """What `recipe` gives, or gave the last time; and its folder. Among the figures are the seconds and the commit."""
    options = plain(recipe)
    digest = hashlib.sha256(json.dumps(options).encode()).hexdigest()[:8]
    folder = WORK / f"{name.replace(' ', '_').replace('%', 'percent')}-{recipe.seed}-{digest}"
    if not (folder / RESULT).exists():
        begun = (folder / "recipe.json").exists()
        folder_of_run = RunFolder.begin(folder, recipe=name, options=options, resume=begun)
        if not begun:
            (folder / COMMIT).write_text(commit(), encoding="utf-8")
        run(recipe, folder_of_run)
    found = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    made_at = (folder / COMMIT).read_text(encoding="utf-8")
    return {**found["figures"], "seconds": found["seconds"], "commit": made_at}, folder


def plain_text(data: Path) -> Path:
    """The texts that the small BERT learns from, a line each, written like SST: small letters, spaces around signs.

    SST's training sentences (also the neutral ones), IMDB reviews as they were, and comments of GoEmotions: what is
    nearest to SST of what is there. None of SST's development sentences.
    """
    file = WORK / "plain_text.txt"
    if not file.exists():
        WORK.mkdir(parents=True, exist_ok=True)
        beside = file.with_suffix(".new")
        beside.write_text("\n".join(map(_like_sst, _texts(data))) + "\n", encoding="utf-8")
        beside.replace(file)
    return file


def _texts(data: Path) -> Iterator[str]:
    for line in (data / "sst_mr_trec" / "stsa.fine.train").read_text(encoding="utf-8").splitlines():
        yield line.split(maxsplit=1)[1]
    with (data / "cad_imdb" / "orig_train.tsv").open(encoding="utf-8", newline="") as reviews:
        for review in csv.DictReader(reviews, delimiter="\t"):
            yield from re.split(r"(?<=[.!?]) +|(?:<br />)+", review["Text"])
    for line in (data / "goemotions" / "train.tsv").read_text(encoding="utf-8").splitlines():
        yield line.split("\t")[0]


def _like_sst(said: str) -> str:
    spaced = re.sub(r"(n['’]t|['’](?:s|re|ve|ll|m|d))\b", r" \1", said.lower())
    return " ".join(re.sub(r"(\.\.\.|[.,!?;:()\"])", r" \1 ", spaced).split())


def comments(data: Path) -> Path:
    """The comments of GoEmotions that have one feeling, as a table."""
    names = (data / "goemotions" / "labels.txt").read_text(encoding="utf-8").split()
    rows = [line.split("\t") for line in (data / "goemotions" / "train.tsv").read_text(encoding="utf-8").splitlines()]
    file = WORK / "comments.tsv"
    WORK.mkdir(parents=True, exist_ok=True)
    single = [f"{said}\t{names[int(ids)]}\n" for said, ids, _ in rows if "," not in ids]
    file.write_text("text\tlabel\n" + "".join(single), encoding="utf-8")
    return file


def rows_of(part: str, runs: list[Figures]) -> list[Row]:
    """The rows of a part from the figures of its seeds: their mean, and in the unit how far they lie apart."""
    bar = BAR if part in ("plain", FEELINGS) else None
    found = [_mean(f"{part}: accuracy", "test_accuracy", runs, at_least=bar)]
    if "teacher_accuracy" in runs[0]:
        found[0] = _mean(f"{part} and the rest unlabelled: accuracy", "test_accuracy", runs)
        found.insert(0, _mean(f"{part} alone: accuracy", "teacher_accuracy", runs))
        gains = [100 * (one["test_accuracy"] - one["teacher_accuracy"]) for one in runs]
        found.append(row(f"{part}: gain from the rest", statistics.mean(gains), f"points, seeds {_each(gains)}"))
        found.append(_mean(f"{part}: pseudo-labels that are right", "pseudo_labels_right", runs))
    found += [
        _mean(f"{part}: {name}", key, runs)
        for name, key in {
            "macro-F1": "test_macro_f1",
            "accuracy with typos": "test_accuracy_typos",
            "accuracy reworded": "test_accuracy_reworded",
        }.items()
    ]
    return [*found, _minutes(f"{part}: all seeds", runs)]


def _minutes(what: str, runs: list[Figures]) -> Row:
    """How long `runs` took together, and what was measured: the commits at which they began."""
    commits = ", ".join(sorted({one["commit"] for one in runs}))
    return row(what, sum(one["seconds"] for one in runs) / 60, f"minutes on {THREADS} thread, commit {commits}")


def _mean(what: str, key: str, runs: list[Figures], *, at_least: float | None = None) -> Row:
    values = [100 * one[key] for one in runs]
    return row(what, statistics.mean(values), f"% (mean of seeds {_each(values)})", at_least=at_least)


def _each(values: list[float]) -> str:
    return ", ".join(f"{value:.1f}" for value in values)


def small_bert(data: Path) -> Iterator[tuple[str, list[Row]]]:
    """Pretrained once, by masked tokens; then tuned with each seed, and without the pretrained weights too."""
    pretraining = replace(PRETRAINING, data=plain_text(data), device="cpu", licence="mixed; for measuring only")
    learned, trunk = figures(f"{BERT}, pretraining", pretraining, bert.run)
    about = f"{BERT} ({learned['parameters'] / 1e6:.1f} M), pretraining"
    yield (
        "pretraining",
        [
            row(f"{about}: masked tokens found", 100 * learned["held_out_accuracy"], "%"),
            _minutes(about, [learned]),
        ],
    )
    runs: dict[str, list[Figures]] = {}
    for part in (f"{BERT}, not pretrained", f"{BERT}, pretrained"):
        runs[part] = [figures(part, recipe_of(part, seed, data, trunk), classify.run)[0] for seed in SEEDS]
        yield part, rows_of(part, runs[part])
    before, after = ([100 * one["test_accuracy"] for one in each] for each in runs.values())
    gains = [two - one for one, two in zip(before, after, strict=True)]
    gain = statistics.mean(gains)
    clear = all(one > 0 for one in gains)
    words = f"points, seeds {_each(gains)}"
    yield "gain", [Row(f"{BERT}: gain from pretraining", round(gain, 2), words, "> 0 with every seed", clear)]


def feelings_first(data: Path, minilm: Path) -> Iterator[tuple[str, list[Row]]]:
    """MiniLM first learns, once, which feeling a comment of GoEmotions has; its trunk is then tuned with each seed."""
    listening = replace(
        LISTENING, data=comments(data), trunk=minilm, corrupt="skip", device="cpu", licence="Apache-2.0"
    )
    heard, trunk = figures("GoEmotions", listening, classify.run)
    runs = [figures(FEELINGS, recipe_of(FEELINGS, seed, data, trunk), classify.run)[0] for seed in SEEDS]
    before = [
        row(f"{FEELINGS}: one of 28 feelings, held-out comments", 100 * heard["held_accuracy"], "%"),
        _minutes(f"{FEELINGS}: learning these", [heard]),
    ]
    yield FEELINGS, [*before, *rows_of(FEELINGS, runs)]


def measured(data: Path, trunk: Path, parts: list[str]) -> Iterator[tuple[str, list[Row]]]:
    """Rows of one part after the other."""
    for part in PARTS:
        if part in parts:
            runs = [figures(part, recipe_of(part, seed, data, trunk), classify.run)[0] for seed in SEEDS]
            yield part, rows_of(part, runs)
    if FEELINGS in parts:
        yield from feelings_first(data, trunk)
    if BERT in parts:
        yield from small_bert(data)


def keep(part: str, rows: list[Row]) -> None:
    """Write the rows of all parts that were ever done, this one among them."""
    kept = WORK / "rows"
    kept.mkdir(parents=True, exist_ok=True)
    (kept / f"{part}.json").write_text(json.dumps([asdict(each) for each in rows]), encoding="utf-8")
    order = [*PARTS, FEELINGS, "pretraining", f"{BERT}, not pretrained", f"{BERT}, pretrained", "gain"]
    files = [file for name in order if (file := kept / f"{name}.json").exists()]
    write(
        Path(__file__).stem,
        [
            Row(**{**each, "what": f"SST-2, {each['what']}"})
            for file in files
            for each in json.loads(file.read_text(encoding="utf-8"))
        ],
    )


if __name__ == "__main__":
    data, trunk, parts = (
        Path(sys.argv[1] if sys.argv[1:] else ""),
        Path(*sys.argv[2:3]),
        sys.argv[3:] or [*PARTS, FEELINGS, BERT],
    )
    if (
        not (data / "sst_mr_trec").is_dir()
        or not (trunk / "tokenizer.json").is_file()
        or {*parts} - {*PARTS, FEELINGS, BERT}
    ):
        sys.exit(
            'Say where the sets and MiniLM are: make bench NAME=school_classify ARGS="DATA_DIR TRUNK_DIR [PART ...]"'
            f", and if not all, which parts, each in quotes: {', '.join([*PARTS, FEELINGS, BERT])}."
        )
    torch.set_num_threads(THREADS)
    for part, rows in measured(data, trunk, parts):
        keep(part, rows)
