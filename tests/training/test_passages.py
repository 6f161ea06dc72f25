import pytest

from samantha.core.understanding import KINDS
from samantha.training.data import Example
from samantha.training.passages import ROOM, passages

NO_KIND, SELF_HARM = (0.0,) * len(KINDS), (1.0, *(0.0,) * (len(KINDS) - 1))
HARMLESS = [Example(f"On day {day} the soup was warm", {"level": 0, "kinds": NO_KIND, "act": 1}) for day in range(50)]
CRISES = [Example(f"Dark night number {night}", {"level": 2, "kinds": SELF_HARM, "act": 1}) for night in range(20)]


def test_a_passage_is_as_dangerous_as_its_worst_part() -> None:
    made = passages([*HARMLESS, *CRISES, Example("Dark night without a label")], 500, seed=0)
    for passage in made:
        dark = "Dark" in passage.text
        assert passage.labels["level"] == (2 if dark else 0)
        if dark:
            assert passage.labels["kinds"] == SELF_HARM
    assert 0.02 < sum(passage.labels["level"] == 2 for passage in made) / 500 < 0.08


def test_what_is_true_of_a_part_only_is_not_said_of_the_whole() -> None:
    assert all(passage.labels.keys() <= {"level", "kinds"} for passage in passages([*HARMLESS, *CRISES], 100, seed=0))


def test_passages_fit_into_what_is_trained_on() -> None:
    assert max(len(passage.text.encode()) for passage in passages([*HARMLESS, *CRISES], 500, seed=0)) <= ROOM


def test_languages_are_not_mixed() -> None:
    chinese = [Example("今天的汤很好喝", {"level": 0}), Example("我不想活了", {"level": 2})]
    made = passages([*HARMLESS, *CRISES, *chinese], 200, seed=0)
    assert {"day" in one.text or "night" in one.text for one in made if "汤" in one.text or "活" in one.text} == {False}
    assert any("汤" in one.text for one in made)


@pytest.mark.parametrize("seed", [0, 7])
def test_the_same_seed_gives_the_same_passages(seed: int) -> None:
    examples = [*HARMLESS, *CRISES]
    assert passages(examples, 50, seed=seed) == passages(examples, 50, seed=seed) != passages(examples, 50, seed=9)
