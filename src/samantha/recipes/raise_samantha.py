"""How a companion is raised from raw text: she reads, learns to answer, is shown examples, and talks.

1. **Reading.** A GPT learns from raw text, and from the conversations as text, what comes next.
2. **Answering.** It is tuned on the conversations, of which only her answers are learned.
3. **Few-shot.** How much a few exchanges of others, put before a conversation, help her with one she has not seen.
4. **Talking.** A short conversation, for samples.jsonl.

`samantha train raise_samantha data=FILE,FILE dialogues=FOLDER` runs it, and `samantha chat --model runs/raise_samantha`
talks with her. Not here: the model that ships, which begins from a larger one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal, TypeVar

from samantha.adapters.language_identification import language_of
from samantha.core.types import Message, Sampling
from samantha.recipes.options import option
from samantha.training import cleaning, language_modelling, shards, tokens
from samantha.training.cleaning import Card
from samantha.training.corpora import Chat, Document, Tally
from samantha.training.devices import Device, chosen, fitted
from samantha.training.loop import Plan
from samantha.training.model_files import Trained
from samantha.training.models.gpt import GPT, Shape
from samantha.training.runs import STAGES, Run, RunFolder
from samantha.training.talking import Talker

V = TypeVar("V", bound=Document | Chat)
SHOWN = (0, 1, 2, 4)  # exchanges that stand before a conversation
TALK = (
    "Hello.",
    "What is your name?",
    "I had a hard day at work.",
    "Are you a person?",
    "I miss my grandmother.",
    "What should I cook tonight?",
    "Thank you. Good night.",
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that may be varied."""

    data: tuple[Path, ...] = option((), "Raw text to read first: files (.txt, .md, .tsv, .jsonl) or folders.")
    dialogues: Path = option(Path("dialogues"), "Conversations to learn answering from: a .jsonl file, or a folder.")
    licence: str = option("not stated", "Under which licence the raw text is: data.json says it.")
    dialogues_licence: str = option("not stated", "Under which licence the conversations are: data.json says it.")
    corrupt: Literal["refuse", "skip"] = option("refuse", "What is done with a row that cannot be read.")
    languages: tuple[str, ...] = option((), "Languages of the raw text that is kept (ISO 639-1), such as en,zh; all.")
    held_out: float = option(0.05, "The share of texts and conversations that measures and is not learned from.")
    vocabulary: int = option(4000, "How many pieces of words there are.")
    shape: Shape = option(
        lambda: Shape(vocabulary=0, width=192, layers=4, attention_heads=4, key_value_heads=2, inner=512, context=192),
        "",
        fixed=("vocabulary",),
    )
    dropout: float = option(0.1, "The share of the inner values that is left out at each step.")
    rows: int = option(16, "Rows of `shape.context` tokens in a batch.")
    reading: Plan = option(
        lambda: Plan(
            steps=800,
            rate=3e-3,
            schedule="stable",
            betas=(0.9, 0.95),
            half=True,
            keep_every=200,
            decay=0.1,
            evaluate_every=200,
        ),
        "",
    )
    answering: Plan = option(
        lambda: Plan(
            steps=600,
            rate=2e-3,
            betas=(0.9, 0.95),
            half=True,
            keep_every=200,
            average=0.98,
            decay=0.1,
            evaluate_every=200,
        ),
        "",
    )
    seed: int = option(0, "Where chance begins.")
    device: Device = option("auto", "cpu, cuda, or auto: a GPU where there is one.")


def run(recipe: Recipe, folder: RunFolder) -> Run:
    """Read the texts, pretrain, tune, measure few-shot, and talk."""
    language_modelling.check(recipe.shape, rows=recipe.rows, dropout=recipe.dropout, held_out=recipe.held_out)
    device = chosen(recipe.device)
    tally, spoken = Tally(recipe.corrupt), Tally(recipe.corrupt)
    raw, chats = _texts(recipe, tally, spoken)
    learned_raw, held_raw = language_modelling.held_out(raw, recipe.held_out) if raw else ([], [])
    learned_chats, held_chats = language_modelling.held_out(chats, recipe.held_out)
    said = [text for value in (*learned_raw, *learned_chats) for text in value.texts]
    tokenizer = tokens.byte_level(said, recipe.vocabulary)
    context = recipe.shape.context
    model = language_modelling.begin(recipe.shape, tokenizer, dropout=recipe.dropout, seed=recipe.seed, device=device)
    held_shard = language_modelling.shard_of(folder.path / STAGES / "held_text", tokenizer, [*held_raw, *held_chats])
    shard = language_modelling.shard_of(
        folder.path / STAGES / "learned_text", tokenizer, [*learned_raw, *learned_chats]
    )

    talker = Talker(Trained("gpt", model, tokenizer, "chat", longest=context), "")

    def reads(network: GPT) -> float:
        return language_modelling.held_out_loss(network, shards.in_order(held_shard, 16, context))

    answers = {
        name: language_modelling.answers_of(tokenizer, values, longest=context, tally=spoken)
        for name, values in {"learned": learned_chats, "held": held_chats}.items()
    }
    folder.describe(*_cards(recipe, tally, spoken))
    model.eval()
    figures: dict[str, float] = {"parameters": sum(each.numel() for each in model.parameters())}
    figures["answer_perplexity_at_first"] = language_modelling.answer_perplexity(model, answers["held"])
    folder.fit(
        "reading",
        model,
        language_modelling.batches(shard, recipe.rows, context, seed=recipe.seed, device=device),
        language_modelling.losses,
        fitted(recipe.reading, device),
        score=lambda network: -reads(network),
        tokens_of=language_modelling.count,
    )
    figures["held_out_loss_after_reading"] = reads(model)
    figures["answer_perplexity_after_reading"] = language_modelling.answer_perplexity(model, answers["held"])
    folder.sample(f"(after reading) {TALK[1]}", talker.say(TALK[1], GREEDY))
    folder.fit(
        "answering",
        model,
        language_modelling.conversation_batches(answers["learned"], recipe.rows, seed=recipe.seed, device=device),
        language_modelling.answer_losses,
        fitted(recipe.answering, device),
        score=lambda network: -language_modelling.answer_perplexity(network, answers["held"]),
        tokens_of=language_modelling.count,
    )
    figures["answer_perplexity_after_answering"] = language_modelling.answer_perplexity(model, answers["held"])
    shown_to = language_modelling.few_shot(
        tokenizer, learned_chats, held_chats, SHOWN, longest=context, seed=recipe.seed
    )
    for number, shown in shown_to.items():
        figures[f"answer_perplexity_with_{number}_examples"] = language_modelling.answer_perplexity(model, shown)
    for asked, answered in talk(talker, TALK):
        folder.sample(asked, answered)
    return folder.finish(talker.trained, figures)


GREEDY = Sampling(temperature=0, max_tokens=80, repeat_penalty=1.1)


def _texts(recipe: Recipe, tally: Tally, spoken: Tally) -> tuple[list[Document | Chat], list[Chat]]:
    """Raw texts and conversations, cleaned, without duplicates and near-duplicates; what is left out is counted.

    No raw text is like a conversation: some of these are held out.
    """
    chats = list(_alone(_clean(language_modelling.read_chats(recipe.dialogues, tally=spoken), spoken), spoken))
    found: Iterable[Document | Chat] = language_modelling.read(recipe.data, tally=tally)
    if recipe.languages:
        found = cleaning.in_language(found, recipe.languages, language_of=language_of, tally=tally)
    return list(_alone(chain(chats, _clean(found, tally)), tally))[len(chats) :], chats


def _clean(values: Iterable[V], tally: Tally) -> Iterator[V]:
    return cleaning.distinct(cleaning.normalised(values, tally=tally), tally=tally)


def _alone(values: Iterable[V], tally: Tally) -> Iterator[V]:
    return cleaning.without_near_duplicates(values, tally=tally, of=language_modelling.said)


def _cards(recipe: Recipe, tally: Tally, spoken: Tally) -> Iterator[Card]:
    yield cleaning.card(recipe.dialogues.name, spoken, licence=recipe.dialogues_licence)
    if recipe.data:
        yield cleaning.card(", ".join(path.name for path in recipe.data), tally, licence=recipe.licence)


def talk(talker: Talker, lines: Sequence[str]) -> list[tuple[str, str]]:
    """What she answers to `lines`, said one after the other."""
    messages: list[Message] = []
    for line in lines:
        messages.append(Message("user", line))
        messages.append(Message("assistant", "".join(talker.answer(messages, GREEDY))))
    return [(asked.text, answered.text) for asked, answered in zip(messages[::2], messages[1::2], strict=True)]
