"""Her own API: a turn as a stream of events, threads, and what happens when something goes wrong."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from serving import REPLY, HeldGenerator, calling, companion, events_of, listening

from samantha.adapters.sqlite import SqliteJournal
from samantha.core.errors import EndpointError, GeneratorError
from samantha.core.events import Event, Said
from samantha.core.text import text
from samantha.core.types import Decision, Emotion, Risk, Sampling, Understanding
from samantha.surfaces.api.replies import language_asked, refusal_of
from samantha.surfaces.api.service import Events
from samantha.surfaces.api.streams import KEEP_ALIVE, EventStream
from samantha.testing import ScriptedEncoder, ScriptedPolicy

pytestmark = pytest.mark.anyio


async def say(client: httpx2.AsyncClient, said: str, **more: Any) -> list[dict[str, Any]]:
    answer = await client.post("/api/turns", json={"text": said, **more})
    assert answer.status_code == 200, answer.text
    return events_of(answer.text)


def types_of(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


async def test_a_turn_is_the_stream_of_its_events() -> None:
    async with calling(companion()) as client:
        events = await say(client, "Hi")
    assert types_of(events) == ["heard", "felt", "notice", "decided", "recalled", "said", "said", "finished"]
    assert "".join(event["text"] for event in events if event["type"] == "said") == REPLY == events[-1]["reply"]


async def test_each_event_is_named_and_one_line_of_json() -> None:
    async with calling(companion("One line.\nAnother.")) as client:
        answer = await client.post("/api/turns", json={"text": "Hi"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert 'event: said\ndata: {"type": "said", "text": "One line."}\n\n' in answer.text


async def test_the_same_id_twice_is_one_turn() -> None:
    her = companion("Only once.", "Twice!")
    async with calling(her) as client:
        first, again = [await say(client, "Hi", id="m1") for _ in range(2)]
    assert first[-1]["reply"] == again[-1]["reply"] == "Only once."
    assert len(her.generator.heard) == 1


async def test_a_reply_that_broke_off_is_begun_anew_when_the_message_is_sent_again() -> None:
    her = companion(("So far. ", GeneratorError("Broken.")), "All of it.")
    async with calling(her) as client:
        first, again, third = [await say(client, "Hi", id="m1") for _ in range(3)]
        metrics = (await client.get("/metrics")).text
    assert (first[-1]["type"], first[-1]["reply"]) == ("failed", "So far.")
    assert again[-1]["reply"] == third[-1]["reply"] == "All of it."
    assert 'samantha_turns_total{finish="stop"} 1.0' in metrics
    assert 'samantha_turns_total{finish="failed"} 1.0' in metrics


async def test_the_same_id_while_it_is_being_answered_waits_for_that_reply() -> None:
    her = companion(generator=HeldGenerator(), sampling=Sampling(max_tokens=2))
    async with calling(her) as client:
        both = [asyncio.create_task(say(client, "Hi", id="m1")) for _ in range(2)]
        await her.generator.begun.wait()
        her.generator.release.set()
        first, again = await asyncio.gather(*both)
    assert first[-1]["reply"] == again[-1]["reply"] == "Word. Word. "
    assert len(her.generator.heard) == 1


async def test_a_turn_that_is_not_kept_leaves_no_trace() -> None:
    her = companion()
    async with calling(her) as client:
        assert (await say(client, "Hi", keep=False))[-1]["type"] == "finished"
    assert her.journal.log == []


# Threads


@pytest.fixture
async def journal() -> AsyncIterator[SqliteJournal]:
    journal = SqliteJournal(":memory:")
    yield journal
    await journal.aclose()


async def test_a_thread_can_be_listed_read_and_undone(journal: SqliteJournal) -> None:
    async with calling(companion("Nice.", "Very.", journal=journal)) as client:
        await say(client, "A cat came by", id="m1", thread="t")
        await say(client, "It stayed", id="m2", thread="t")
        threads = (await client.get("/api/threads")).json()["threads"]
        undone = (await client.post("/api/threads/t/undo")).json()["undone"]
        left = (await client.get("/api/threads/t")).json()["messages"]
    assert [(each["id"], each["title"], each["turns"]) for each in threads] == [("t", "A cat came by", 2)]
    assert undone == {"role": "user", "text": "It stayed", "id": "m2", "parent": "m1"}
    assert [each["text"] for each in left] == ["A cat came by", "Nice."]


async def test_at_the_start_of_a_thread_there_is_nothing_to_undo(journal: SqliteJournal) -> None:
    async with calling(companion(journal=journal)) as client:
        await say(client, "Hi", thread="t")
        answers = [(await client.post("/api/threads/t/undo")).json()["undone"] for _ in range(2)]
    assert answers[0]["text"] == "Hi"
    assert answers[1] is None


async def test_one_person_does_not_see_the_threads_of_another(journal: SqliteJournal) -> None:
    async with calling(companion(journal=journal)) as client:
        await say(client, "Hi", thread="t", person="ana")
        assert (await client.get("/api/threads", params={"person": "bob"})).json() == {"threads": []}
        assert (await client.get("/api/threads/t", params={"person": "bob"})).status_code == 404
        assert (await client.get("/api/threads/t", params={"person": "ana"})).status_code == 200


@pytest.mark.parametrize(("method", "path"), [("GET", "/api/threads/none"), ("POST", "/api/threads/none/undo")])
async def test_an_unknown_thread_is_said_to_be_unknown(method: str, path: str, journal: SqliteJournal) -> None:
    async with calling(companion(journal=journal)) as client:
        answer = await client.request(method, path)
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "There is no conversation 'none'. GET /api/threads lists them."


# Feelings

SAD = Understanding(
    emotion=Emotion({"sadness": 0.9, "joy": 0.1}, -0.8, -0.5, ("sadness",)),
    risk=Risk("concern", {"self_harm": 0.6}),
    act="disclosure",
    vector=(1.0,),
)


async def test_what_she_felt_is_in_the_stream_without_the_vector(journal: SqliteJournal) -> None:
    async with calling(companion(journal=journal, encoder=ScriptedEncoder(otherwise=SAD))) as client:
        felt = next(event for event in await say(client, "Alone") if event["type"] == "felt")
    assert felt["understanding"]["emotion"]["label"] == "sadness"
    assert felt["understanding"]["risk"] == {"level": "concern", "kinds": {"self_harm": 0.6}}
    assert "vector" not in felt["understanding"]
    assert felt["mood"]["valence"] == -0.8
    assert felt["support"]["strategies"] == ["reflection", "restatement", "affirmation"]


async def test_the_mood_and_readings_of_a_person_can_be_asked_for(journal: SqliteJournal) -> None:
    async with calling(companion(journal=journal, encoder=ScriptedEncoder(otherwise=SAD))) as client:
        await say(client, "Alone", thread="t")
        found = (await client.get("/api/mood")).json()
        elsewhere = (await client.get("/api/mood", params={"thread": "u"})).json()
        somebody_else = (await client.get("/api/mood", params={"person": "bob"})).json()
    assert (found["mood"]["valence"], found["mood"]["readings"]) == (-0.8, 1)
    assert [(each["thread"], each["label"], each["level"]) for each in found["readings"]] == [
        ("t", "sadness", "concern")
    ]
    assert (elsewhere["mood"], somebody_else) == (None, {"mood": None, "readings": []})


@pytest.mark.parametrize("days", ["0", "-1", "many", "99999999999"])
async def test_a_span_of_days_that_makes_no_sense_is_refused(days: str, journal: SqliteJournal) -> None:
    async with calling(companion(journal=journal)) as client:
        answer = await client.get("/api/mood", params={"days": days})
    assert answer.status_code == 400
    assert "'days' is not what it should be" in answer.json()["error"]["message"]


# Languages


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("fr, en;q=0.5, zh;q=0.7", "zh"),
        ("zh;q=0.1, en-GB", "en"),
        ("zh;q=much", "zh"),
        (";;,,=", "en"),
    ],
)
def test_the_better_liked_language_is_used(header: str | None, language: str) -> None:
    assert language_asked(header, "en") == language


@pytest.mark.parametrize("how", [{"json": {"text": "Hi", "language": "zh"}}, {"headers": {"accept-language": "zh-CN"}}])
async def test_reasons_come_in_the_language_that_the_client_asks_for(how: dict[str, Any]) -> None:
    reason = text("'{name}' is not supported. Leave it out.", name="x")
    async with calling(companion(policy=ScriptedPolicy(Decision(reason=reason)))) as client:
        answer = await client.post("/api/turns", **({"json": {"text": "Hi"}} | how))
    decided = next(event for event in events_of(answer.text) if event["type"] == "decided")
    assert decided["reason"] == "不支持“x”。请去掉它。"


async def test_a_refused_request_is_explained_in_chinese_too() -> None:
    async with calling(companion()) as client:
        answer = await client.get("/nowhere", headers={"accept-language": "zh"})
    assert answer.json()["error"]["message"] == "“/nowhere”处没有内容。/openapi.json 列出了可用的路径。"


# When something goes wrong


async def test_an_empty_message_is_refused_before_the_stream_begins() -> None:
    her = companion()
    async with calling(her) as client:
        answer = await client.post("/api/turns", json={"text": " \x00 "})
    assert answer.status_code == 400
    assert answer.json()["error"] == {
        "message": "The message is empty. Say something first.",
        "type": "invalid_request_error",
        "param": None,
        "code": "MessageError",
    }


async def test_what_was_said_before_the_engine_failed_is_in_the_last_event() -> None:
    her = companion(("So far. ", GeneratorError("The engine failed: {reason}.", reason="smoke")))
    async with calling(her) as client:
        events = await say(client, "Hi")
    assert events[-1]["type"] == "failed"
    assert (events[-1]["error"], events[-1]["reply"]) == ("GeneratorError", "So far.")
    assert her.journal.log[-1] == ("commit", "failed")


async def test_the_reason_of_a_decision_reaches_the_person() -> None:
    decision = Decision("refuse", replacement="Not that.", reason=text("It would hurt somebody."))
    async with calling(companion(policy=ScriptedPolicy(decision))) as client:
        events = await say(client, "Hi")
    assert {"type": "decided", "kind": "refuse", "reason": "It would hurt somebody."} in events
    assert events[-1]["reply"] == "Not that."


async def test_a_defect_is_one_sentence_in_the_stream_and_no_traceback() -> None:
    her = companion(("Before. ", "after"))
    her.generator._replies = [("Before. ", 7)]  # not even a text
    async with calling(her) as client:
        answer = await client.post("/api/turns", json={"text": "Hi"})
    last = events_of(answer.text)[-1]
    assert last["text"] == "Something went wrong inside Samantha. Try again; the service's log says more."
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(("error", "status"), [(EndpointError("Down."), 502), (GeneratorError("Broken."), 500)])
def test_an_error_has_the_status_that_fits(error: GeneratorError, status: int) -> None:
    assert refusal_of(error).status == status


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "The body is not valid JSON"),
        (b"\xff\xfe{", "The body is not JSON in UTF-8"),
        (b'{"text": "\xff"}', "The body is not JSON in UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"text": ' + b"9" * 5000 + b"}", "The body is not JSON"),
        (b"[]", "The body is not a JSON object"),
        (b"", "The body is not a JSON object"),
        (b"{}", "'text' is missing."),
        (b'{"text": "a", "txet": 1}', "There is no field 'txet' here. Leave it out."),
        (b'{"text": "a", "id": ""}', "'id' is not what it should be. /openapi.json says what it takes."),
        (b'{"text": "a", "thread": "a/b"}', "'thread' is not what it should be. /openapi.json says what it takes."),
        (b'{"text": "a", "person": "\\u0000"}', "'person' is not what it should be. /openapi.json says what it takes."),
    ],
)
async def test_a_body_that_cannot_be_understood_is_explained(body: bytes, sentence: str) -> None:
    async with calling(companion()) as client:
        answer = await client.post("/api/turns", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert sentence in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "缺少“text”。"),
        ({"text": "a", "txet": 1}, "这里没有“txet”字段。请去掉它。"),
        ({"text": 7}, "“text”的值不符合要求。/openapi.json 说明了它可以取什么值。"),
    ],
)
async def test_a_wrong_field_is_named_in_chinese_alone(body: dict[str, Any], sentence: str) -> None:
    async with calling(companion()) as client:
        answer = await client.post("/api/turns", json=body, headers={"accept-language": "zh"})
    assert answer.json()["error"]["message"] == sentence


async def test_json_that_is_not_declared_as_json_is_not_read() -> None:
    """A page of another origin could send such a body without asking the browser's leave."""
    async with calling(companion()) as client:
        answer = await client.post("/api/turns", content=b'{"text": "a"}', headers={"content-type": "text/plain"})
    assert answer.status_code == 400
    assert "Content-Type: application/json" in answer.json()["error"]["message"]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from(["text", "id", "parent", "thread", "person", "keep", "language", "other"])


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[httpx2.AsyncClient]:
    async with calling(companion()) as client:
        yield client


@given(body=st.dictionaries(names, anything, max_size=4))
@example(body={"text": "half a pair: \ud800"})
@settings(max_examples=100)
async def test_no_body_breaks_the_service(body: dict[str, Any], shared: httpx2.AsyncClient) -> None:
    content = json.dumps(body).encode()
    answer = await shared.post("/api/turns", content=content, headers={"content-type": "application/json"})
    assert answer.status_code in (200, 400)
    assert answer.status_code == 200 or answer.json()["error"]["message"]


# Many at once


async def test_more_than_the_engine_holds_wait_their_turn() -> None:
    her = companion(generator=HeldGenerator(), sampling=Sampling(max_tokens=3))
    async with calling(her, parallel=2) as client:
        turns = [asyncio.create_task(say(client, "Hi")) for _ in range(6)]
        await her.generator.begun.wait()
        her.generator.release.set()
        ends = [events[-1]["type"] for events in await asyncio.gather(*turns)]
    assert ends == ["finished"] * 6
    assert her.generator.most_at_once == 2


async def test_when_too_many_wait_the_next_is_told_to_come_back() -> None:
    her = companion(generator=HeldGenerator(), sampling=Sampling(max_tokens=3))
    async with calling(her, parallel=1) as client:
        turns = [asyncio.create_task(say(client, "Hi")) for _ in range(5)]
        await her.generator.begun.wait()
        refused = await client.post("/api/turns", json={"text": "Hi"})
        her.generator.release.set()
        await asyncio.gather(*turns)
        later = await client.post("/api/turns", json={"text": "Hi"})
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert later.status_code == 200


async def test_a_client_that_leaves_stops_the_engine_and_loses_nothing() -> None:
    her = companion(generator=HeldGenerator(), sampling=Sampling(max_tokens=10**6))
    her.generator.release.set()
    async with listening(her) as at, httpx2.AsyncClient() as client:
        async with client.stream("POST", f"{at.url}/api/turns", json={"text": "Hi"}) as answer:
            async for line in answer.aiter_lines():
                if line == "event: said":
                    break
        with anyio.fail_after(5):
            await her.generator.closed.wait()
        await at.service.aclose()
    assert her.journal.log[-1] == ("commit", "interrupted")
    assert sum(kind == "say" for kind, _ in her.journal.log) >= her.generator.said - 1


async def test_a_client_that_leaves_the_queue_is_never_answered() -> None:
    her = companion(generator=HeldGenerator(), sampling=Sampling(max_tokens=2))
    async with listening(her, parallel=1) as at, httpx2.AsyncClient(base_url=at.url) as client:
        first = asyncio.create_task(client.post("/api/turns", json={"text": "First"}))
        await her.generator.begun.wait()
        with pytest.raises(httpx2.ReadTimeout):
            await client.post("/api/turns", json={"text": "Second"}, timeout=httpx2.Timeout(5, read=0.05))
        her.generator.release.set()
        await first
    assert [messages[-1].text for messages in her.generator.heard] == ["First"]


# Streaming


async def test_a_silent_stream_is_kept_open_with_comments() -> None:
    out, events = anyio.create_memory_object_stream[Event](1)
    sent: list[bytes] = []

    @asynccontextmanager
    async def opening(_: Any) -> AsyncIterator[Events]:
        yield events

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))
        if sent[-1] == KEEP_ALIVE and not out.statistics().current_buffer_used:
            out.send_nowait(Said("Now."))
            out.close()

    stream = EventStream(
        opening, frame=lambda event: b"said", refuse=lambda failed: None, language="en", patience=0.001
    )
    with events:
        await stream({"type": "http"}, None, send)
    assert sent[:2] == [b"", KEEP_ALIVE]
    assert sent[-2:] == [b"said", b""]


# Watching


async def test_the_counts_tell_how_turns_ended_and_nothing_of_what_was_said() -> None:
    her = companion("Fine.", ("Well. ", GeneratorError("Broken.")))
    async with calling(her) as client:
        for said in ("Secret", "Secret"):
            await say(client, said)
        metrics = (await client.get("/metrics")).text
    assert 'samantha_turns_total{finish="stop"} 1.0' in metrics
    assert 'samantha_turns_total{finish="failed"} 1.0' in metrics
    assert "samantha_turns_running 0.0" in metrics
    assert "Secret" not in metrics


async def test_a_repeated_message_is_counted_once() -> None:
    async with calling(companion("Fine.")) as client:
        for _ in range(2):
            await say(client, "Hi", id="m1")
        assert 'samantha_turns_total{finish="stop"} 1.0' in (await client.get("/metrics")).text


async def test_health_is_ready_while_the_engine_counts() -> None:
    async with calling(companion()) as client:
        answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


async def test_health_tells_of_an_engine_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(messages: Any) -> Iterator[int]:
        raise GeneratorError("Gone.")

    her = companion()
    monkeypatch.setattr(her.generator, "count", broken)
    async with calling(her) as client:
        assert (await client.get("/healthz")).status_code == 503


async def test_the_schema_lists_the_routes_and_no_page_loads_scripts_from_elsewhere() -> None:
    async with calling(companion()) as client:
        paths = set((await client.get("/openapi.json")).json()["paths"])
        assert {"/api/turns", "/api/threads", "/v1/chat/completions", "/v1/models", "/healthz"} <= paths
        assert {(await client.get(page)).status_code for page in ("/docs", "/redoc")} == {404}
