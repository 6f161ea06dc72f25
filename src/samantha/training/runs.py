"""The folder of a run: what was asked for, how it went, and what came of it.

    recipe.json     the recipe with each of its options
    data.json       where the texts are from, how many were used, and why others were not
    metrics.jsonl   a row a report: stage, step, seconds, losses, rate, tokens a second, the score where it was taken
    samples.jsonl   what the model wrote, and to what
    model.json, model.safetensors, tokenizer.json    the model (`samantha.training.model_files`)
    result.json     the figures
    report.html     all of it for the eye
    stages/         while it runs: checkpoints, and the weights of stages that are done

Not here: what is trained, and how (the recipes).
"""

import json
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file
from torch import nn

from samantha.core.errors import TrainingError
from samantha.core.text import Text, text
from samantha.training import cleaning, model_files, report
from samantha.training.checkpoints import Folder
from samantha.training.cleaning import Card
from samantha.training.loop import Log, Losses, Plan, fit
from samantha.training.model_files import Trained

RECIPE, DATA, METRICS, SAMPLES, RESULT, REPORT, STAGES = (
    *("recipe.json", "data.json", "metrics.jsonl", "samples.jsonl", "result.json", "report.html", "stages"),
)
REPORTS = 200  # rows of a stage, at most

Batch = TypeVar("Batch")
Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class News:
    """How far a stage is. `row` is what `metrics.jsonl` says of it."""

    stage: str
    step: int
    steps: int
    row: Mapping[str, float]


Watch = Callable[[News], None]
Say = Callable[[Text], None]  # a sentence for whoever started the run


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a recipe: its folder, the figures by name, and whether the model can be talked with."""

    folder: Path
    figures: dict[str, float]
    seconds: float
    speaks: bool


class RunFolder:
    """A run on disk, while it goes on."""

    def __init__(
        self, path: Path, asked: Mapping[str, Any], watch: Watch, say: Say, rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """`rows` of metrics are those of a run that is taken up."""
        self.path, self.recipe, self.watch, self.say = path, str(asked["recipe"]), watch, say
        self.seed = int(asked["options"].get("seed", 0))
        self.resumed = bool(rows) or (path / STAGES).exists()
        self.started = time.monotonic() - (rows[-1]["total_seconds"] if rows else 0.0)
        self._begun = set[str]()  # stages of which a row was noted since

    @classmethod
    def begin(
        cls,
        path: Path,
        *,
        recipe: str,
        options: Mapping[str, Any],
        resume: bool = False,
        watch: Watch = lambda news: None,
        say: Say = lambda sentence: None,
    ) -> "RunFolder":
        """Make the folder, or with `resume` take up the run that was left in it.

        Raises `TrainingError` where another run is there, or none to resume.
        """
        before = asked_for(path)
        asked = {"recipe": recipe, "options": dict(options)}
        if resume:
            if before is None:
                raise TrainingError("There is no run in '{path}' to resume. Leave out --resume.", path=path)
            if (path / RESULT).exists():
                raise TrainingError("The run in '{path}' has ended. Take another folder with out=.", path=path)
            if other := _difference(before, asked):
                raise TrainingError(
                    "The run in '{path}' was begun with {key}={before}, not {now}. Leave that out, or take another "
                    "folder with out=.",
                    path=path,
                    key=other[0],
                    before=other[1],
                    now=other[2],
                )
            (path / SAMPLES).unlink(missing_ok=True)  # they are written anew
            return cls(path, asked, watch, say, report.rows_of(path / METRICS))
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise TrainingError(
                "There is something in '{path}' already. Go on with that run with --resume, or take another folder "
                "with out=.",
                path=path,
            )
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingError("'{path}' cannot be made: {reason}.", path=path, reason=error.strerror) from error
        _write(path / RECIPE, asked)
        return cls(path, asked, watch, say, ())

    @property
    def seconds(self) -> float:
        """Since the run began, without the time that it lay."""
        return time.monotonic() - self.started

    def fit(
        self,
        stage: str,
        model: Model,
        batches: Iterable[Batch],
        loss_of: Callable[[Model, Batch], Losses],
        plan: Plan,
        *,
        score: Callable[[Model], float] | None = None,
        rates: Mapping[str, float] | None = None,
        tokens_of: Callable[[Batch], int] | None = None,
    ) -> Log:
        """`samantha.training.loop.fit`; a stage that is done is not done again, and one that was left goes on."""
        done, log = self.path / STAGES / f"{stage}.safetensors", self.path / STAGES / f"{stage}.json"
        if done.exists() and log.exists():
            model.load_state_dict(load_file(done))
            model.eval()
            return Log(**json.loads(log.read_text(encoding="utf-8")))
        torch.manual_seed(self.seed + zlib.crc32(stage.encode()))  # whatever chance did before it
        made = fit(
            model,
            batches,
            loss_of,
            plan,
            score=score,
            rates=rates,
            tokens_of=tokens_of,
            report=lambda row: self._note(stage, plan.steps, row),
            report_every=max(1, plan.steps // REPORTS),
            place=Folder(self.path / STAGES / stage, made_for=f"{self.recipe}, {stage}"),
        )
        model_files.write_weights(model, done)
        _write(log, asdict(made))
        shutil.rmtree(self.path / STAGES / stage, ignore_errors=True)
        return made

    def _note(self, stage: str, steps: int, row: dict[str, float]) -> None:
        if stage not in self._begun:
            self._begun.add(stage)
            self._forget(stage, int(row["step"]))
        _append(self.path / METRICS, {"stage": stage, **row, "total_seconds": round(self.seconds, 1)})
        self.watch(News(stage, int(row["step"]), steps, row))

    def _forget(self, stage: str, step: int) -> None:
        """Drop the rows from `step` on, which a run that is taken up makes again."""
        rows = report.rows_of(self.path / METRICS)
        kept = [row for row in rows if row["stage"] != stage or row["step"] < step]
        if len(kept) < len(rows):
            (self.path / METRICS).unlink()
            for row in kept:
                _append(self.path / METRICS, row)

    def describe(self, *cards: Card) -> None:
        """Keep what the texts are made of, and say what was left out of them.

        Raises `TrainingError` where a run is taken up with other texts.
        """
        made = json.loads(json.dumps([cleaning.plain(card) for card in cards]))
        file = self.path / DATA
        if self.resumed and file.exists() and json.loads(file.read_text(encoding="utf-8")) != made:
            raise TrainingError(
                "The texts are no longer those that the run in '{path}' was begun with. Begin anew with out=.",
                path=self.path,
            )
        _write(file, made)
        for card in cards:
            for number, says in enumerate(card.left_out):
                self.say(says if number else text("Texts of {name}: {says}", name=card.name, says=says))

    def sample(self, prompt: str, written: str, *, expected: str = "") -> None:
        """Keep something that the model wrote, and what the text had there, if it is known."""
        _append(
            self.path / SAMPLES,
            {"prompt": prompt, "written": written} | ({"expected": expected} if expected else {}),
        )

    def abandon(self) -> None:
        """Remove the folder of a run that failed before there was anything in it to go on with."""
        begun = (self.path / METRICS).exists() or any((self.path / STAGES).glob("*/*.pt"))
        if not begun and not self.resumed:
            shutil.rmtree(self.path, ignore_errors=True)

    def finish(self, trained: Trained, figures: Mapping[str, float]) -> Run:
        """Write the model, the figures and the report; what was kept to resume goes."""
        model_files.write(self.path, trained)
        rounded = {name: _rounded(value) for name, value in figures.items()}
        done = Run(self.path, rounded, round(self.seconds, 1), trained.speaks != "nothing")
        result = {"figures": done.figures, "seconds": done.seconds, "hardware": report.machine()}
        _write(self.path / RESULT, result)
        try:
            report.write(self.path)
        except OSError as error:
            (self.path / RESULT).unlink()  # it has not ended yet
            raise _unwritten(self.path / REPORT, error) from error
        shutil.rmtree(self.path / STAGES, ignore_errors=True)
        return done


def asked_for(path: Path) -> dict[str, Any] | None:
    """Recipe and options of the run in `path`; None where there is none."""
    file = path / RECIPE
    try:
        return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else None
    except (OSError, ValueError) as error:
        raise TrainingError("'{file}' cannot be read: {reason}.", file=file, reason=error) from error


def _difference(before: Mapping[str, Any], asked: Mapping[str, Any]) -> tuple[str, object, object] | None:
    """The first option that is not as it was."""
    if before["recipe"] != asked["recipe"]:
        return "RECIPE", before["recipe"], asked["recipe"]
    was, now = _flat(before["options"]), _flat(asked["options"])
    return next(((key, was.get(key), now.get(key)) for key in {**was, **now} if was.get(key) != now.get(key)), None)


def _flat(options: Mapping[str, Any], begin: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in options.items():
        flat |= _flat(value, f"{begin}{key}.") if isinstance(value, dict) else {f"{begin}{key}": value}
    return flat


def _rounded(value: float) -> float:
    """Counts as they are, and five digits of what is measured."""
    return value if isinstance(value, int) else float(f"{value:.5g}")


def _append(file: Path, row: Mapping[str, object]) -> None:
    try:
        with file.open("a", encoding="utf-8") as rows:
            rows.write(json.dumps(row, ensure_ascii=False) + "\n")
    except OSError as error:
        raise _unwritten(file, error) from error


def _write(file: Path, content: object) -> None:
    beside = file.with_name(f".{file.name}.new")
    try:
        beside.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        os.replace(beside, file)
    except OSError as error:
        raise _unwritten(file, error) from error


def _unwritten(file: Path, error: OSError) -> TrainingError:
    return TrainingError(
        "'{file}' cannot be written: {reason}. Make room, and go on with --resume.", file=file, reason=error.strerror
    )
