"""Files of a run: where it can be taken up again, and a batch that was refused.

A checkpoint is written beside its place and put there at once, so that a full disk or a killed process leaves the
last good one. Not here: what is in it (`samantha.training.loop`).
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch

from samantha.core.errors import TrainingError
from samantha.training.loop import State

CHECKPOINT, REFUSED = "checkpoint.pt", "refused_batch.pt"


@dataclass(frozen=True, slots=True)
class Folder:
    """A `Place` on disk. `made_for` says what a checkpoint belongs to: another's is refused."""

    path: Path
    made_for: str

    def saved(self) -> State | None:
        """What was left here, or None. Raises `TrainingError` where it cannot be read, or is of something else."""
        file = self.path / CHECKPOINT
        if not file.exists():
            return None
        try:
            found = torch.load(file, weights_only=True)
            made_for, state = found["made_for"], found["state"]
        except (OSError, RuntimeError, EOFError, KeyError, TypeError, UnpicklingError) as error:
            raise TrainingError(
                "The checkpoint '{file}' cannot be read: {reason}. Delete it to begin anew.", file=file, reason=error
            ) from error
        if made_for != self.made_for:
            raise TrainingError(
                "The checkpoint '{file}' is of another model ({found}, not {wanted}). "
                "Take another folder, or delete it.",
                file=file,
                found=made_for,
                wanted=self.made_for,
            )
        return dict(state)

    def save(self, state: State) -> None:
        """Replace what is here. Raises `TrainingError` where there is no room; the old one then stays."""
        file = self.path / CHECKPOINT
        beside = file.with_name(f".{file.name}.new")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            torch.save({"made_for": self.made_for, "state": state}, beside)
            os.replace(beside, file)
        except (OSError, RuntimeError) as error:  # torch says RuntimeError where the disk is full
            beside.unlink(missing_ok=True)
            raise TrainingError(
                "The checkpoint '{file}' cannot be written: {reason}. Make room; the one before it is kept.",
                file=file,
                reason=error,
            ) from error

    def clear(self) -> None:
        """Remove the checkpoint: the run has ended."""
        shutil.rmtree(self.path, ignore_errors=True)

    def refused(self, batch: object) -> str:
        """Keep `batch`, and say where; nowhere if there is no room."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            torch.save(batch, self.path / REFUSED)
        except (OSError, RuntimeError):
            return ""
        return str(self.path / REFUSED)
