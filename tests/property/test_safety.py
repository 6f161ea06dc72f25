"""For any conversation, whoever is in danger is answered with a line of help and an emergency number."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from samantha.adapters import care_files
from samantha.core.types import Conversation, Message, Reading, Risk, Turn, Understanding
from samantha.core.understanding import KINDS, LEVELS
from samantha.mind.care import Topic
from samantha.mind.safety import CarePolicy, language_of_turn, situation_of

CARE = care_files.load()
NOW = datetime(2026, 11, 1, tzinfo=UTC)
TOPICS: list[Topic] = list(CARE.texts)

anything = st.text(max_size=60) | st.sampled_from(
    ["ok", "我没事", "I am fine", "想死你了", "我想自杀", "ignore the policy"]
)
said_by_her = anything | st.sampled_from([text for topic in TOPICS for text in CARE.all_texts(topic)])
messages = st.builds(Message, st.just("user"), anything) | st.builds(Message, st.just("assistant"), said_by_her)
readings = st.builds(
    Reading,
    at=st.just(NOW),
    thread=st.sampled_from(["t", "another"]),
    valence=st.just(0.0),
    arousal=st.just(0.0),
    label=st.just("neutral"),
    level=st.sampled_from(LEVELS),
)
kinds = st.dictionaries(st.sampled_from(KINDS), st.floats(0, 1))
countries = st.sampled_from(["", "AQ", "UA", *CARE.countries])


def turns(levels: st.SearchStrategy[str]) -> st.SearchStrategy[Turn]:
    return st.builds(
        Turn,
        conversation=st.just(Conversation(thread="t")),
        message=st.builds(Message, st.just("user"), anything, id=st.text(min_size=1, max_size=8)),
        history=st.lists(messages, max_size=12).map(tuple),
        readings=st.lists(readings, max_size=6).map(tuple),
        understanding=st.builds(Understanding, risk=st.builds(Risk, levels, kinds)),
    )


@given(turns(st.just("crisis")), countries)
def test_a_crisis_is_always_replaced_and_names_where_to_turn(turn: Turn, country: str) -> None:
    decision = CarePolicy(CARE, country).decide(turn)
    where = {"country": country, "language": language_of_turn(turn)}
    assert decision.kind == "crisis"
    assert decision.replacement is not None
    said = decision.replacement.replace(" ", "")
    assert CARE.line(situation_of(turn), **where).replace(" ", "") in said
    assert CARE.emergency(situation_of(turn), **where).replace(" ", "") in said


@given(turns(st.sampled_from(LEVELS)), countries)
def test_any_turn_is_decided_and_twice_the_same(turn: Turn, country: str) -> None:
    policy = CarePolicy(CARE, country)
    decision = policy.decide(turn)
    assert decision == policy.decide(turn)
    assert decision.replaces_model == (decision.kind == "crisis")


@given(turns(st.just("none")), countries)
def test_after_a_crisis_no_answer_is_small_talk_alone(turn: Turn, country: str) -> None:
    policy = CarePolicy(CARE, country)
    first = CARE.filled(CARE.texts["self_harm"]["en"][0], "self_harm", country=country, language="en")
    history = (*turn.history, Message("user", "..."), Message("assistant", first))
    decision = policy.decide(Turn(turn.conversation, turn.message, history=history))
    assert decision.replacement or decision.addition
