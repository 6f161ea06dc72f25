"""How a GPT is pretrained: from files of text to a model that goes on with a text, or answers a conversation.

`samantha train gpt data=FILE` runs it. Not here: tuning on answers alone (`samantha.recipes.raise_samantha`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from samantha.core.errors import SettingError
from samantha.core.types import Sampling
from samantha.recipes.options import option
from samantha.training import cleaning, language_modelling, shards, tokens
from samantha.training.corpora import Chat, Tally
from samantha.training.devices import Device, chosen, fitted
from samantha.training.loop import Plan
from samantha.training.model_files import Trained
from samantha.training.models.blocks import check_sizes
from samantha.training.models.gpt import GPT, Shape
from samantha.training.runs import STAGES, Run, RunFolder
from samantha.training.talking import Talker


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that may be varied. The defaults learn tinyshakespeare, letter by letter, on a processor."""

    data: Path | None = option(
        None, "A file of text (.txt, .md), of rows (.tsv), of conversations (.jsonl), or a folder."
    )
    corrupt: Literal["refuse", "skip"] = option("refuse", "What is done with a row that cannot be read.")
    held_out: float = option(0.1, "The share of the text that measures and is not learned from.")
    tokens: Literal["characters", "bytes"] = option("characters", "Letters, or pieces of words over bytes (BPE).")
    vocabulary: int = option(4096, "How many pieces of words there are, with tokens=bytes.")
    shape: Shape = option(
        lambda: Shape(vocabulary=0, width=128, layers=4, attention_heads=4, key_value_heads=4, inner=352, context=64),
        "",
        fixed=("vocabulary",),
    )
    dropout: float = option(0.0, "The share of the inner values that is left out at each step.")
    rows: int = option(12, "Rows of `shape.context` tokens in a batch.")
    plan: Plan = option(
        lambda: Plan(steps=1700, rate=1e-3, warmup=0.05, decay=0.1, betas=(0.9, 0.99), evaluate_every=500), ""
    )
    prompt: str = option("", "What the sample at the end goes on with; the beginning of the held-out text otherwise.")
    written: int = option(300, "Tokens that the sample has.")
    licence: str = option("not stated", "Under which licence the text is: data.json says it.")
    seed: int = option(0, "Where chance begins.")
    device: Device = option("auto", "cpu, cuda, or auto: a GPU where there is one.")


def run(recipe: Recipe, folder: RunFolder) -> Run:
    """Read, learn letters or pieces of words, write shards, train, measure, write a sample."""
    if recipe.data is None:
        raise SettingError("Say what to learn from: data=FILE, or data=FOLDER.")
    language_modelling.check(recipe.shape, rows=recipe.rows, dropout=recipe.dropout, held_out=recipe.held_out)
    check_sizes(written=recipe.written)
    device = chosen(recipe.device)
    tally = Tally(recipe.corrupt)
    found = list(cleaning.distinct(language_modelling.read([recipe.data], tally=tally), tally=tally))
    folder.describe(cleaning.card(recipe.data.name, tally, licence=recipe.licence))
    learned, held = language_modelling.held_out(found, recipe.held_out)
    # Pieces of words are learned like all else. Letters are all that occur, as in nanoGPT: an unknown one has no loss.
    tokenizer = (
        tokens.byte_level((text for value in learned for text in value.texts), recipe.vocabulary)
        if recipe.tokens == "bytes"
        else tokens.characters("".join(text for value in found for text in value.texts))
    )
    learned_shard, held_shard = (
        language_modelling.shard_of(folder.path / STAGES / f"{name}_text", tokenizer, values)
        for name, values in {"learned": learned, "held": held}.items()
    )
    model = language_modelling.begin(recipe.shape, tokenizer, dropout=recipe.dropout, seed=recipe.seed, device=device)
    context = recipe.shape.context

    def held_out_loss(network: GPT) -> float:
        return language_modelling.held_out_loss(network, shards.in_order(held_shard, 64, context))

    log = folder.fit(
        "pretraining",
        model,
        language_modelling.batches(learned_shard, recipe.rows, context, seed=recipe.seed, device=device),
        language_modelling.losses,
        fitted(recipe.plan, device),
        score=lambda network: -held_out_loss(network),
        tokens_of=language_modelling.count,
    )
    chat = all(isinstance(value, Chat) for value in found)
    trained = Trained("gpt", model, tokenizer, "chat" if chat else "text", longest=context)
    prompt = recipe.prompt or held[0].texts[0][: context // 2]
    sampling = Sampling(max_tokens=recipe.written, temperature=0.8, min_p=0.05, repeat_penalty=1.0, seed=recipe.seed)
    folder.sample(prompt, Talker(trained, "").say(prompt, sampling))
    return folder.finish(
        trained,
        {
            "held_out_loss": held_out_loss(model),
            "parameters": sum(each.numel() for each in model.parameters()),
            "training_seconds": log.seconds,
        },
    )
