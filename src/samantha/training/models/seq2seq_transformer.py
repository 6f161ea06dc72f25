"""Sequence to sequence with attention alone (Vaswani et al. 2017), normalized before each part (Xiong et al. 2020).

The encoder is its own, or any that gives hidden states: a pretrained trunk. Not here: the loss
(`samantha.training.objectives`), or choosing tokens (`samantha.training.decoding`).
"""

import math
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from samantha.core.errors import SettingError
from samantha.training.models.blocks import check_heads, check_sizes
from samantha.training.tokens import BEGIN

Pair = tuple[Tensor, Tensor]  # keys and values, each (rows, heads, tokens, width of a head)


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes. `tie` says which embeddings are one: those of the target and the output (Press & Wolf 2017), or all three.

    With an encoder from elsewhere, `memory_width` is the width of its hidden states; `encoder_layers` means nothing.
    """

    source_vocabulary: int
    target_vocabulary: int
    width: int = 256
    encoder_layers: int = 3
    decoder_layers: int = 3
    attention_heads: int = 4
    inner: int = 1024
    memory_width: int | None = None  # None is `width`
    tie: Literal["nothing", "output", "all"] = "output"

    def __post_init__(self) -> None:
        """Raises `SettingError` where the sizes contradict each other."""
        check_heads(self.width, self.attention_heads)
        check_sizes(encoder_layers=self.encoder_layers, decoder_layers=self.decoder_layers, inner=self.inner)
        check_sizes(memory_width=self.width if self.memory_width is None else self.memory_width)
        same = self.source_vocabulary == self.target_vocabulary and self.memory_width in (None, self.width)
        if self.tie == "all" and not same:
            raise SettingError(
                "Embeddings of {source} and {target} tokens cannot be one. Set tie to output.",
                source=self.source_vocabulary,
                target=self.target_vocabulary,
            )


@dataclass(frozen=True, slots=True)
class State:
    """Of each row: what a layer keeps of its source and of what it has written."""

    source: tuple[Pair, ...]
    mask: Tensor  # (rows, 1, 1, tokens), true for a token of the source
    origin: Tensor  # (rows): which row of the batch that was read
    written: tuple[Pair, ...]


class Attention(nn.Module):
    """Hidden states look at keys and values, which are kept apart so that they are computed once."""

    def __init__(self, width: int, heads: int, *, memory_width: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(memory_width, 2 * width)
        self.attended = nn.Linear(width, width)

    def pair(self, memory: Tensor) -> Pair:
        """Keys and values of `memory` (batch, tokens, memory width)."""
        key, value = self.key_value(memory).chunk(2, dim=-1)
        return self._per_head(key), self._per_head(value)

    def forward(self, hidden: Tensor, pair: Pair, *, mask: Tensor | None = None, causal: bool = False) -> Tensor:
        """`hidden` (batch, tokens, width); `mask` (batch, 1, 1, keys), true where it may look."""
        dropout = self.dropout if self.training else 0.0
        seen = functional.scaled_dot_product_attention(
            self._per_head(self.query(hidden)), *pair, attn_mask=mask, dropout_p=dropout, is_causal=causal
        )
        attended: Tensor = self.attended(seen.transpose(1, 2).flatten(2))
        return attended

    def _per_head(self, states: Tensor) -> Tensor:
        batch, tokens, width = states.shape
        return states.view(batch, tokens, self.heads, width // self.heads).transpose(1, 2)


class FeedForward(nn.Module):
    """Two matrices with a rectifier between them. Dropout there as well would cost a step a tenth of its time."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, hidden: Tensor) -> Tensor:
        """(..., width) -> (..., width)."""
        fed: Tensor = self.down(functional.relu(self.up(hidden)))
        return fed


class EncoderLayer(nn.Module):
    """Self-attention over the whole source, and a feed-forward network."""

    def __init__(self, shape: Shape, *, dropout: float) -> None:
        super().__init__()
        width = shape.width
        self.attention_norm, self.norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, shape.attention_heads, memory_width=width, dropout=dropout)
        self.feed_forward = FeedForward(width, shape.inner)
        self.drop = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """`hidden` (batch, tokens, width); `mask` (batch, 1, 1, tokens), true for a token."""
        normed = self.attention_norm(hidden)
        hidden = hidden + self.drop(self.attention(normed, self.attention.pair(normed), mask=mask))
        fed: Tensor = self.drop(self.feed_forward(self.norm(hidden)))
        return hidden + fed


class DecoderLayer(nn.Module):
    """Self-attention over what is written, attention over the source, and a feed-forward network."""

    def __init__(self, shape: Shape, *, dropout: float) -> None:
        super().__init__()
        width, heads = shape.width, shape.attention_heads
        self.attention_norm, self.source_norm, self.norm = (nn.LayerNorm(width) for _ in range(3))
        self.attention = Attention(width, heads, memory_width=width, dropout=dropout)
        self.source_attention = Attention(width, heads, memory_width=shape.memory_width or width, dropout=dropout)
        self.feed_forward = FeedForward(width, shape.inner)
        self.drop = nn.Dropout(dropout)

    def forward(self, hidden: Tensor, source: Pair, *, mask: Tensor, before: Pair | None = None) -> tuple[Tensor, Pair]:
        """`hidden` (batch, tokens, width) after this layer, and the keys and values of all that is written.

        With `before`, the keys and values of what was written, `hidden` is one token. `mask` (batch, 1, 1, tokens) is
        true for a token of the source.
        """
        normed = self.attention_norm(hidden)
        written = self.attention.pair(normed)
        if before:
            written = torch.cat([before[0], written[0]], dim=2), torch.cat([before[1], written[1]], dim=2)
        hidden = hidden + self.drop(self.attention(normed, written, causal=before is None))
        hidden = hidden + self.drop(self.source_attention(self.source_norm(hidden), source, mask=mask))
        return hidden + self.drop(self.feed_forward(self.norm(hidden))), written


class Encoder(nn.Module):
    """Token ids -> hidden states."""

    def __init__(self, shape: Shape, *, dropout: float) -> None:
        super().__init__()
        self.tokens = nn.Embedding(shape.source_vocabulary, shape.width)
        self.layers = nn.ModuleList(EncoderLayer(shape, dropout=dropout) for _ in range(shape.encoder_layers))
        self.norm = nn.LayerNorm(shape.width)
        self.drop = nn.Dropout(dropout)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """`ids` and `mask` (batch, tokens), each row with at least one token; hidden states (batch, tokens, width)."""
        hidden = self.drop(embedded(ids, self.tokens.weight))
        for layer in self.layers:
            hidden = layer(hidden, mask[:, None, None, :].bool())
        normed: Tensor = self.norm(hidden)
        return normed


class Seq2SeqTransformer(nn.Module):
    """An encoder, and a decoder that attends to it. It is a `Writer`, with a KV cache."""

    def __init__(self, shape: Shape, *, encoder: nn.Module | None = None, dropout: float = 0.1) -> None:
        """`encoder` gives hidden states (batch, tokens, memory width) of ids and mask (batch, tokens).

        With `tie="all"` its embeddings, `encoder.tokens`, are also those of the target.
        """
        super().__init__()
        self.shape = shape
        self.encoder = Encoder(shape, dropout=dropout) if encoder is None else encoder
        self.target = None if shape.tie == "all" else nn.Embedding(shape.target_vocabulary, shape.width)
        self.output = nn.Linear(shape.width, shape.target_vocabulary, bias=False) if shape.tie == "nothing" else None
        self.layers = nn.ModuleList(DecoderLayer(shape, dropout=dropout) for _ in range(shape.decoder_layers))
        self.norm = nn.LayerNorm(shape.width)
        self.drop = nn.Dropout(dropout)
        for name, module in self.named_modules():
            if encoder is None or name.partition(".")[0] != "encoder":  # a pretrained one stays as it is
                _begin(module)

    def forward(self, source: Tensor, source_mask: Tensor, target: Tensor) -> Tensor:
        """Hidden states (batch, target tokens, width) that see `target` (batch, tokens) up to their own place.

        `source` and `source_mask` (batch, tokens), 1 for a token; `target` begins with BEGIN and ends as it likes.
        """
        mask, hidden = source_mask[:, None, None, :].bool(), self.drop(embedded(target, self._tokens))
        for layer, pair in zip(self.layers, self._read(source, source_mask), strict=True):
            hidden, _ = layer(hidden, pair, mask=mask)
        normed: Tensor = self.norm(hidden)
        return normed

    def logits(self, hidden: Tensor) -> Tensor:
        """`hidden` (..., width) -> (..., target vocabulary)."""
        return functional.linear(hidden, self.output.weight if self.output else self._tokens)

    @property
    def _tokens(self) -> Tensor:
        """Embeddings of the target (target vocabulary, width)."""
        return self.target.weight if self.target else self.encoder.get_parameter("tokens.weight")

    def _read(self, source: Tensor, mask: Tensor) -> tuple[Pair, ...]:
        """Keys and values of `source` (batch, tokens) for each layer of the decoder."""
        memory = self.encoder(source, mask)
        return tuple(cast(DecoderLayer, layer).source_attention.pair(memory) for layer in self.layers)

    def begin(self, source: Tensor, mask: Tensor) -> tuple[State, Tensor]:
        """Read `source` (rows, tokens); logits (rows, vocabulary) of the first token of the target."""
        read, origin = self._read(source, mask), torch.arange(len(source), device=source.device)
        nothing = tuple((key[:, :, :0], value[:, :, :0]) for key, value in read)
        state = State(read, mask[:, None, None, :].bool(), origin, nothing)
        return self.step(state, source.new_full((len(source),), BEGIN))

    def step(self, state: State, last: Tensor) -> tuple[State, Tensor]:
        """Logits (rows, vocabulary) of the token after `last` (rows)."""
        hidden, written = embedded(last[:, None], self._tokens, first=state.written[0][0].shape[2]), []
        for layer, source, before in zip(self.layers, state.source, state.written, strict=True):
            hidden, pair = layer(hidden, source, mask=state.mask, before=before)
            written.append(pair)
        return State(state.source, state.mask, state.origin, tuple(written)), self.logits(self.norm(hidden[:, 0]))

    def rearranged(self, state: State, rows: Tensor) -> State:
        """`rows` of `state`. What was read is left in place where beams of the same source change places."""
        origin, source, mask = state.origin[rows], state.source, state.mask
        if not torch.equal(origin, state.origin):
            source, mask = _taken(source, rows), mask[rows]
        return State(source, mask, origin, _taken(state.written, rows))


def embedded(ids: Tensor, weight: Tensor, *, first: int = 0) -> Tensor:
    """Embeddings of `ids` (batch, tokens), scaled to unit size, plus sines of their places, counted from `first`.

    `weight` (vocabulary, width); (batch, tokens, width).
    """
    width = weight.shape[1]
    rates = torch.exp(torch.arange(0, width, 2, device=ids.device) * (-math.log(10_000) / width))
    angles = torch.arange(first, first + ids.shape[1], device=ids.device)[:, None] * rates
    places = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
    return functional.embedding(ids, weight) * math.sqrt(width) + places.to(weight.dtype)


def _taken(pairs: tuple[Pair, ...], rows: Tensor) -> tuple[Pair, ...]:
    return tuple((key[rows], value[rows]) for key, value in pairs)


def _begin(module: nn.Module) -> None:
    """Embeddings of unit size after scaling; matrices as by Glorot & Bengio 2010, without biases."""
    if isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=module.embedding_dim**-0.5)
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
