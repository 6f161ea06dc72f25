"""Where a model is trained: the processor or a GPU, and what it multiplies in. Not here: several at once."""

from dataclasses import replace
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from samantha.core.errors import TrainingError
from samantha.training.loop import Plan

Device = Literal["auto", "cpu", "cuda"]

Batch = TypeVar("Batch")


def chosen(name: Device) -> torch.device:
    """The device called `name`; "auto" is a GPU where there is one. Raises `TrainingError` where it is not there."""
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise TrainingError("device is cuda, and PyTorch sees no GPU here. Set device=cpu, or leave it out.")
    return torch.device("cuda" if there and name != "cpu" else "cpu")


def fitted(plan: Plan, device: torch.device) -> Plan:
    """`plan`, which multiplies in bfloat16 only where the hardware is faster for it."""
    able = torch.cpu.get_capabilities()
    return replace(plan, half=plan.half and (device.type == "cuda" or bool(able.get("avx512_bf16"))))


def moved(batch: Batch, device: torch.device) -> Batch:
    """`batch`, a dataclass or tuple of tensors, on `device`."""
    if device.type == "cpu":
        return batch
    if isinstance(batch, tuple):
        return type(batch)(each.to(device) for each in batch)
    tensors: dict[str, Any] = {
        name: value.to(device)
        for name in batch.__dataclass_fields__  # type: ignore[attr-defined]
        if isinstance(value := getattr(batch, name), Tensor)
    }
    return replace(batch, **tensors)  # type: ignore[type-var]
