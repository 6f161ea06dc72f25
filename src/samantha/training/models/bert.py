"""BERT (Devlin et al. 2019): a trunk that reads in both directions, and what can be asked of its hidden states.

The trunk is the encoder's, so that a pretrained one (MiniLM) fits: `model.trunk.load_state_dict(trunk_from_bert(...))`.
Not here: which tokens are masked (`samantha.training.objectives`).
"""

from torch import Tensor, nn
from torch.nn import functional

from samantha.training.models.blocks import initialize
from samantha.training.models.encoder import Head, Trunk, pooled_of
from samantha.training.models.encoder import Shape as Shape  # what a BERT is made from


class BERT(nn.Module):
    """Token ids -> hidden states, of which `logits` reads the tokens that were masked."""

    def __init__(self, shape: Shape, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.shape = shape
        self.trunk = Trunk(shape, dropout=dropout)
        self.transform = nn.Linear(shape.width, shape.width)
        self.norm = nn.LayerNorm(shape.width, eps=shape.norm_epsilon)
        self.bias = nn.Parameter(self.norm.bias.new_zeros(shape.vocabulary))
        initialize(self)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """`ids` and `mask` (batch, tokens), 1 for a token; hidden states (batch, tokens, width)."""
        hidden: Tensor = self.trunk(ids, mask)
        return hidden

    def logits(self, hidden: Tensor) -> Tensor:
        """(..., width) -> (..., vocabulary), through the embeddings of the trunk."""
        read = self.norm(functional.gelu(self.transform(hidden)))
        return functional.linear(read, self.trunk.tokens.weight, self.bias)


class Classifier(nn.Module):
    """Which of `labels` a text has, by the mean and the maximum of its hidden states."""

    def __init__(self, shape: Shape, labels: int, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.head = Head(shape.width, labels, dropout=dropout)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """`hidden` (batch, tokens, width), `mask` (batch, tokens); logits (batch, labels)."""
        _, pooled = pooled_of(hidden, mask)
        logits: Tensor = self.head(pooled)
        return logits


class TextClassifier(nn.Module):
    """Token ids -> logits of labels. The weights of a pretrained trunk fit into `trunk`."""

    def __init__(self, shape: Shape, labels: int, *, dropout: float = 0.1) -> None:
        super().__init__()
        self.shape = shape
        self.trunk = Trunk(shape, dropout=dropout)
        self.classifier = Classifier(shape, labels, dropout=dropout)
        initialize(self)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """`ids` and `mask` (batch, tokens), 1 for a token; logits (batch, labels)."""
        logits: Tensor = self.classifier(self.trunk(ids, mask), mask)
        return logits


class Span(nn.Module):
    """Where in a text an answer begins, and which token is its last."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.ends = nn.Linear(shape.width, 2)

    def forward(self, hidden: Tensor) -> Tensor:
        """`hidden` (batch, tokens, width); logits of the first and the last token (batch, 2, tokens)."""
        logits: Tensor = self.ends(hidden).transpose(1, 2)
        return logits
