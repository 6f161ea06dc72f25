"""The loop on a network small enough to watch."""

import signal
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from torch import nn

from samantha.core.errors import SettingError, TrainingError
from samantha.training import data, objectives
from samantha.training.checkpoints import CHECKPOINT, REFUSED, Folder
from samantha.training.data import Batch, Example
from samantha.training.loop import Losses, Plan, fit, grouped
from samantha.training.models.encoder import Encoder, Shape


def twenty() -> list[Example]:
    said = [
        f"{start} {word} {end}"
        for start in ("i am so", "the film was")
        for word in ("happy", "sad")
        for end in "! . today very it".split()
    ]
    return [Example(one, {"level": int("sad" in one), "emotion": (float("happy" in one), 0.0, 1.0)}) for one in said]


def losses(network: nn.Module, batch: Batch) -> Losses:
    output = network(batch.ids, batch.mask)
    return {
        "level": objectives.one_label(output.logits["level"], batch.targets["level"]),
        "emotion": objectives.multi_label(output.logits["emotion"], batch.targets["emotion"]),
    }


def test_the_loss_falls_on_twenty_memorised_examples(shape: Shape, tokenizer: Tokenizer) -> None:
    torch.manual_seed(0)
    network = Encoder(shape, dropout=0.0)
    collate = data.Collator(tokenizer, shape.heads, frozenset({"level"}), width=shape.width)
    batches = map(collate, data.endless(twenty(), 5, seed=0))
    log = fit(network, batches, losses, Plan(steps=120, rate=3e-3), report_every=20)
    assert log.rows[-1]["level"] < 0.05 < 0.3 < log.rows[0]["level"]
    ids, mask = data.padded(tokenizer, [one.text for one in twenty()])
    assert network(ids, mask).logits["level"].argmax(-1).tolist() == [one.labels["level"] for one in twenty()]


def numbers(model: nn.Module, batch: float) -> Losses:
    return {"squared": (model(torch.ones(1, 1)) - batch).square().mean()}


def always(value: float) -> Iterator[float]:
    while True:
        yield value


def test_it_stops_when_the_score_no_longer_rises_and_keeps_the_best_weights() -> None:
    seen: list[float] = []

    def score(model: nn.Module) -> float:
        seen.append(model(torch.ones(1, 1)).item())
        return [1.0, 3.0, 2.0, 2.0, 9.0][len(seen) - 1]

    model = nn.Linear(1, 1)
    plan = Plan(steps=100, rate=0.1, evaluate_every=10, patience=2)
    log = fit(model, always(5.0), numbers, plan, score=score)
    assert (log.best, log.best_step, log.stopped_early) == (3.0, 20, True)
    assert model(torch.ones(1, 1)).item() == pytest.approx(seen[1])


def test_the_average_of_the_weights_lags_behind_them() -> None:
    torch.manual_seed(0)
    plain, averaged = nn.Linear(1, 1), nn.Linear(1, 1)
    averaged.load_state_dict(plain.state_dict())
    fit(plain, always(5.0), numbers, Plan(steps=30, rate=0.1))
    fit(averaged, always(5.0), numbers, Plan(steps=30, rate=0.1, average=0.95))
    assert averaged(torch.ones(1, 1)).item() < plain(torch.ones(1, 1)).item()


def test_the_rate_rises_and_then_falls_to_zero() -> None:
    plan = Plan(steps=100, warmup=0.1)
    assert [round(plan.factor(step), 2) for step in (0, 4, 9, 10, 55, 100)] == [0.1, 0.5, 1.0, 1.0, 0.5, 0.0]


def test_embeddings_norms_and_biases_are_not_decayed(shape: Shape) -> None:
    network = Encoder(shape)
    groups = grouped(network, Plan(steps=1, rate=1.0, decay=0.1), {"heads": 5.0})
    assert sorted((group["lr"], group["weight_decay"]) for group in groups) == [
        (1.0, 0.0),
        (1.0, 0.1),
        (5.0, 0.0),
        (5.0, 0.1),
    ]
    undecayed = {id(one) for group in groups if not group["weight_decay"] for one in group["params"]}  # type: ignore[attr-defined]
    assert id(network.trunk.tokens.weight) in undecayed
    assert id(network.trunk.layers[0].up.weight) not in undecayed


def test_a_stable_rate_falls_in_a_line_at_the_end() -> None:
    plan = Plan(steps=100, schedule="stable", warmup=0.1, fall=0.2)
    assert [round(plan.factor(step), 2) for step in (4, 9, 50, 80, 90, 99)] == [0.5, 1.0, 1.0, 1.0, 0.5, 0.05]


def chancy(model: nn.Module, batch: int) -> Losses:
    """A loss with chance in it, as dropout has, and another value for each batch."""
    seen = nn.functional.dropout(torch.full((1, 4), float(batch % 5)), 0.5)
    return {"squared": (model(seen) - 1).square().mean()}


def trained(steps: Iterable[int], plan: Plan, place: Folder | None = None) -> tuple[list[float], object]:
    torch.manual_seed(1)
    model = nn.Linear(4, 1)
    log = fit(model, steps, chancy, plan, score=lambda model: -model.bias.item(), report_every=7, place=place)
    return model.weight[0].tolist(), [{**row, "seconds": 0.0} for row in log.rows]


def interrupted(at: int) -> Iterator[int]:
    for number in count():
        if number == at:
            raise KeyboardInterrupt
        yield number


def test_a_run_that_was_interrupted_ends_as_one_that_was_not(tmp_path: Path) -> None:
    plan = Plan(steps=40, rate=0.05, average=0.9, accumulate=2, evaluate_every=10, patience=9)
    place = Folder(tmp_path, "a line")
    with pytest.raises(KeyboardInterrupt):
        trained(interrupted(at=51), plan, place)
    assert (tmp_path / CHECKPOINT).exists()
    torch.manual_seed(99)  # chance is taken up as well
    assert trained(count(), plan, place) == trained(count(), plan)


def test_two_half_batches_make_the_step_of_a_whole_one() -> None:
    def loss(model: nn.Module, batch: list[float]) -> Losses:
        return {"squared": (model(torch.tensor(batch)[:, None]) - 1).square().mean()}

    def after(batches: list[list[float]], accumulate: int) -> list[float]:
        torch.manual_seed(0)
        model = nn.Linear(1, 1)
        fit(model, batches, loss, Plan(steps=1, rate=0.1, accumulate=accumulate))
        return [one.item() for one in model.parameters()]

    assert after([[1.0, 2.0], [3.0, 4.0]], 2) == pytest.approx(after([[1.0, 2.0, 3.0, 4.0]], 1))


def test_a_loss_that_is_no_number_stops_it_with_the_batch_kept(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"step 1 is no number .*refused_batch"):
        fit(nn.Linear(1, 1), always(float("nan")), numbers, Plan(steps=5), place=Folder(tmp_path, "a line"))
    assert torch.load(tmp_path / REFUSED) != torch.load(tmp_path / REFUSED)  # it is the NaN


def test_a_checkpoint_of_another_model_and_half_a_one_are_refused(tmp_path: Path) -> None:
    Folder(tmp_path, "gpt").save({"step": 1})
    with pytest.raises(TrainingError, match="another model"):
        Folder(tmp_path, "bert").saved()
    whole = (tmp_path / CHECKPOINT).read_bytes()
    (tmp_path / CHECKPOINT).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TrainingError, match="cannot be read"):
        Folder(tmp_path, "gpt").saved()


def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Folder(tmp_path, "gpt").save({"step": 1})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(TrainingError, match="No space left"):
        Folder(tmp_path, "gpt").save({"step": 2})
    assert Folder(tmp_path, "gpt").saved() == {"step": 1}
    assert [file.name for file in tmp_path.iterdir()] == [CHECKPOINT]


def test_ctrl_c_ends_the_step_before_it_leaves(tmp_path: Path) -> None:
    def struck(model: nn.Module, step: int) -> Losses:
        if step == 7:
            signal.raise_signal(signal.SIGINT)
        return chancy(model, step)

    def run(loss_of: object, place: Folder | None) -> object:
        torch.manual_seed(1)
        model = nn.Linear(4, 1)
        fit(model, count(), loss_of, Plan(steps=20, rate=0.05, average=0.9), place=place)  # type: ignore[arg-type]
        return model.weight[0].tolist()

    place = Folder(tmp_path, "a line")
    with pytest.raises(KeyboardInterrupt):
        run(struck, place)
    left = place.saved()
    assert left is not None
    assert left["counts"]["step"] == 8
    assert run(chancy, place) == run(chancy, None)


@pytest.mark.parametrize("wrong", [{"rate": float("nan")}, {"steps": -1}, {"accumulate": 0}, {"clip": -1.0}])
def test_a_plan_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingError, match=f"{next(iter(wrong))} is"):
        Plan(**{"steps": 5, **wrong})  # type: ignore[arg-type]


def test_a_gradient_that_is_no_number_stops_it(tmp_path: Path) -> None:
    def loss(model: nn.Module, batch: float) -> Losses:
        return {"root": (model.weight * 0).sqrt().sum()}  # 0, with an infinite slope times 0

    with pytest.raises(TrainingError, match="gradient"):
        fit(nn.Linear(1, 1), [1.0], loss, Plan(steps=1), place=Folder(tmp_path, "a root"))  # type: ignore[arg-type]
