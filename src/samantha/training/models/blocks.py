"""What a GPT is built of: normalization, rotary positions, attention with a cache, a feed-forward network.

Without biases, as in Llama (Touvron et al. 2023). Not here: how a model puts them together (its own file), and the
post-norm layers of BERT (`samantha.training.models.encoder`).
"""

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from samantha.core.errors import SettingError

Rotation = tuple[Tensor, Tensor]  # cosine (tokens, 1, head width) and sine (tokens, 1, half a head)


class Linear(nn.Linear):
    """Without a bias. In evaluation mode the weights (outputs, inputs) lie in memory input by input.

    Writing is made of products with few rows: with eight, a CPU takes a quarter less time for them so.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, bias=False)

    def train(self, mode: bool = True) -> Self:
        """Learn or, without `mode`, do not; the values stay, their order in memory changes."""
        weight = self.weight.data
        self.weight.data = weight.contiguous() if mode else weight.T.contiguous().T
        return super().train(mode)


class RMSNorm(nn.Module):
    """Normalization by the root mean square (Zhang & Sennrich 2019)."""

    epsilon: Tensor

    def __init__(self, width: int, *, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.register_buffer("epsilon", torch.tensor(epsilon), persistent=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """(..., width) in and out."""
        if not torch.is_grad_enabled():
            return (hidden * _normalizing(hidden, self.epsilon)).mul_(self.weight)
        normed: Tensor = _Normed.apply(hidden, self.weight, self.epsilon)  # type: ignore[no-untyped-call]
        return normed


class _Normed(torch.autograd.Function):
    """The same with its way back written out: both together take a CPU half the time of `torch.nn.RMSNorm`, or less."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, epsilon: Tensor) -> Tensor:
        scale = _normalizing(hidden, epsilon)
        ctx.save_for_backward(hidden, weight, scale)
        return (hidden * scale).mul_(weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        hidden, weight, scale = ctx.saved_tensors
        product = gradient * hidden
        of_weight = scale.flatten() @ product.flatten(0, -2)
        of_scale = (product @ weight)[..., None]
        return (gradient * weight).mul_(scale).addcmul_(hidden, of_scale * scale**3 / -len(weight)), of_weight, None


def _normalizing(hidden: Tensor, epsilon: Tensor) -> Tensor:
    """One over the root mean square of `hidden` (..., width): (..., 1)."""
    length = torch.linalg.vector_norm(hidden, dim=-1, keepdim=True)
    return torch.addcmul(epsilon, length, length, value=1 / hidden.shape[-1]).rsqrt()


def rotation_of(positions: Tensor, width: int, *, base: float = 10_000.0) -> Rotation:
    """How `rotated` turns heads of `width` at `positions` (tokens): RoFormer (Su et al. 2021).

    Only the distance of two tokens counts afterwards, not where the counting began. The two numbers that turn
    together lie half a head apart, as in the Llama of `transformers`.
    """
    rates = base ** -(torch.arange(0, width, 2, device=positions.device) / width)
    angles = (positions[:, None] * rates)[:, None]
    cosine, sine = angles.cos(), angles.sin()
    return torch.cat([cosine, cosine], -1), sine


def rotated(heads: Tensor, rotation: Rotation) -> Tensor:
    """`heads` (batch, tokens, heads, head width), each turned by the angles of its position."""
    if not torch.is_grad_enabled():
        return _turned(heads, *rotation)
    found: Tensor = _Rotated.apply(heads, *rotation)  # type: ignore[no-untyped-call]
    return found


class _Rotated(torch.autograd.Function):
    """The way back is to turn by the opposite angles."""

    @staticmethod
    def forward(ctx: Any, heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        ctx.save_for_backward(cosine, sine)
        return _turned(heads, cosine, sine)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        cosine, sine = ctx.saved_tensors
        return _turned(gradient, cosine, -sine), None, None


def _turned(heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    turned = heads * cosine
    (first, second), (new_first, new_second) = heads.chunk(2, dim=-1), turned.chunk(2, dim=-1)
    new_first.addcmul_(second, sine, value=-1)
    new_second.addcmul_(first, sine)
    return turned.type_as(heads)


def same_document(documents: Tensor) -> Tensor:
    """Which token may look at which (batch, 1, tokens, tokens): at itself and the earlier ones of its document.

    `documents` (batch, tokens) has a number for each token.
    """
    return (documents[:, None, :, None] == documents[:, None, None, :]).tril()


@dataclass(frozen=True, slots=True)
class Cache:
    """Of one layer, a tensor for keys and one for values, each (batch, key-value heads, tokens, head width)."""

    new: tuple[Tensor, Tensor]  # room for the tokens that are read now
    seen: tuple[Tensor, Tensor]  # all tokens so far, of which the new ones are the last

    def extended(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Those of all tokens so far, after the new `keys` and `values` were written into their room."""
        for place, found in zip(self.new, (keys, values), strict=True):
            place.copy_(found)
        return self.seen


class Attention(nn.Module):
    """Self-attention in which several queries share a key and a value (grouped-query; Ainslie et al. 2023)."""

    def __init__(self, width: int, heads: int, *, key_value_heads: int) -> None:
        super().__init__()
        self.heads, self.key_value_heads, self.head_width = heads, key_value_heads, width // heads
        self.query_key_value = Linear(width, (heads + 2 * key_value_heads) * self.head_width)
        self.attended = Linear(width, width)

    def forward(self, hidden: Tensor, rotation: Rotation, *, mask: Tensor | None, cache: Cache | None) -> Tensor:
        """`hidden` (batch, tokens, width), which also looks at what the `cache` keeps; the same shape comes back.

        `mask`, spread to (batch, heads, tokens, tokens seen), is true where a token may look; without one it looks at
        all that is earlier, which has a faster kernel.
        """
        heads = self.query_key_value(hidden).view(*hidden.shape[:2], -1, self.head_width)
        turning, values = heads.split_with_sizes([self.heads + self.key_value_heads, self.key_value_heads], dim=2)
        query, keys = rotated(turning, rotation).split_with_sizes([self.heads, self.key_value_heads], dim=2)
        query, keys, values = query.transpose(1, 2), keys.transpose(1, 2), values.transpose(1, 2)
        if cache:
            keys, values = cache.extended(keys, values)
        causal = mask is None and hidden.shape[1] > 1  # all that is in the cache is earlier than a single token
        found = functional.scaled_dot_product_attention(
            query, keys, values, attn_mask=mask, is_causal=causal, enable_gqa=True
        )
        attended: Tensor = self.attended(found.transpose(1, 2).flatten(2))
        return attended


class FeedForward(nn.Module):
    """SwiGLU (Shazeer 2020): one half of the inner units opens and closes the other."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.gate = Linear(width, inner)
        self.up = Linear(width, inner)
        self.down = Linear(inner, width)

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, tokens, width) in and out."""
        fed: Tensor = self.down(functional.silu(self.gate(hidden)) * self.up(hidden))
        return fed


def check_sizes(least: int = 1, **sizes: float) -> None:
    """Raises `SettingError` where one of `sizes`, each under its key, is less than `least`."""
    for key, size in sizes.items():
        if not size >= least:  # no number is not enough either
            raise SettingError("{key} is {size}. Set {least} at least.", key=key, size=size, least=least)


def check_heads(width: int, heads: int, *, multiple: int = 2) -> None:
    """Raises `SettingError` where `heads` attention heads cannot share `width`.

    Each gets a `multiple` of numbers: 2 where positions turn or name them in pairs.
    """
    check_sizes(width=width, attention_heads=heads)
    if width % (multiple * heads):
        raise SettingError(
            "width is {width}, which {heads} attention heads cannot share evenly. Set a multiple of {step}.",
            width=width,
            heads=heads,
            step=multiple * heads,
        )


def initialize(model: nn.Module, *, spread: float = 0.02) -> None:
    """Weights from a normal distribution and no biases, as GPT-2 and BERT begin."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=spread)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
