"""The encoder: a BERT trunk that reads a message once, and small heads that each say one thing about it.

The trunk is that of MiniLM (Wang et al. 2020): post-norm transformer, learned positions. A head sees the mean and the
maximum of the last hidden states. Not here: training (`samantha.recipes.encoder`), or running it in a conversation
(`samantha.adapters.onnx_encoder`, from the file that `samantha.training.export` writes).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from samantha.training.models.blocks import check_heads, check_sizes


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a trunk. The defaults are those of all-MiniLM-L6-v2."""

    vocabulary: int = 30522
    width: int = 384
    layers: int = 6
    attention_heads: int = 12
    inner: int = 1536
    positions: int = 512
    norm_epsilon: float = 1e-12
    heads: Mapping[str, int] = field(default_factory=dict)  # name -> number of labels

    def __post_init__(self) -> None:
        """Raises `SettingError` where the sizes contradict each other."""
        check_heads(self.width, self.attention_heads, multiple=1)
        check_sizes(layers=self.layers, inner=self.inner, positions=self.positions)


class Layer(nn.Module):
    """Self-attention and a feed-forward network, each followed by addition and normalization (Vaswani et al. 2017)."""

    def __init__(self, shape: Shape, *, dropout: float) -> None:
        super().__init__()
        self.attention_heads, self.dropout = shape.attention_heads, dropout
        self.query_key_value = nn.Linear(shape.width, 3 * shape.width)
        self.attended = nn.Linear(shape.width, shape.width)
        self.attention_norm = nn.LayerNorm(shape.width, eps=shape.norm_epsilon)
        self.up = nn.Linear(shape.width, shape.inner)
        self.down = nn.Linear(shape.inner, shape.width)
        self.norm = nn.LayerNorm(shape.width, eps=shape.norm_epsilon)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """`hidden` (batch, tokens, width); `mask` (batch, 1, 1, tokens), true where a token may be looked at."""
        batch, tokens, width = hidden.shape
        per_head = (batch, tokens, self.attention_heads, width // self.attention_heads)
        query, key, value = (
            part.view(per_head).transpose(1, 2) for part in self.query_key_value(hidden).split(width, dim=-1)
        )
        dropout = self.dropout if self.training else 0.0
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
        attended = self.attended(seen.transpose(1, 2).reshape(batch, tokens, width))
        hidden = self.attention_norm(hidden + functional.dropout(attended, self.dropout, self.training))
        fed = self.down(functional.gelu(self.up(hidden)))
        fed_back: Tensor = self.norm(hidden + functional.dropout(fed, self.dropout, self.training))
        return fed_back


class Trunk(nn.Module):
    """Token ids -> hidden states."""

    def __init__(self, shape: Shape, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.shape, self.dropout = shape, dropout
        self.tokens = nn.Embedding(shape.vocabulary, shape.width)
        self.positions = nn.Embedding(shape.positions, shape.width)
        self.norm = nn.LayerNorm(shape.width, eps=shape.norm_epsilon)
        self.layers = nn.ModuleList(Layer(shape, dropout=dropout) for _ in range(shape.layers))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """`ids` and `mask` (batch, tokens); hidden states (batch, tokens, width)."""
        hidden: Tensor = self.norm(self.tokens(ids) + self.positions.weight[: ids.shape[1]])
        hidden = functional.dropout(hidden, self.dropout, self.training)
        for layer in self.layers:
            hidden = layer(hidden, mask[:, None, None, :].bool())
        return hidden


class Head(nn.Module):
    """One hidden layer between the pooled states and the labels."""

    def __init__(self, width: int, labels: int, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.dropout = dropout
        self.hidden = nn.Linear(2 * width, width)
        self.labels = nn.Linear(width, labels)

    def forward(self, pooled: Tensor) -> Tensor:
        """`pooled` (batch, 2 * width); logits (batch, labels)."""
        hidden = functional.gelu(self.hidden(functional.dropout(pooled, self.dropout, self.training)))
        logits: Tensor = self.labels(functional.dropout(hidden, self.dropout, self.training))
        return logits


@dataclass(frozen=True, slots=True)
class Output:
    """What one pass gives for a batch of texts."""

    vector: Tensor  # (batch, width), of unit length
    pooled: Tensor  # (batch, 2 * width): mean and maximum of the last hidden states
    logits: dict[str, Tensor]  # head -> (batch, labels)


class Encoder(nn.Module):
    """Trunk and heads. `vector` is the mean of the hidden states, through a square matrix that begins as identity."""

    def __init__(self, shape: Shape, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.shape = shape
        self.trunk = Trunk(shape, dropout=dropout)
        self.vector = nn.Linear(shape.width, shape.width, bias=False)
        nn.init.eye_(self.vector.weight)
        self.heads = nn.ModuleDict(
            {name: Head(shape.width, size, dropout=dropout) for name, size in shape.heads.items()}
        )

    def forward(self, ids: Tensor, mask: Tensor) -> Output:
        """`ids` (batch, tokens) of int64; `mask` the same, 1 for a token and 0 for padding."""
        mean, pooled = pooled_of(self.trunk(ids, mask), mask)
        vector = functional.normalize(self.vector(mean), dim=-1)
        return Output(vector, pooled, {name: head(pooled) for name, head in self.heads.items()})


def pooled_of(hidden: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of `hidden` (batch, tokens, width) over the tokens in `mask`; mean and maximum side by side."""
    weight = mask[..., None].to(hidden.dtype)
    mean = (hidden * weight).sum(1) / weight.sum(1)
    highest = hidden.masked_fill(weight == 0, -torch.inf).amax(1)
    return mean, torch.cat([mean, highest], dim=-1)


def trunk_from_bert(tensors: Mapping[str, Tensor], shape: Shape) -> dict[str, Tensor]:
    """The weights of a Hugging Face BERT under the names of `Trunk`; its pooler is left behind.

    The segment embedding of the only segment is added to the positions. Raises `KeyError` where it is no BERT.
    """

    def both(name: str) -> tuple[Tensor, Tensor]:
        return tensors[f"{name}.weight"], tensors[f"{name}.bias"]

    ours = {
        "tokens.weight": tensors["embeddings.word_embeddings.weight"],
        "positions.weight": tensors["embeddings.position_embeddings.weight"]
        + tensors["embeddings.token_type_embeddings.weight"][0],
    }
    ours["norm.weight"], ours["norm.bias"] = both("embeddings.LayerNorm")
    for number in range(shape.layers):
        theirs, here = f"encoder.layer.{number}", f"layers.{number}"
        parts = [both(f"{theirs}.attention.self.{part}") for part in ("query", "key", "value")]
        ours[f"{here}.query_key_value.weight"] = torch.cat([weight for weight, _ in parts])
        ours[f"{here}.query_key_value.bias"] = torch.cat([bias for _, bias in parts])
        for name, source in {
            "attended": "attention.output.dense",
            "attention_norm": "attention.output.LayerNorm",
            "up": "intermediate.dense",
            "down": "output.dense",
            "norm": "output.LayerNorm",
        }.items():
            ours[f"{here}.{name}.weight"], ours[f"{here}.{name}.bias"] = both(f"{theirs}.{source}")
    return ours
