"""A language model of the Llama kind: what comes next, given what was there.

Rotary positions, root-mean-square norms, grouped-query attention, gated feed-forward networks, and embeddings that
also read out (Press & Wolf 2017). Not here: choosing the next token (`samantha.training.decoding`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import repeat

import torch
from torch import Tensor, nn
from torch.nn import functional

from samantha.core.errors import SettingError
from samantha.training.models.blocks import (
    Attention,
    Cache,
    FeedForward,
    RMSNorm,
    Rotation,
    check_heads,
    check_sizes,
    initialize,
    rotation_of,
    same_document,
)

ROOM = 128  # tokens by which the cache grows; one at a time would copy it for each


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes. With fewer keys than attention heads, several of these share one."""

    vocabulary: int
    width: int = 384
    layers: int = 6
    attention_heads: int = 6
    key_value_heads: int = 2
    inner: int = 1024
    context: int = 512  # tokens that it is trained on at once; it can be given more, but never learned to use them
    rotary_base: float = 10_000.0
    norm_epsilon: float = 1e-5

    def __post_init__(self) -> None:
        """Raises `SettingError` where the sizes contradict each other."""
        check_heads(self.width, self.attention_heads)
        check_sizes(layers=self.layers, key_value_heads=self.key_value_heads, inner=self.inner, context=self.context)
        check_sizes(rotary_base=self.rotary_base)
        if self.attention_heads % self.key_value_heads:
            raise SettingError(
                "{heads} attention heads cannot share {pairs} keys. Set key_value_heads to a divisor of {heads}.",
                pairs=self.key_value_heads,
                heads=self.attention_heads,
            )


@dataclass(frozen=True, slots=True)
class State:
    """What was read and written so far. A step writes into its room: to go on twice from one, rearrange it."""

    room: Tensor  # keys and values of each layer (2 * layers, rows, key-value heads, tokens, head width), of which
    used: int  # tokens are taken
    mask: Tensor | None  # (rows, tokens of the prompt), true for a token; None where none is filled up
    rotation: Rotation  # of every token of the room


class Layer(nn.Module):
    """Attention and a feed-forward network; what each finds is added to what it was given (Xiong et al. 2020)."""

    def __init__(self, shape: Shape, *, dropout: float) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(shape.width, epsilon=shape.norm_epsilon)
        self.attention = Attention(shape.width, shape.attention_heads, key_value_heads=shape.key_value_heads)
        self.norm = RMSNorm(shape.width, epsilon=shape.norm_epsilon)
        self.feed_forward = FeedForward(shape.width, shape.inner)
        self.dropout = dropout

    def forward(self, hidden: Tensor, rotation: Rotation, *, mask: Tensor | None, cache: Cache | None) -> Tensor:
        """`hidden` (batch, tokens, width), in and out; `mask` and `cache` are for the attention."""
        attended = self.attention(self.attention_norm(hidden), rotation, mask=mask, cache=cache)
        hidden = hidden + functional.dropout(attended, self.dropout, self.training)
        fed: Tensor = self.feed_forward(self.norm(hidden))
        return hidden + functional.dropout(fed, self.dropout, self.training)


class GPT(nn.Module):
    """Token ids -> hidden states, of which `logits` reads what comes next. It is a `Writer`."""

    def __init__(self, shape: Shape, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        self.tokens = nn.Embedding(shape.vocabulary, shape.width)
        self.dropout = dropout
        self.layers = nn.ModuleList(Layer(shape, dropout=dropout) for _ in range(shape.layers))
        self.norm = RMSNorm(shape.width, epsilon=shape.norm_epsilon)
        initialize(self)
        for name, weight in self.named_parameters():
            if name.endswith(("attended.weight", "down.weight")):
                weight.data /= (2 * shape.layers) ** 0.5  # the sum of all layers is as large as one (GPT-2)

    def forward(self, ids: Tensor, *, documents: Tensor | None = None) -> Tensor:
        """`ids` (batch, tokens); hidden states (batch, tokens, width).

        With `documents` (batch, tokens), a number for each token, it sees only the earlier ones of its own document.
        """
        mask = None if documents is None else same_document(documents)
        return self._through(ids, self._rotation(ids.shape[1]), mask=mask)

    def logits(self, hidden: Tensor) -> Tensor:
        """`hidden` (..., width) -> (..., vocabulary)."""
        return functional.linear(hidden, self.tokens.weight)

    @torch.inference_mode()
    def begin(self, source: Tensor, mask: Tensor) -> tuple[State, Tensor]:
        """Read prompts `source` (rows, tokens), filled up on the left, where `mask` is 0.

        Logits (rows, vocabulary) of the first new token.
        """
        (rows, tokens), shape = source.shape, self.shape
        size = 2 * shape.layers, rows, shape.key_value_heads, tokens + ROOM, shape.width // shape.attention_heads
        room, rotation = self.tokens.weight.new_zeros(size), self._rotation(tokens + ROOM)
        filled = None if mask.all() else mask.bool()
        seen = None if filled is None else same_document(filled)
        hidden = self._through(source, _part(rotation, 0, tokens), mask=seen, caches=_caches(room, 0, tokens))
        return State(room, tokens, filled, rotation), self.logits(hidden[:, -1])

    @torch.inference_mode()
    def step(self, state: State, last: Tensor) -> tuple[State, Tensor]:
        """Write `last` (rows), the token just chosen; logits (rows, vocabulary) of the next."""
        if state.used == state.room.shape[-2]:
            room = functional.pad(state.room, (0, 0, 0, ROOM))
            state = replace(state, room=room, rotation=self._rotation(room.shape[-2]))
        start, end, mask = state.used, state.used + 1, None
        if state.mask is not None:
            mask = functional.pad(state.mask, (0, end - state.mask.shape[1]), value=True)[:, None, None]
        turned, caches = _part(state.rotation, start, end), _caches(state.room, start, end)
        hidden = self._through(last[:, None], turned, mask=mask, caches=caches)
        return replace(state, used=end), self.logits(hidden[:, -1])

    def rearranged(self, state: State, rows: Tensor) -> State:
        """A state of its own with `rows` of `state`, in that order; a row may come more than once."""
        return replace(state, room=state.room[:, rows], mask=None if state.mask is None else state.mask[rows])

    def _rotation(self, tokens: int) -> Rotation:
        """How the first `tokens` places turn a head."""
        places = torch.arange(tokens, device=self.tokens.weight.device)
        return rotation_of(places, self.shape.width // self.shape.attention_heads, base=self.shape.rotary_base)

    def _through(
        self, ids: Tensor, rotation: Rotation, *, mask: Tensor | None, caches: Iterable[Cache | None] = repeat(None)
    ) -> Tensor:
        """Hidden states (batch, tokens, width) of `ids`; a cache for each layer, or none."""
        hidden = functional.dropout(self.tokens(ids), self.dropout, self.training)
        for layer, cache in zip(self.layers, caches, strict=False):
            hidden = layer(hidden, rotation, mask=mask, cache=cache)
        normed: Tensor = self.norm(hidden)
        return normed


def _part(rotation: Rotation, start: int, end: int) -> Rotation:
    """That of the tokens from `start` to `end`."""
    cosine, sine = rotation
    return cosine[start:end], sine[start:end]


def _caches(room: Tensor, start: int, end: int) -> Iterator[Cache]:
    """One for each layer, in which the tokens from `start` to `end` are the new ones."""
    new, seen = room[..., start:end, :].unbind(), room[..., :end, :].unbind()
    for at in range(0, len(new), 2):
        yield Cache((new[at], new[at + 1]), (seen[at], seen[at + 1]))
