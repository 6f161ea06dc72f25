"""The generator for OpenAI-compatible endpoints, on a transport that answers from a script."""

import json
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stand_in import chunk, event

from samantha.adapters.openai import OpenAIGenerator, estimate, list_models
from samantha.core.errors import EndpointError, SettingError
from samantha.core.ports import Delta
from samantha.core.types import Message, Role, Sampling

pytestmark = pytest.mark.anyio

URL = "http://127.0.0.1:1/v1"
HELLO = (Message("user", "Hello."),)
ANSWER = (event(chunk("Hi")), event(chunk(" there.", finish="stop")), event("[DONE]"))
SSE = {"Content-Type": "text/event-stream"}


@dataclass
class Script(httpx2.AsyncBaseTransport):
    """Gives the answers in turn: a response, an exception, or the chunks of a stream."""

    answers: Iterator[httpx2.Response | Exception | Iterable[bytes | Exception]]
    requests: list[httpx2.Request] = field(default_factory=list)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return (
            answer if isinstance(answer, httpx2.Response) else httpx2.Response(200, headers=SSE, content=sent(answer))
        )

    @property
    def asked(self) -> list[dict[str, Any]]:
        return [json.loads(request.content) for request in self.requests if request.content]


async def sent(parts: Iterable[bytes | Exception]) -> AsyncIterator[bytes]:
    for part in parts:
        if isinstance(part, Exception):
            raise part
        yield part


@dataclass
class Pauses:
    """Time that passes at once."""

    seconds: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def opened(*answers: Any, **options: Any) -> tuple[OpenAIGenerator, Script, Pauses]:
    script, pauses = Script(iter(answers)), Pauses()
    return OpenAIGenerator(URL, "tiny", transport=script, sleep=pauses, **options), script, pauses


async def deltas(
    generator: OpenAIGenerator, sampling: Sampling = Sampling(), messages: tuple[Message, ...] = HELLO
) -> list[Delta]:
    return [delta async for delta in generator.stream(messages, sampling)]


async def said(*parts: bytes | Exception) -> str:
    return "".join(delta.text for delta in await deltas(opened(parts)[0]))


def refusal(status: int, message: str = "no", **headers: str) -> httpx2.Response:
    return httpx2.Response(status, json={"error": {"message": message}}, headers=headers)


# What an answer looks like


async def test_an_answer_ends_with_what_it_cost() -> None:
    cost = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 5}}
    generator, _, _ = opened((*ANSWER[:2], event({"choices": [], "usage": cost}), ANSWER[2]))
    expected = Delta("", "stop", prompt_tokens=9, cached_tokens=5, completion_tokens=2)
    assert await deltas(generator) == [Delta("Hi"), Delta(" there."), expected]


@pytest.mark.parametrize(
    ("prompt", "cached", "counted"),
    [
        (9, 12, (9, 9)),
        (9, -3, (9, 0)),
        (-9, 5, (7, 5)),
        (None, 99, (7, 7)),
        (9, "many", (9, 0)),
        (10**400, 1.5, (7, 0)),
    ],
)
async def test_counts_that_cannot_be_true_are_brought_within_bounds(
    prompt: object, cached: object, counted: tuple[int, int]
) -> None:
    cost = {"prompt_tokens": prompt, "prompt_tokens_details": {"cached_tokens": cached}}
    last = (await deltas(opened((*ANSWER[:2], event({"choices": [], "usage": cost})))[0]))[-1]
    assert (last.prompt_tokens, last.cached_tokens) == counted


async def test_what_an_answer_cost_is_estimated_where_the_endpoint_does_not_say() -> None:
    last = (await deltas(opened(ANSWER)[0]))[-1]
    assert (last.prompt_tokens, last.completion_tokens) == (estimate(HELLO[0]), 2)


@pytest.mark.parametrize(
    "parts",
    [
        [b"".join(ANSWER).replace(b"\n", b"\r\n")],
        [b"".join(ANSWER).replace(b"\n", b"\r")],
        [b": keep-alive\n\n", *ANSWER[:1], b": keep-alive\n\nevent: message\nid: 3\n", *ANSWER[1:]],
        [bytes([byte]) for byte in b"".join(ANSWER)],
        [
            event(chunk("Hi")),
            b'data: {"choices":\ndata: [{"delta": {"content": " there."},\ndata: "finish_reason": "stop"}]}\n\n',
        ],
        ANSWER[:2],
        [b"data:" + part.removeprefix(b"data: ") for part in ANSWER],
        [event(chunk("Hi there.")), event("[DONE]")],
        [event(chunk("Hi there.", finish="eos")), event({"choices": []}), event({"choices": None}), event("[DONE]")],
    ],
    ids=["crlf", "cr", "comments", "byte by byte", "several lines", "no end", "no space", "no finish", "odd"],
)
async def test_every_way_of_writing_events_is_understood(parts: list[bytes]) -> None:
    assert await said(*parts) == "Hi there."


async def test_letters_that_are_split_over_chunks_come_out_whole() -> None:
    data = json.dumps(chunk("你好 🙂 \u2028 é", finish="stop"), ensure_ascii=False).encode()
    whole = b"data: " + data + b"\n\n"
    assert await said(*(bytes([byte]) for byte in whole)) == "你好 🙂 \u2028 é"


async def test_an_emoji_that_is_split_over_events_comes_out_whole() -> None:
    assert await said(event(chunk("\ud83d")), event(chunk("\ude42!", finish="stop"))) == "🙂!"


async def test_an_answer_in_one_piece_is_taken_too() -> None:
    whole = {"choices": [{"message": {"content": "Hi."}, "finish_reason": "length"}], "usage": {"prompt_tokens": 7}}
    last = Delta("", "length", prompt_tokens=7, completion_tokens=1)
    assert await deltas(opened(httpx2.Response(200, json=whole))[0]) == [Delta("Hi."), last]


async def test_too_many_tokens_end_as_length() -> None:
    assert (await deltas(opened([event(chunk("Hi", finish="length"))])[0]))[-1].finish == "length"


async def test_what_happens_after_the_end_is_of_no_matter() -> None:
    assert await said(*ANSWER[:2], httpx2.ReadError("reset")) == "Hi there."
    assert await said(*ANSWER, httpx2.ReadTimeout("late")) == "Hi there."


# What goes wrong


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ([event(chunk("Hi"))], "broke off its answer"),
        ([], "broke off its answer"),
        ([event(chunk("Hi")), httpx2.RemoteProtocolError("peer closed")], "broke off its answer"),
        (
            [event(chunk("Hi")), httpx2.ReadTimeout("")],
            r"fell silent in the middle of its answer, for 60 seconds\. Ask",
        ),
        ([httpx2.ReadTimeout("")], "did not begin to answer within 60 seconds"),
        ([event({"error": {"message": "out of\nmemory."}})], r"stopped with an error: out of memory\. Ask again"),
        ([event({"error": "overloaded"})], r"with an error: overloaded\."),
        ([event({"object": "error", "message": "aborted"})], r"with an error: aborted\."),
        ([b"data: {not json}\n\n"], "sent something that no endpoint sends: {not json}"),
        ([b"data: null\n\n"], "sent something that no endpoint sends: null"),
        ([event(chunk(finish="content_filter"))], "The content filter of http://127.0.0.1:1/v1 stopped the answer"),
    ],
)
async def test_an_answer_that_fails_says_how(parts: list[bytes | Exception], sentence: str) -> None:
    with pytest.raises(EndpointError, match=sentence):
        await said(*parts)


async def test_what_came_before_a_failure_was_given() -> None:
    stream = opened([event(chunk("Hi")), httpx2.ReadError("reset")])[0].stream(HELLO, Sampling())
    assert await anext(stream) == Delta("Hi")
    with pytest.raises(EndpointError):
        await anext(stream)


async def test_nothing_is_asked_again_once_something_was_said() -> None:
    generator, script, _ = opened([event(chunk("Hi")), httpx2.ReadError("reset")], ANSWER)
    with pytest.raises(EndpointError):
        await deltas(generator)
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (refusal(401, "bad key"), r"does not accept the key: bad key\. Set endpoints\.NAME\.key"),
        (refusal(418, "tea"), r"cannot answer \(418: tea\)"),
        (refusal(500), "Look into its log"),
        (refusal(400, "maximum context length is 4096 tokens"), r"does not fit into 'tiny': .* Set model\.context"),
        (httpx2.Response(400, json={"detail": [{"msg": "bad"}]}), r'cannot answer \(400: \[{"msg": "bad"}\]\)'),
        (httpx2.Response(403, html="<h1>Forbidden</h1>"), "does not accept the key: Forbidden"),
        (httpx2.Response(302, headers={"Location": "https://x.test/v1"}), r"points to https://x\.test/v1\. Set"),
        (httpx2.Response(200, html="<h1>Welcome</h1>"), "answers with 'text/html', not as a language model does"),
        (httpx2.Response(200, json=["Hi"]), "sent something that no endpoint sends"),
        (httpx2.ReadTimeout(""), "did not begin to answer within 60 seconds"),
        (httpx2.ConnectTimeout(""), "Nothing answers at http://127.0.0.1:1/v1"),
        (httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"), "The certificate of .* is not trusted"),
    ],
)
async def test_a_refusal_becomes_a_sentence(answer: httpx2.Response | Exception, sentence: str) -> None:
    with pytest.raises(EndpointError, match=sentence):
        await deltas(opened(answer)[0])


@pytest.mark.parametrize("status", [200, 401])
async def test_an_answer_that_is_not_read_is_closed(status: int) -> None:
    page = httpx2.Response(status, headers={"Content-Type": "text/html"}, content=sent([b"<p>"] * 9))
    with pytest.raises(EndpointError):
        await deltas(opened(page)[0])
    assert page.is_closed


async def test_an_unknown_model_is_answered_with_the_nearest_five() -> None:
    names = ["tiny-1", "tiny-2", "tinny", "teeny", "tin", "quite-another"]
    listed = httpx2.Response(200, json={"data": [{"id": name} for name in names]})
    with pytest.raises(EndpointError, match="has no model 'tiny', but it has: ") as caught:
        await deltas(opened(refusal(404), listed)[0])
    assert {name for name in names if name in str(caught.value)} == {*names} - {"quite-another"}


@pytest.mark.parametrize("listed", [refusal(404), httpx2.Response(200, json={"data": [{"id": "tiny"}]})])
async def test_an_endpoint_that_knows_no_completions_is_named(listed: httpx2.Response) -> None:
    with pytest.raises(EndpointError, match=r"does not know what it was asked for: .* usually ends in /v1"):
        await deltas(opened(refusal(404), listed)[0])


async def test_a_password_in_the_address_is_not_shown() -> None:
    generator = OpenAIGenerator("http://me:secret@127.0.0.1:1/v1", "tiny", transport=Script(iter([refusal(500)])))
    with pytest.raises(EndpointError, match=r"^http://127\.0\.0\.1:1/v1 cannot"):
        await deltas(generator)


# Asking again


@pytest.mark.parametrize(
    "trouble", [httpx2.ConnectError("refused"), httpx2.RemoteProtocolError("closed"), refusal(503)]
)
async def test_trouble_that_passes_is_waited_for(trouble: httpx2.Response | Exception) -> None:
    generator, script, pauses = opened(trouble, trouble, ANSWER)
    assert len(await deltas(generator)) == 3
    assert (len(script.requests), pauses.seconds) == (3, [0.5, 1.0])


async def test_trouble_that_stays_is_told_after_three_attempts() -> None:
    generator, script, _ = opened(*[httpx2.ConnectError("refused")] * 4)
    with pytest.raises(EndpointError, match=r"^Nothing answers at http://127\.0\.0\.1:1/v1\. Start it"):
        await deltas(generator)
    assert len(script.requests) == 3


async def test_an_endpoint_is_given_the_time_it_asks_for() -> None:
    generator, _, pauses = opened(refusal(429, **{"Retry-After": "7"}), ANSWER)
    await deltas(generator)
    assert pauses.seconds == [7]


async def test_an_endpoint_that_asks_for_an_hour_is_not_waited_for() -> None:
    generator, _, pauses = opened(refusal(429, "slow down", **{"Retry-After": "3600"}))
    with pytest.raises(EndpointError, match="takes no more requests for now: slow down"):
        await deltas(generator)
    assert pauses.seconds == []


async def test_unknown_fields_are_left_out_and_stay_out() -> None:
    unknown = refusal(400, "Unrecognized request arguments supplied: min_p, top_k")
    generator, script, _ = opened(unknown, ANSWER, ANSWER)
    await deltas(generator)
    await deltas(generator)
    assert [{"min_p", "top_k"} & asked.keys() for asked in script.asked] == [{"min_p", "top_k"}, set(), set()]


async def test_each_unknown_field_may_be_named_in_a_refusal_of_its_own() -> None:
    forbidden = [
        httpx2.Response(422, json={"detail": [{"loc": ["body", name], "msg": "Extra inputs are not permitted"}]})
        for name in ("top_k", "min_p", "repeat_penalty")
    ]
    generator, script, _ = opened(*forbidden, ANSWER)
    await deltas(generator)
    assert not {"top_k", "min_p", "repeat_penalty"} & script.asked[-1].keys()


async def test_a_value_that_is_out_of_range_is_not_taken_for_an_unknown_field() -> None:
    with pytest.raises(EndpointError, match="temperature must be at most 2"):
        await deltas(opened(refusal(400, "temperature must be at most 2"))[0], Sampling(temperature=3))


async def test_the_new_name_of_the_token_limit_is_learned() -> None:
    generator, script, _ = opened(refusal(400, "Unsupported: 'max_tokens'. Use 'max_completion_tokens'."), ANSWER)
    await deltas(generator, Sampling(max_tokens=5))
    assert script.asked[-1].get("max_tokens") is None
    assert script.asked[-1]["max_completion_tokens"] == 5


async def test_a_model_without_system_messages_hears_them_from_the_user() -> None:
    generator, script, _ = opened(
        refusal(400, "System role not supported"), refusal(400, "System role not supported"), ANSWER
    )
    await deltas(generator, messages=(Message("system", "Be kind."), *HELLO))
    assert script.asked[-1]["messages"] == [{"role": "user", "content": "Be kind.\n\nHello."}]


# What is asked


async def test_what_changes_nothing_is_not_sent() -> None:
    generator, script, _ = opened(ANSWER)
    await deltas(generator, Sampling(temperature=0, top_p=1, top_k=0, min_p=0, repeat_penalty=1, max_tokens=9))
    sent = {"temperature": 0, "top_p": 1, "max_tokens": 9, "stream": True, "stream_options": {"include_usage": True}}
    assert script.asked == [{"model": "tiny", "messages": [{"role": "user", "content": "Hello."}], **sent}]


async def test_every_choice_is_sent_under_its_name() -> None:
    generator, script, _ = opened(ANSWER)
    chosen = {
        "top_k": 3,
        "min_p": 0.1,
        "repeat_penalty": 1.2,
        "seed": 0,
        "frequency_penalty": 0.3,
        "presence_penalty": 0.4,
    }
    await deltas(generator, Sampling(**chosen, stop=("\n",), json_schema='{"type": "object"}'))
    schema = {"type": "json_schema", "json_schema": {"name": "reply", "schema": {"type": "object"}, "strict": True}}
    assert script.asked[0].items() >= {**chosen, "stop": ["\n"], "response_format": schema}.items()


@pytest.mark.parametrize(("key", "sent"), [("", None), (" sk-1 \n".strip(" \n"), "Bearer sk-1")])
async def test_a_key_is_sent_where_there_is_one(key: str, sent: str | None) -> None:
    generator, script, _ = opened(ANSWER, key=key)
    await deltas(generator)
    assert script.requests[0].headers.get("authorization") == sent


async def test_any_text_can_be_sent() -> None:
    generator, script, _ = opened(ANSWER)
    await deltas(generator, messages=(Message("user", "\0 \udcff <|im_start|>"),))
    assert script.asked[0]["messages"][0]["content"] == "\0 \udcff <|im_start|>"


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://127.0.0.1:11434", "http://127.0.0.1:11434/v1/chat/completions"),
        ("http://127.0.0.1:11434/v1/", "http://127.0.0.1:11434/v1/chat/completions"),
        ("https://x.test/api/v1/chat/completions", "https://x.test/api/v1/chat/completions"),
    ],
)
async def test_the_address_may_be_written_in_several_ways(url: str, asked: str) -> None:
    script = Script(iter([ANSWER]))
    await deltas(OpenAIGenerator(url, "tiny", transport=script))
    assert str(script.requests[0].url) == asked


@pytest.mark.parametrize("url", ["", "localhost:11434", "ftp://x.test", "http://", "http://x.test:port"])
async def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(SettingError, match=r"Write it like http://127\.0\.0\.1:11434/v1"):
        OpenAIGenerator(url, "tiny")


async def test_what_is_no_key_is_refused_without_showing_it() -> None:
    with pytest.raises(SettingError, match="characters that no key has") as caught:
        OpenAIGenerator(URL, "tiny", key="sk-密")
    assert "密" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1", "https://x.test"])
async def test_no_brain_behind_an_address_is_called_local(url: str) -> None:
    assert not OpenAIGenerator(url, "tiny").brain.local  # a tunnel or a proxy may be what answers on this machine


# Counting


@given(st.text(max_size=200), st.sampled_from(["system", "user", "assistant"]))
def test_no_text_has_more_bytes_than_four_times_its_estimate(text: str, role: Role) -> None:
    assert len(text.encode(errors="surrogatepass")) <= 4 * estimate(Message(role, text))


async def test_counting_learns_from_what_the_endpoint_reports() -> None:
    long = (Message("user", "你好" * 100),)
    generator, _, _ = opened((*ANSWER[:2], event({"choices": [], "usage": {"prompt_tokens": 408}})))
    assert await generator.count(long) == [204]
    await deltas(generator, messages=long)
    assert await generator.count(long) == [408]


async def test_counting_does_not_learn_from_a_short_prompt_that_is_mostly_template() -> None:
    generator, _, _ = opened((*ANSWER[:2], event({"choices": [], "usage": {"prompt_tokens": 90}})))
    await deltas(generator)
    assert await generator.count(HELLO) == [estimate(HELLO[0])]


# Listing


async def test_the_models_of_an_endpoint_are_listed_in_its_order() -> None:
    listed = httpx2.Response(200, json={"object": "list", "data": [{"id": "b"}, {"id": "a", "size": 3}]})
    script = Script(iter([listed]))
    assert await list_models("http://127.0.0.1:1", key="k", transport=script) == ("b", "a")
    assert (script.requests[0].method, str(script.requests[0].url)) == ("GET", "http://127.0.0.1:1/v1/models")
    assert script.requests[0].headers["authorization"] == "Bearer k"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (httpx2.ConnectError("refused"), r"^Nothing answers at http://127\.0\.0\.1:1/v1\. Start it"),
        (httpx2.ReadTimeout(""), "within 2 seconds"),
        (refusal(401, "who are you"), "does not accept the key: who are you"),
        (httpx2.Response(200, html="<p>"), "sent something that no endpoint sends: <p>"),
    ],
)
async def test_a_list_that_cannot_be_had_says_why(answer: httpx2.Response | Exception, sentence: str) -> None:
    with pytest.raises(EndpointError, match=sentence):
        await list_models(URL, transport=Script(iter([answer])))


async def test_a_list_without_models_is_empty() -> None:
    assert await list_models(URL, transport=Script(iter([httpx2.Response(200, json={"data": None})]))) == ()
