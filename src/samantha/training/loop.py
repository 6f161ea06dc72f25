"""The training loop: steps, a schedule, a running average of the weights, stopping in time, going on where it stopped.

It knows nothing of tasks: a batch goes to `loss_of`, and a step is made. Not here: what the batches are
(`samantha.training.data`), what the loss is (`samantha.training.objectives`), and files
(`samantha.training.checkpoints`).
"""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Literal, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.checkpoint import checkpoint

from samantha.core.errors import TrainingError
from samantha.training import ranges

Batch = TypeVar("Batch")
Model = TypeVar("Model", bound=nn.Module)
Losses = Mapping[str, Tensor]  # part -> its scalar loss, already weighted; their sum is minimized
Parameters = list[dict[str, object]]
Schedule = Literal["cosine", "stable", "constant"]
State = dict[str, Any]  # tensors, numbers and their lists: what `torch.load(weights_only=True)` reads back


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast.

    The rate rises over the warm-up, and then falls to zero as a cosine; with "stable" it stays and falls to zero in a
    line over the last `fall` of the steps (warm-up, stable, decay: Hu et al. 2024).
    """

    steps: int
    rate: float = 1e-4
    schedule: Schedule = "cosine"
    warmup: float = 0.06  # share of the steps
    fall: float = 0.2  # share of the steps
    accumulate: int = 1  # batches whose gradients make one step
    clip: float = 1.0  # largest norm of the gradient
    decay: float = 0.01  # weight decay, on matrices alone
    betas: tuple[float, float] = (0.9, 0.999)
    half: bool = False  # multiply in bfloat16, sum and keep in float32: up to 2.4 times faster with AVX-512 BF16
    compile: bool = False
    recompute: bool = False  # the layers' inner values when they are needed, instead of keeping them (Chen et al. 2016)
    average: float = 0.0  # decay of the exponential moving average of the weights; 0 is off
    evaluate_every: int = 0  # steps; 0 never evaluates
    patience: int = 3  # evaluations without a better score after which it stops
    keep_every: int = 250  # steps between checkpoints; 0 keeps one only when interrupted

    def __post_init__(self) -> None:
        """Raises `SettingError` where a value is out of its range."""
        ranges.check(self, RANGES)

    def factor(self, step: int) -> float:
        """What the rate is multiplied with at `step`, from 0."""
        warm = max(1, round(self.steps * self.warmup))
        if step < warm:
            return (step + 1) / warm
        if self.schedule == "constant":
            return 1.0
        if self.schedule == "stable":
            return min(1.0, (self.steps - step) / max(1, round(self.steps * self.fall)))
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, self.steps - warm))))


RANGES: Mapping[str, tuple[float, float]] = {
    "steps": (0, math.inf),
    "rate": (0, 1e3),
    "warmup": (0, 1),
    "fall": (0, 1),
    "accumulate": (1, math.inf),
    "clip": (1e-12, math.inf),
    "decay": (0, 1e3),
    "average": (0, 1 - 1e-9),
    "evaluate_every": (0, math.inf),
    "patience": (1, math.inf),
    "keep_every": (0, math.inf),
}


@dataclass(slots=True)
class Log:
    """What happened: one row a report. `losses` are means since the last one."""

    rows: list[dict[str, float]] = field(default_factory=list)
    best: float = -math.inf
    best_step: int = 0
    stopped_early: bool = False
    seconds: float = 0.0


class Place(Protocol):
    """Where a run that was left is found again."""

    def saved(self) -> State | None: ...

    def save(self, state: State) -> None: ...

    def refused(self, batch: object) -> str:
        """Keep a batch whose loss is no number, and say where."""
        ...


def fit(
    model: Model,
    batches: Iterable[Batch],
    loss_of: Callable[[Model, Batch], Losses],
    plan: Plan,
    *,
    score: Callable[[Model], float] | None = None,
    report: Callable[[dict[str, float]], None] = lambda row: None,
    report_every: int = 100,
    rates: Mapping[str, float] | None = None,
    tokens_of: Callable[[Batch], int] | None = None,
    place: Place | None = None,
) -> Log:
    """Train `model` in place for `plan.steps` steps, or until `score` stops rising.

    With `plan.average` the averaged weights are the ones that are scored and kept. The model ends with the weights of
    its best score, in evaluation mode. `rates` multiplies the learning rate of parameters whose name begins so. With
    `tokens_of`, which counts those of a batch, a row says how many a second were learned from.

    With a `place`, a run that was interrupted goes on as if it had not been: `batches` must be the same again, and
    those that were used are passed over. Ctrl-C ends the step that is being made, keeps what there is and is then
    raised. Raises `TrainingError` where a loss or a gradient is no number, with the batch kept in `place`.
    """
    course = _Course(model, plan, rates or {}, tokens_of)
    if place and (left := place.saved()):
        course.take_up(left)
    source = islice(batches, course.step * plan.accumulate, None)
    forward = torch.compile(model) if plan.compile else model
    if plan.recompute:
        recompute(model)
    model.train()
    with _interrupts_deferred() as interrupted:
        try:
            while course.step < plan.steps and not course.log.stopped_early:
                if not course.make_step(list(islice(source, plan.accumulate)), loss_of, forward, place):
                    break
                last = course.step == plan.steps
                due = bool(plan.evaluate_every and score) and (last or course.step % plan.evaluate_every == 0)
                if due or last or course.step % report_every == 0:
                    report(course.noted(score if due else None))
                if interrupted():
                    break
                if place and plan.keep_every and course.step % plan.keep_every == 0:
                    place.save(course.state())
        except KeyboardInterrupt:  # by what gives batches or is reported to, between two steps
            if place and not interrupted():
                place.save(course.state())
            raise
        if interrupted() and course.step < plan.steps:
            if place:
                place.save(course.state())
            raise KeyboardInterrupt
    return course.ended()


@contextmanager
def _interrupts_deferred() -> Iterator[Callable[[], bool]]:
    """Ctrl-C only notes that it came, so that no step and no evaluation is left half done; a second one is not waited
    for. What it gives says whether it came."""
    came: list[int] = []

    def note(number: int, frame: object) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)

    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) in _DEAF:
        yield lambda: False  # Ctrl-C does not come here
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(came)
    finally:
        signal.signal(signal.SIGINT, before)


_DEAF = (None, signal.SIG_IGN)


class _Course:
    """Everything that changes while training, so that it can be left and taken up again."""

    def __init__(self, model: nn.Module, plan: Plan, rates: Mapping[str, float], tokens_of: Any) -> None:
        self.model, self.plan, self.tokens_of = model, plan, tokens_of
        self.device = next(model.parameters()).device.type
        self.optimizer = torch.optim.AdamW(grouped(model, plan, rates), lr=plan.rate, betas=plan.betas, fused=True)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, plan.factor)
        moving = get_ema_multi_avg_fn(plan.average)  # type: ignore[no-untyped-call]
        self.averaged = AveragedModel(model, multi_avg_fn=moving) if plan.average else None
        self.log, self.best = Log(), dict[str, Tensor]()
        self.step = self.bad = self.since = 0
        self.sums: dict[str, float] = {}
        self.tokens, self.busy = 0, 0.0  # since the last report: tokens, and seconds of the steps alone
        self.started = time.monotonic()

    @property
    def kept(self) -> nn.Module:
        """The network that is scored and that remains."""
        return self.averaged.module if self.averaged else self.model

    def make_step(self, batches: Sequence[Any], loss_of: Any, forward: Any, place: Place | None) -> bool:
        """One step on `batches`; false where there are none left."""
        if not batches:
            return False
        began = time.monotonic()
        self.optimizer.zero_grad(set_to_none=True)
        for batch in batches:
            with torch.autocast(self.device, torch.bfloat16, enabled=self.plan.half):
                losses = loss_of(forward, batch)
            loss = torch.stack(list(losses.values())).sum()
            if not torch.isfinite(loss):
                raise _no_number(losses, self.step, place.refused(batch) if place else "")
            (loss / len(batches)).backward()  # type: ignore[no-untyped-call]
            for name, part in losses.items():
                self.sums[name] = self.sums.get(name, 0.0) + part.item() / len(batches)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.plan.clip)
        if not torch.isfinite(norm):
            raise _no_number({"gradient": norm}, self.step, place.refused(batches[-1]) if place else "")
        self.optimizer.step()
        self.schedule.step()
        if self.averaged:
            self.averaged.update_parameters(self.model)
        self.step, self.since = self.step + 1, self.since + 1
        self.tokens += sum(map(self.tokens_of, batches)) if self.tokens_of else 0
        self.busy += time.monotonic() - began
        return True

    def noted(self, score: Callable[[Any], float] | None) -> dict[str, float]:
        """A row of the log; with `score`, the weights are kept if they are the best so far."""
        row = {"step": float(self.step), "seconds": round(time.monotonic() - self.started, 1)}
        row |= {name: round(total / self.since, 4) for name, total in self.sums.items()}
        row["rate"] = float(f"{self.schedule.get_last_lr()[0]:.4g}")
        if self.tokens:
            row["tokens_per_second"] = round(self.tokens / self.busy, 1)
        self.sums, self.since, self.tokens, self.busy = {}, 0, 0, 0.0
        if score:
            row["score"] = round(score(self.kept.eval()), 5)
            self.model.train()
            if row["score"] > self.log.best:
                self.log.best, self.log.best_step, self.bad = row["score"], self.step, 0
                self.best = {name: tensor.clone() for name, tensor in self.kept.state_dict().items()}
            else:
                self.bad += 1
                self.log.stopped_early = self.bad >= self.plan.patience
        self.log.rows.append(row)
        return row

    def ended(self) -> Log:
        self.model.load_state_dict(self.best or self.kept.state_dict())
        self.model.eval()
        self.log.seconds = round(time.monotonic() - self.started, 1)
        return self.log

    def state(self) -> State:
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "averaged": self.averaged.state_dict() if self.averaged else {},
            "best": self.best,
            "chance": torch.get_rng_state(),
            "chance_of_gpu": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "counts": {"step": self.step, "bad": self.bad, "since": self.since},
            "sums": self.sums,
            "log": asdict(self.log),
            "seconds": time.monotonic() - self.started,
        }

    def take_up(self, left: State) -> None:
        """Be where the run was that left this state. Raises `TrainingError` where it is of another model."""
        try:
            self.model.load_state_dict(left["model"])
            self.optimizer.load_state_dict(left["optimizer"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise TrainingError(
                "The checkpoint does not fit the model ({reason}): the texts or the sizes are no longer the same. "
                "Begin anew with out=.",
                reason=str(error).split("\n")[0],
            ) from error
        self.schedule.load_state_dict(left["schedule"])
        if self.averaged:
            self.averaged.load_state_dict(left["averaged"])
        self.best, self.sums, self.log = left["best"], left["sums"], Log(**left["log"])
        self.step, self.bad, self.since = (left["counts"][name] for name in ("step", "bad", "since"))
        self.started = time.monotonic() - left["seconds"]
        torch.set_rng_state(left["chance"])
        if left["chance_of_gpu"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(left["chance_of_gpu"])


def recompute(model: nn.Module) -> None:
    """Let each layer of `model` forget its inner values and find them again on the way back: less memory, a third
    slower. Layers are what a list called `layers` holds."""
    for name, module in model.named_modules():
        if name.rpartition(".")[2] == "layers" and isinstance(module, nn.ModuleList):
            for layer in module:
                layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)


def _no_number(losses: Losses, step: int, kept: str) -> TrainingError:
    parts = ", ".join(f"{name} {part.item():g}" for name, part in losses.items())
    if not kept:
        return TrainingError(
            "The loss of step {step} is no number ({parts}). Train at a lower rate.", step=step + 1, parts=parts
        )
    return TrainingError(
        "The loss of step {step} is no number ({parts}). Its batch is in '{file}': look for what is odd in it, or "
        "train at a lower rate.",
        step=step + 1,
        parts=parts,
        file=kept,
    )


def grouped(model: nn.Module, plan: Plan, rates: Mapping[str, float]) -> Parameters:
    """Parameters in groups by learning rate and weight decay: vectors and embeddings are not decayed."""
    embeddings = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Embedding)}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            rate = next((factor for start, factor in rates.items() if name.startswith(start)), 1.0)
            decay = plan.decay if parameter.ndim > 1 and name not in embeddings else 0.0
            groups.setdefault((rate, decay), []).append(parameter)
    return [
        {"params": parameters, "lr": plan.rate * rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]
