"""The path, with a fake at every port."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import pytest

from samantha.companion import Companion, Forgetful
from samantha.core.errors import EndpointError, MessageError, StorageError
from samantha.core.events import Decided, Event, Failed, Felt, Finished, Heard, Notice, Recalled, Said
from samantha.core.ports import Brain, Delta
from samantha.core.types import Conversation, Decision, Emotion, Message, Sampling, Understanding
from samantha.core.understanding import CIRCUMPLEX
from samantha.mind.persona import Example, Persona, Wording
from samantha.testing import ListJournal, ScriptedEncoder, ScriptedGenerator, ScriptedPolicy, SteppingClock, Unfeeling

pytestmark = pytest.mark.anyio

PERSONA = Persona(
    name="Samantha",
    summary="You are Samantha.",
    examples=(Example("en", "What is your name?", "My name is Samantha."), Example("en", "Hi", "Hello, you.")),
)
TALK = Conversation(thread="t")


def companion(*replies: object, policy: ScriptedPolicy | None = None, brain: Brain | None = None) -> Companion:
    generator = ScriptedGenerator(replies or ("Hello there. How are you?",))  # type: ignore[arg-type]
    generator.brain = brain or generator.brain
    return Companion(
        generator=generator,
        journal=ListJournal(),
        persona=PERSONA,
        encoder=Unfeeling(),
        memories=Forgetful(),
        policy=policy or ScriptedPolicy(),
        clock=SteppingClock(),
        sampling=Sampling(max_tokens=100),
    )


async def say(her: Companion, said: str, *, conversation: Conversation = TALK, id: str = "") -> list[Event]:
    return [event async for event in her.respond(Message("user", said, id), conversation=conversation)]


def reply(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Said))


async def test_the_events_come_in_the_order_of_the_path() -> None:
    kinds = [type(event) for event in await say(companion(), "Hi")]
    assert kinds == [Heard, Felt, Notice, Decided, Recalled, Said, Said, Finished]


async def test_the_pieces_concatenate_to_the_finished_reply() -> None:
    events = await say(companion("One. Two, and three!\nFour"), "Hi")
    assert isinstance(events[-1], Finished)
    assert reply(events) == events[-1].turn.reply.text == "One. Two, and three!\nFour"
    assert events[-1].turn.reply.finish == "stop"


async def test_every_piece_is_in_the_journal_before_it_is_shown() -> None:
    her = companion()
    async for event in her.respond(Message("user", "Hi"), conversation=TALK):
        if isinstance(event, Heard):
            assert her.journal.log == [("hear", "Hi")]
        if isinstance(event, Said):
            assert her.journal.log[-1] == ("say", event.text)
    assert her.journal.log[-1] == ("commit", "stop")


@pytest.mark.parametrize("events_until_close", range(1, 8))
async def test_closing_the_stream_after_any_event_keeps_exactly_what_was_said(events_until_close: int) -> None:
    her, seen = companion(), []
    async with aclosing(her.respond(Message("user", "Hi"), conversation=TALK)) as events:
        async for event in events:
            seen.append(event)
            if len(seen) == events_until_close:
                break
    assert [text for call, text in her.journal.log if call == "say"] == [e.text for e in seen if isinstance(e, Said)]
    assert her.journal.log[-1] == ("commit", "interrupted")


async def test_cancelling_while_the_engine_writes_commits_the_turn() -> None:
    her = companion()
    her.generator = ScriptedGenerator(["One. Two three four"], delay=0.001)
    heard_first = asyncio.Event()

    async def talk() -> None:
        async for event in her.respond(Message("user", "Hi"), conversation=TALK):
            if isinstance(event, Said):
                heard_first.set()

    task = asyncio.create_task(talk())
    await heard_first.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert her.journal.log[-2:] == [("say", "One."), ("commit", "interrupted")]


async def test_an_endpoint_that_dies_mid_reply_ends_the_turn_as_failed_and_keeps_the_words() -> None:
    events = await say(companion(("Well. I th", EndpointError("It stopped."))), "Hi")
    assert isinstance(events[-1], Failed)
    assert (events[-1].turn.reply.text, events[-1].turn.reply.finish) == ("Well.", "failed")


async def test_a_defect_commits_the_turn_and_is_raised() -> None:
    her = companion()

    class Broken(ScriptedGenerator):
        async def count(self, messages: object) -> list[int]:
            raise ZeroDivisionError

    her.generator = Broken()
    with pytest.raises(ZeroDivisionError):
        await say(her, "Hi")
    assert her.journal.log[-1] == ("commit", "interrupted")


@pytest.mark.parametrize("said", ["", "  \n ", "\x00\x00"])
async def test_an_empty_message_fails_with_one_sentence_and_is_not_journalled(said: str) -> None:
    her = companion()
    (event,) = await say(her, said)
    assert isinstance(event, Failed)
    assert isinstance(event.error, MessageError)
    assert her.journal.log == []


async def test_control_characters_and_broken_unicode_are_cleaned_at_the_border() -> None:
    events = await say(companion(), "a\x00b\ud83d\x1b[31m\tc\n")
    assert isinstance(events[0], Heard)
    assert events[0].turn.message.text == "ab\ufffd[31m\tc"


async def test_the_same_message_id_twice_is_one_turn() -> None:
    her = companion("First.", "Second.")
    assert reply(await say(her, "Hi", id="m1")) == reply(await say(her, "Hi", id="m1")) == "First."
    assert len(her.generator.heard) == 1


async def test_the_second_turn_reads_the_first_and_then_only_appends() -> None:
    her = companion("First.", "Second.")
    await say(her, "One")
    await say(her, "Two")
    first, second = her.generator.heard
    assert second == (*first, Message("assistant", "First.", parent=first[-1].id), second[-1])


async def test_after_a_turn_the_idle_engine_reads_what_the_next_prompt_begins_with() -> None:
    her = companion("First.", "Second.")
    await say(her, "One")
    await her.idle()
    await say(her, "Two")
    ahead, prompt = her.generator.read_ahead[0], her.generator.heard[1]
    assert [(m.role, m.text) for m in ahead] == [(m.role, m.text) for m in prompt[:-1]]


async def test_a_decision_with_a_replacement_is_said_instead_of_the_model() -> None:
    care = Decision("crisis", "I am here. Please call 988.")
    her = companion(policy=ScriptedPolicy(care))
    events = await say(her, "Hi")
    assert reply(events) == "I am here. Please call 988."
    assert her.generator.heard == []
    assert her.journal.log[-1] == ("commit", "stop")


async def test_what_the_policy_takes_out_of_a_piece_is_neither_journalled_nor_shown() -> None:
    her = companion("Call me human.", policy=ScriptedPolicy(replace=("human", "Samantha")))
    assert reply(await say(her, "Hi")) == "Call me Samantha."
    assert ("say", "Call me Samantha.") in her.journal.log


async def test_she_says_that_she_is_an_ai_at_the_first_turn_only() -> None:
    her = companion()
    first, second = await say(her, "Hi"), await say(her, "Hi again")
    assert [event.kind for event in first if isinstance(event, Notice)] == ["disclosure"]
    assert not [event for event in second if isinstance(event, Notice)]


async def test_a_remote_brain_is_named_where_a_local_one_is_promised() -> None:
    her = companion(brain=Brain("cloud-70b", context=1024, local=False))
    (notice,) = [event for event in await say(her, "Hi") if isinstance(event, Notice)]
    assert "cloud-70b" in str(notice.text)
    assert "this machine" not in str(notice.text)


async def test_a_brain_without_chinese_says_so_once() -> None:
    her = companion()
    kinds = [
        [e.kind for e in await say(her, words) if isinstance(e, Notice)] for words in ("你好，你是谁？", "今天很累")
    ]
    assert kinds == [["disclosure", "language"], []]


async def test_a_long_conversation_loses_its_oldest_turns_and_says_so() -> None:
    her = companion("word " * 20 + "end.", brain=Brain("small", context=256))
    notices = [e for turn in range(12) for e in await say(her, f"Message {turn}") if isinstance(e, Notice)]
    assert [notice.kind for notice in notices[:2]] == ["disclosure", "context"]
    persona, *_, newest = her.generator.heard[-1]
    assert (persona.role, newest.text) == ("system", "Message 11")


async def test_a_message_longer_than_the_brain_fails_with_the_sizes_and_is_kept() -> None:
    her = companion(brain=Brain("small", context=256))
    events = await say(her, "word " * 500)
    assert isinstance(events[-1], Failed)
    assert "500" in str(events[-1].error) or "504" in str(events[-1].error)
    assert her.journal.log[-1] == ("commit", "failed")


async def test_nothing_is_written_for_a_conversation_that_is_not_kept() -> None:
    her = companion()
    given = (Message("user", "Hi"), Message("assistant", "Hello."))
    await say(her, "And now?", conversation=Conversation(keep=False, history=given))
    assert her.journal.log == []
    assert her.generator.heard[0][-3:-1] == given


async def test_the_timings_grow_along_the_path() -> None:
    (*_, finished) = await say(companion(), "Hi")
    assert isinstance(finished, Finished)
    usage = finished.turn.reply.usage
    assert 0 < usage.first_token_ms <= usage.first_said_ms < usage.total_ms  # type: ignore[operator]
    assert usage.completion_tokens == 5


async def test_another_part_makes_another_companion_with_the_same_journal() -> None:
    her = companion()
    other = replace(her, persona=replace(PERSONA, name="Iris", summary="You are Iris."))
    await say(other, "Hi")
    assert her.journal.log[0] == ("hear", "Hi")
    assert "Iris" in other.generator.heard[0][0].text


async def test_two_messages_to_one_thread_are_answered_one_after_the_other() -> None:
    her = companion()
    her.generator = ScriptedGenerator(["First one.", "Second one."], delay=0.001)
    await asyncio.gather(say(her, "One"), say(her, "Two"))
    calls = [call for call, _ in her.journal.log]
    assert calls == ["hear", "say", "commit"] * 2


async def test_the_encoder_is_asked_once_a_message() -> None:
    encoder = ScriptedEncoder({"Good!": Understanding(sentiment="positive")})
    events = await say(replace(companion(), encoder=encoder), "Good!")
    assert encoder.heard == ["Good!"]
    assert [event.understanding.sentiment for event in events if isinstance(event, Felt)] == ["positive"]


async def test_one_message_sent_twice_at_once_is_answered_once() -> None:
    her = companion("First.", "Second.")
    replies = [reply(events) for events in await asyncio.gather(say(her, "Hi", id="m1"), say(her, "Hi", id="m1"))]
    assert replies == ["First.", "First."]


async def test_a_journal_that_fails_at_the_end_is_told_as_a_failure() -> None:
    class FullDisk(ListJournal):
        async def commit(self, turn: object) -> None:
            raise StorageError("The disk is full.")

    (*_, last) = await say(replace(companion(), journal=FullDisk()), "Hi")
    assert isinstance(last, Failed)
    assert "disk" in str(last.error)


async def test_a_request_for_a_long_reply_leaves_it_room() -> None:
    her = companion(brain=Brain("small", context=400))
    long = "word " * 250
    short, roomy = [
        [e async for e in her.respond(Message("user", long), conversation=TALK, sampling=Sampling(max_tokens=tokens))][
            -1
        ]
        for tokens in (50, 200)
    ]
    assert isinstance(short, Finished)
    assert isinstance(roomy, Failed)


async def test_a_long_message_of_the_past_does_not_stop_a_smaller_brain() -> None:
    her = companion(brain=Brain("large", context=4096))
    await say(her, "word " * 1500)
    small = replace(her, generator=ScriptedGenerator(["Short."], brain=Brain("small", context=512)))
    (*_, last) = await say(small, "Hi")
    assert isinstance(last, Finished)


async def test_a_message_without_a_thread_sent_twice_at_once_is_answered_once() -> None:
    her, nowhere = companion("First.", "Second."), Conversation()
    both = await asyncio.gather(*(say(her, "Hi", id="m1", conversation=nowhere) for _ in range(2)))
    assert [reply(events) for events in both] == ["First.", "First."]


async def test_a_brain_that_stops_without_a_word_is_a_failure_and_not_the_end() -> None:
    her = companion()

    class Cut(ScriptedGenerator):
        async def stream(self, messages: object, sampling: object) -> AsyncGenerator[Delta, None]:
            yield Delta("Hello there. And then")

    her.generator = Cut()
    (*_, last) = await say(her, "Hi")
    assert isinstance(last, Failed)
    assert last.turn.reply.text == "Hello there."


async def test_going_on_with_a_remote_brain_is_told_once() -> None:
    her = companion()
    await say(her, "Hi")
    away = replace(her, generator=ScriptedGenerator(["Yes."], brain=Brain("cloud", context=1024, local=False)))
    kinds = [[str(e.text) for e in await say(away, said) if isinstance(e, Notice)] for said in ("And?", "So?")]
    assert "cloud" in kinds[0][0]
    assert kinds[1] == []


async def test_chinese_is_not_spent_on_a_brain_that_cannot_read_it() -> None:
    her = companion()
    her.persona = replace(PERSONA, zh=Wording(summary="你是萨曼莎。"))
    await say(her, "你好")
    assert "你是" not in her.generator.heard[0][0].text


async def test_a_larger_brain_reads_the_background_of_a_persona() -> None:
    persona = replace(PERSONA, background="She grew up in a lighthouse.")
    small, large = companion(brain=Brain("s", context=4096)), companion(brain=Brain("l", context=8192))
    for her in (small, large):
        her.persona = persona
        await say(her, "Hi")
    assert ["lighthouse" in her.generator.heard[0][0].text for her in (small, large)] == [False, True]


# Feelings


def sounding(label: str) -> Understanding:
    return Understanding(emotion=Emotion({label: 0.8}, *CIRCUMPLEX[label], labels=(label,)))


def feeling(*replies: str, **parts: object) -> Companion:
    """Her, who hears sadness in "Alone", joy in "Together" and nothing in other words."""
    encoder = ScriptedEncoder({"Alone": sounding("sadness"), "Together": sounding("joy")}, sounding("neutral"))
    return replace(companion(*replies), encoder=encoder, **parts)  # type: ignore[arg-type]


async def felt(her: Companion, said: str) -> Felt:
    (event,) = [event for event in await say(her, said) if isinstance(event, Felt)]
    return event


def notes(her: Companion) -> list[str]:
    """The notes that the brain has read, one a turn; "" where there was none."""
    return [heard[-2].text if heard[-2].role == "system" else "" for heard in her.generator.heard]


async def test_what_she_felt_comes_with_the_mood_and_what_it_asks_for() -> None:
    event = await felt(feeling(), "Alone")
    assert event.mood is not None
    assert event.mood.valence == -0.8
    assert event.support.strategies == ("reflection", "restatement", "affirmation")


async def test_the_brain_reads_the_note_right_before_the_message() -> None:
    her = feeling()
    event = await felt(her, "Alone")
    assert notes(her) == [event.support.note]
    assert "sad" in event.support.note
    assert her.generator.heard[0][-1].text == "Alone"


async def test_other_feelings_in_the_same_words_give_another_prompt() -> None:
    sad, glad = (replace(companion(), encoder=ScriptedEncoder({"So": sounding(each)})) for each in ("grief", "joy"))
    for her in (sad, glad):
        await say(her, "So")
    assert notes(sad) != notes(glad)


async def test_small_talk_leaves_the_prompt_as_it_was() -> None:
    plain, her = companion(), feeling()
    for each in (plain, her):
        await say(each, "Hi", id="m1")
    assert her.generator.heard == plain.generator.heard


async def test_the_note_is_gone_at_the_next_turn_and_from_what_is_read_ahead() -> None:
    her = feeling("First.", "Second.")
    note = (await felt(her, "Alone")).support.note
    await her.idle()
    await say(her, "And now?")
    later = [*her.generator.heard[1], *her.generator.read_ahead[0]]
    assert note not in [message.text for message in later]
    assert note not in str(her.journal)


async def test_the_note_is_in_the_language_that_the_conversation_began_in() -> None:
    her = replace(feeling(), generator=ScriptedGenerator(["好。"], brain=Brain("both", 1024, ("en", "zh"))))
    await say(her, "你好")
    assert "难过" in (await felt(her, "Alone")).support.note


async def test_a_brain_without_chinese_reads_its_note_in_english() -> None:
    her = feeling()
    await say(her, "你好")
    assert "who is sad" in (await felt(her, "Alone")).support.note


async def test_who_wants_no_notes_still_has_a_mood() -> None:
    her = feeling(follows_feelings=False)
    event = await felt(her, "Alone")
    assert event.mood is not None
    assert event.support.strategies
    assert (event.support.note, notes(her)) == ("", [""])


async def test_the_mood_rests_on_the_messages_before() -> None:
    her = feeling()
    await say(her, "Alone")
    await say(her, "Alone")
    event = await felt(her, "Alone")
    assert event.mood is not None
    assert event.mood.readings == 3
    assert "worn out" in event.support.note


async def test_a_conversation_that_is_not_kept_leaves_no_reading() -> None:
    her = feeling()
    await say(her, "Alone", conversation=Conversation(keep=False))
    assert await her.journal.readings("me", her.clock.start) == ()


async def test_a_message_that_was_taken_for_a_crisis_is_kept_as_one() -> None:
    her = feeling(policy=ScriptedPolicy(Decision("crisis", "I am here.")))
    await say(her, "Alone")
    assert [each.level for each in await her.journal.readings("me", her.clock.start)] == ["crisis"]


async def test_where_feelings_are_read_she_says_so_at_the_start() -> None:
    (notice,) = [event for event in await say(feeling(), "Hi") if isinstance(event, Notice)]
    assert "guesses feelings from words, on this machine" in str(notice.text)
    (unfeeling,) = [event for event in await say(companion(), "Hi") if isinstance(event, Notice)]
    assert "feelings" not in str(unfeeling.text)


# What a decision adds

CONCERN = ScriptedPolicy(Decision("concern", addition="You can call 988."))


async def test_an_addition_follows_the_reply_as_a_paragraph_of_its_own() -> None:
    her = companion("I hear you.", policy=CONCERN)
    events = await say(her, "Hi")
    assert reply(events) == events[-1].turn.reply.text == "I hear you.\n\nYou can call 988."  # type: ignore[union-attr]
    assert her.journal.log[-2:] == [("say", "\n\nYou can call 988."), ("commit", "stop")]


async def test_an_addition_follows_a_reply_that_was_cut_at_its_length() -> None:
    her = companion("One two three four.", policy=CONCERN)
    her.sampling = Sampling(max_tokens=2)
    (*_, last) = await say(her, "Hi")
    assert isinstance(last, Finished)
    assert (last.turn.reply.text, last.turn.reply.finish) == ("One two\n\nYou can call 988.", "length")


async def test_an_addition_stands_alone_where_the_model_said_nothing() -> None:
    assert reply(await say(companion("", policy=CONCERN), "Hi")) == "You can call 988."


async def test_who_interrupts_her_hears_no_addition() -> None:
    her = companion("One. Two.", policy=CONCERN)
    async with aclosing(her.respond(Message("user", "Hi"), conversation=TALK)) as events:
        async for event in events:
            if isinstance(event, Said):
                break
    assert her.journal.log[-1] == ("commit", "interrupted")
    assert "988" not in str(her.journal)
