"""Sequence to sequence with LSTMs: an encoder reads both ways, a decoder writes and looks back at what was read.

P(y|x) is the product of P(y_i | y_<i, h_x). The decoder compares with a bilinear form, and is fed what it made of the
last look (Luong et al. 2015). Not here: the loss (`samantha.training.objectives`), or choosing tokens
(`samantha.training.decoding`).
"""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from samantha.core.errors import SettingError
from samantha.training.models.blocks import check_sizes
from samantha.training.tokens import BEGIN


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes. `width` is that of embeddings, of the encoder's two directions together, and of the decoder.

    `tie` says which embeddings are one: those of the target and the output (Press & Wolf 2017), or all three.
    """

    source_vocabulary: int
    target_vocabulary: int
    width: int = 256
    layers: int = 2
    tie: Literal["nothing", "output", "all"] = "output"

    def __post_init__(self) -> None:
        """Raises `SettingError` where the sizes contradict each other."""
        check_sizes(width=self.width, layers=self.layers)
        if self.tie == "all" and self.source_vocabulary != self.target_vocabulary:
            raise SettingError(
                "Vocabularies of {source} and {target} tokens cannot share embeddings. Set tie to output.",
                source=self.source_vocabulary,
                target=self.target_vocabulary,
            )
        if self.width % 2:
            raise SettingError("width is {width}, and two directions share it. Set an even one.", width=self.width)


@dataclass(frozen=True, slots=True)
class Source:
    """What was read, for each row that is written."""

    hidden: Tensor  # (rows, tokens, width)
    keys: Tensor  # (rows, tokens, width): the same as the decoder is compared with it
    mask: Tensor  # (rows, tokens), true for a token

    def of(self, rows: Tensor) -> "Source":
        return Source(self.hidden[rows], self.keys[rows], self.mask[rows])


@dataclass(frozen=True, slots=True)
class State:
    """What each row has read, and where its decoder is."""

    source: Source
    origin: Tensor  # (rows): which row of the batch that was read
    hidden: tuple[Tensor, ...]  # a layer's (rows, width)
    cells: tuple[Tensor, ...]  # a layer's (rows, width)
    output: Tensor  # (rows, width): the last one, which is fed back


class Encoder(nn.Module):
    """A bidirectional LSTM over embedded tokens."""

    def __init__(self, shape: Shape, *, dropout: float) -> None:
        super().__init__()
        self.layers, between = shape.layers, dropout if shape.layers > 1 else 0.0
        self.lstm = nn.LSTM(
            shape.width, shape.width // 2, shape.layers, batch_first=True, bidirectional=True, dropout=between
        )

    def forward(self, embedded: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Hidden states (batch, tokens, width), and the last hidden and cell states (layers, batch, width).

        `mask` (batch, tokens) is 1 for a token; each row has at least one, and padding at its end alone.
        """
        packed = pack_padded_sequence(embedded, mask.sum(1).cpu(), batch_first=True, enforce_sorted=False)
        read, (hidden, cells) = self.lstm(packed)
        every, _ = pad_packed_sequence(read, batch_first=True, total_length=mask.shape[1])
        return every, self._both(hidden), self._both(cells)

    def _both(self, states: Tensor) -> Tensor:
        """(layers * 2, batch, width / 2) -> (layers, batch, width): the directions side by side."""
        _, batch, half = states.shape
        return states.view(self.layers, 2, batch, half).transpose(1, 2).flatten(2)


class Decoder(nn.Module):
    """LSTM cells on top of each other, and one look at the source after each step."""

    def __init__(self, shape: Shape, *, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        fed = [2 * shape.width] + [shape.width] * (shape.layers - 1)
        self.cells = nn.ModuleList(nn.LSTMCell(size, shape.width) for size in fed)
        self.keys = nn.Linear(shape.width, shape.width, bias=False)
        self.combined = nn.Linear(2 * shape.width, shape.width, bias=False)

    def forward(self, embedded: Tensor, state: State) -> State:
        """The state after one more token, `embedded` (rows, width)."""
        below, hidden, cells = torch.cat([embedded, state.output], dim=-1), [], []
        for number, cell in enumerate(self.cells):
            if number:
                below = functional.dropout(below, self.dropout, self.training)
            below, kept = cell(below, (state.hidden[number], state.cells[number]))
            hidden.append(below)
            cells.append(kept)
        output = torch.tanh(self.combined(torch.cat([self.seen(below, state.source), below], dim=-1)))
        return replace(state, hidden=tuple(hidden), cells=tuple(cells), output=output)

    def seen(self, hidden: Tensor, source: Source) -> Tensor:
        """The mean of the source (rows, width), weighted by how its keys agree with `hidden` (rows, width)."""
        agreement = torch.bmm(source.keys, hidden[..., None]).squeeze(-1).masked_fill(~source.mask, -torch.inf)
        return torch.bmm(torch.softmax(agreement, dim=-1)[:, None], source.hidden).squeeze(1)


class Seq2SeqLSTM(nn.Module):
    """Both halves and their embeddings. It is a `Writer`."""

    def __init__(self, shape: Shape, *, dropout: float = 0.2) -> None:
        super().__init__()
        self.shape, self.dropout = shape, dropout
        self.target = nn.Embedding(shape.target_vocabulary, shape.width)
        self.source = None if shape.tie == "all" else nn.Embedding(shape.source_vocabulary, shape.width)
        self.output = nn.Linear(shape.width, shape.target_vocabulary, bias=False) if shape.tie == "nothing" else None
        self.encoder = Encoder(shape, dropout=dropout)
        self.decoder = Decoder(shape, dropout=dropout)
        self.apply(_begin_small)

    def forward(self, source: Tensor, source_mask: Tensor, target: Tensor) -> Tensor:
        """Hidden states (batch, target tokens, width) that see `target` (batch, tokens) up to their own place.

        `source` and `source_mask` (batch, tokens), 1 for a token; `target` begins with BEGIN and ends as it likes.
        """
        state = self._read(source, source_mask)
        embedded = functional.dropout(self.target(target), self.dropout, self.training)
        outputs = []
        for token in embedded.unbind(1):
            state = self.decoder(token, state)
            outputs.append(state.output)
        return functional.dropout(torch.stack(outputs, dim=1), self.dropout, self.training)

    def logits(self, hidden: Tensor) -> Tensor:
        """`hidden` (..., width) -> (..., target vocabulary)."""
        return functional.linear(hidden, (self.output or self.target).weight)

    def _read(self, source: Tensor, mask: Tensor) -> State:
        embedded = functional.dropout((self.source or self.target)(source), self.dropout, self.training)
        hidden, last, cells = self.encoder(embedded, mask)
        read = Source(hidden, self.decoder.keys(hidden), mask.bool())
        origin = torch.arange(len(source), device=source.device)
        return State(read, origin, last.unbind(0), cells.unbind(0), torch.zeros_like(last[0]))

    def begin(self, source: Tensor, mask: Tensor) -> tuple[State, Tensor]:
        """Read `source` (rows, tokens); logits (rows, vocabulary) of the first token of the target."""
        return self.step(self._read(source, mask), source.new_full((len(source),), BEGIN))

    def step(self, state: State, last: Tensor) -> tuple[State, Tensor]:
        """Logits (rows, vocabulary) of the token after `last` (rows)."""
        state = self.decoder(self.target(last), state)
        return state, self.logits(state.output)

    def rearranged(self, state: State, rows: Tensor) -> State:
        """`rows` of `state`. What was read is left in place where beams of the same source change places."""
        origin = state.origin[rows]
        return State(
            state.source if torch.equal(origin, state.origin) else state.source.of(rows),
            origin,
            tuple(layer[rows] for layer in state.hidden),
            tuple(layer[rows] for layer in state.cells),
            state.output[rows],
        )


def _begin_small(module: nn.Module) -> None:
    """Embeddings as small as an output matrix, and forget gates open (Jozefowicz et al. 2015)."""
    if isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=module.embedding_dim**-0.5)
    if isinstance(module, nn.LSTM | nn.LSTMCell):
        for name, parameter in module.named_parameters():
            if name.startswith("bias_ih"):
                quarter = len(parameter) // 4
                nn.init.ones_(parameter.data[quarter : 2 * quarter])
