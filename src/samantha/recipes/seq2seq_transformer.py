"""How a Transformer learns pairs: translations, or messages and their replies; its encoder may be a pretrained one.

`samantha train seq2seq_transformer source=FILE target=FILE` runs it. Not here: the model
(`samantha.training.models.seq2seq_transformer`), or what is done step by step (`samantha.recipes.pairs`).
"""

from dataclasses import dataclass
from pathlib import Path

from samantha.recipes.options import option
from samantha.recipes.pairs import PairRecipe, learn
from samantha.training.loop import Plan
from samantha.training.models.seq2seq_transformer import Shape
from samantha.training.runs import Run, RunFolder


@dataclass(frozen=True, slots=True)
class Recipe(PairRecipe):
    """Everything that may be varied. The defaults learn Multi30k (29,000 pairs) on a processor."""

    encoder: Path | None = option(None, "The folder of a pretrained BERT that reads, such as all-MiniLM-L6-v2.")
    encoder_rate: float = option(0.03, "What the rate is multiplied with for the weights of such an encoder.")
    shape: Shape = option(
        lambda: Shape(0, 0, width=128, encoder_layers=4, decoder_layers=4, attention_heads=4, inner=256, tie="all"),
        "",
        fixed=("source_vocabulary", "target_vocabulary", "memory_width"),
    )
    plan: Plan = option(
        lambda: Plan(
            steps=4800,
            rate=3e-3,
            warmup=0.1,
            betas=(0.9, 0.98),
            half=True,
            average=0.999,
            evaluate_every=400,
            patience=5,
        ),
        "",
    )


def run(recipe: Recipe, folder: RunFolder) -> Run:
    """See `samantha.recipes.pairs.learn`."""
    rate = recipe.encoder_rate if recipe.encoder else 1.0
    return learn(
        recipe,
        recipe.shape,
        recipe.plan,
        folder,
        architecture="seq2seq_transformer",
        encoder=recipe.encoder,
        encoder_rate=rate,
    )
