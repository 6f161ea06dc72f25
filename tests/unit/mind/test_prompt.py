"""What the engine reads, and what leaves when it does not fit."""

from dataclasses import replace

import pytest

from samantha.core.errors import MessageError, PersonaError
from samantha.core.types import Conversation, Message, Turn
from samantha.mind.prompt import NOTE, Draft, draft, fit


def talk(turns: int) -> tuple[Message, ...]:
    return tuple(Message(role, f"{role} {n}") for n in range(turns) for role in ("user", "assistant"))  # type: ignore[arg-type]


def parts(turns: int, examples: int = 2) -> Draft:
    turn = Turn(Conversation(), Message("user", "now"), history=talk(turns))
    return draft(turn, persona="She.", examples=[Message("user", "q"), Message("assistant", "a")][:examples])


def fitted(turns: int, *, limit: int, each: int = 10):
    plan = parts(turns)
    return fit(plan, [each] * len(plan.messages), limit=limit)


def test_persona_examples_conversation_note_and_message_come_in_this_order() -> None:
    turn = Turn(Conversation(), Message("user", "now"), history=talk(1))
    plan = draft(turn, persona="She.", examples=[Message("user", "q")], note="tired")
    assert [m.text for m in plan.messages] == ["She.", "q", "user 0", "assistant 0", "tired", "now"]


def test_everything_stays_while_it_fits() -> None:
    prompt = fitted(3, limit=100 + NOTE)
    assert (prompt.tokens, prompt.limit, prompt.dropped, len(prompt.messages)) == (100, 100 + NOTE, 0, 10)


def test_the_oldest_turns_leave_first_and_whole() -> None:
    prompt = fitted(4, limit=100 + NOTE)
    assert prompt.dropped == 6  # a block is 43 tokens; turns are 20
    assert prompt.messages[3].text == "user 3"
    assert prompt.tokens == 60


def test_the_same_turns_are_missing_at_the_next_turns_until_the_block_is_used_up() -> None:
    dropped = [fitted(turns, limit=400).dropped for turns in range(15, 32)]
    assert dropped == sorted(dropped)
    assert len(set(dropped)) <= 5


@pytest.mark.parametrize("turns", range(40))
def test_a_prompt_never_exceeds_its_limit_and_begins_with_a_person(turns: int) -> None:
    prompt = fitted(turns, limit=205)
    assert prompt.tokens == 10 * len(prompt.messages) <= 205
    assert [m.role for m in prompt.messages[3:4]] == ["user"]


@pytest.mark.parametrize("turns", range(12, 30))
def test_a_note_changes_nothing_of_what_comes_before_it(turns: int) -> None:
    without = parts(turns)
    noted = replace(without, newest=(Message("system", "tired"), *without.newest))
    counts = [10] * len(without.messages)
    plain, prompt = fit(without, counts, limit=400), fit(noted, [*counts[:-1], 60, 10], limit=400)
    assert prompt.messages[:-2] == plain.messages[:-1]
    assert prompt.tokens == plain.tokens + 60 <= 400


def test_a_note_leaves_before_the_message_is_refused() -> None:
    turn = Turn(Conversation(), Message("user", "now"))
    prompt = fit(draft(turn, persona="She.", examples=[], note="tired"), [10, 30, 75], limit=100)
    assert [m.text for m in prompt.messages] == ["She.", "now"]
    assert prompt.tokens == 85


def test_examples_leave_when_only_the_message_fits() -> None:
    plan = parts(2)
    prompt = fit(plan, [10, 10, 10, 10, 10, 10, 10, 75], limit=100)
    assert [m.text for m in prompt.messages] == ["She.", "now"]


def test_a_message_that_cannot_fit_is_refused_with_the_sizes() -> None:
    plan = parts(0)
    with pytest.raises(MessageError, match=r"about 95 tokens.*can read 90 "):
        fit(plan, [10, 1, 1, 95], limit=100)


def test_a_persona_that_leaves_no_room_is_refused() -> None:
    plan = parts(0)
    with pytest.raises(PersonaError, match=r"takes 60 of the 100"):
        fit(plan, [60, 1, 1, 10], limit=100)
