"""The training loop: steps, a schedule, a running average of the weights, and stopping in time.

It knows nothing of tasks: a batch goes to `loss_of`, and a step is made. Not here: what the batches are
(`samantha.training.data`) and what the loss is (`samantha.training.objectives`).
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

Batch = TypeVar("Batch")
Model = TypeVar("Model", bound=nn.Module)
Losses = Mapping[str, Tensor]  # part -> its scalar loss, already weighted; their sum is minimized
Parameters = list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast. The learning rate rises over the warm-up and then falls to zero as a cosine."""

    steps: int
    rate: float = 1e-4
    warmup: float = 0.06  # share of the steps
    clip: float = 1.0  # largest norm of the gradient
    decay: float = 0.01  # weight decay, on matrices alone
    half: bool = False  # multiply in bfloat16, sum and keep in float32: 2.4 times faster where a CPU has AVX-512 BF16
    average: float = 0.0  # decay of the exponential moving average of the weights; 0 is off
    evaluate_every: int = 0  # steps; 0 never evaluates
    patience: int = 3  # evaluations without a better score after which it stops

    def factor(self, step: int) -> float:
        """What the rate is multiplied with at `step`, from 0."""
        warm = max(1, round(self.steps * self.warmup))
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, self.steps - warm))))


@dataclass(slots=True)
class Log:
    """What happened: one row a report. `losses` are means since the last one."""

    rows: list[dict[str, float]] = field(default_factory=list)
    best: float = -math.inf
    best_step: int = 0
    stopped_early: bool = False
    seconds: float = 0.0


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
) -> Log:
    """Train `model` in place for `plan.steps` steps, or until `score` stops rising.

    With `plan.average` the averaged weights are the ones that are scored and kept. The model ends with the weights of
    its best score, in evaluation mode. `rates` multiplies the learning rate of parameters whose name begins so.
    """
    optimizer = torch.optim.AdamW(grouped(model, plan, rates or {}), lr=plan.rate, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, plan.factor)
    moving = get_ema_multi_avg_fn(plan.average)  # type: ignore[no-untyped-call]
    averaged = AveragedModel(model, multi_avg_fn=moving) if plan.average else None
    kept: Model = averaged.module if averaged else model  # type: ignore[assignment]
    log, sums, best = Log(), dict[str, float](), None
    device = next(model.parameters()).device.type
    started, since, bad = time.monotonic(), 0, 0
    model.train()
    for step, batch in zip(range(1, plan.steps + 1), batches, strict=False):
        with torch.autocast(device, torch.bfloat16, enabled=plan.half):
            losses = loss_of(model, batch)
        loss = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
        optimizer.step()
        schedule.step()
        if averaged:
            averaged.update_parameters(model)
        since += 1
        for name, part in losses.items():
            sums[name] = sums.get(name, 0.0) + part.item()
        due = plan.evaluate_every and step % plan.evaluate_every == 0
        if step % report_every == 0 or step == plan.steps or due:
            row = {"step": float(step), "seconds": round(time.monotonic() - started, 1)}
            row |= {name: round(total / since, 4) for name, total in sums.items()}
            if due and score:
                row["score"] = round(score(kept.eval()), 5)
                model.train()
            log.rows.append(row)
            report(row)
            sums, since = {}, 0
        if due and score:
            if log.rows[-1]["score"] > log.best:
                log.best, log.best_step, bad = log.rows[-1]["score"], step, 0
                best = {name: tensor.clone() for name, tensor in kept.state_dict().items()}
            else:
                bad += 1
            if bad >= plan.patience:
                log.stopped_early = True
                break
    model.load_state_dict(best or kept.state_dict())
    model.eval()
    log.seconds = round(time.monotonic() - started, 1)
    return log


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
