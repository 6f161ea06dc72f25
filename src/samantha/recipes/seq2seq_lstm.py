"""How an LSTM learns pairs: messages and their replies, or translations.

`samantha train seq2seq_lstm data=dialogues` runs it. Not here: the model (`samantha.training.models.seq2seq_lstm`), or
what is done step by step (`samantha.recipes.pairs`).
"""

from dataclasses import dataclass

from samantha.recipes.options import option
from samantha.recipes.pairs import PairRecipe, learn
from samantha.training.loop import Plan
from samantha.training.models.seq2seq_lstm import Shape
from samantha.training.runs import Run, RunFolder


@dataclass(frozen=True, slots=True)
class Recipe(PairRecipe):
    """Everything that may be varied. The defaults learn the dialogues of this project by heart, on a processor."""

    held_out: float = option(0.0, "The share of the pairs that measures and is not learned from; 0 is none.")
    vocabulary: int = option(2000, "Pieces of words (byte-level BPE), for both sides together.")
    longest_source: int = option(32, "Tokens that are read at most; what is longer is cut, and counted.")
    longest_target: int = option(
        24, "Tokens of what is written at most: longer replies are shortened, others left out."
    )
    batch: int = option(4096, "Tokens in a batch, on each side.")
    dropout: float = option(0.1, "The share of the inner values that is left out at each step.")
    smoothing: float = option(0.0, "How much of the probability is wanted for other tokens than the right one.")
    shape: Shape = option(
        lambda: Shape(0, 0, width=256, layers=1, tie="all"), "", fixed=("source_vocabulary", "target_vocabulary")
    )
    plan: Plan = option(lambda: Plan(steps=1300, rate=5e-3, warmup=0.05, betas=(0.9, 0.98), half=True), "")


def run(recipe: Recipe, folder: RunFolder) -> Run:
    """See `samantha.recipes.pairs.learn`."""
    return learn(recipe, recipe.shape, recipe.plan, folder, architecture="seq2seq_lstm")
