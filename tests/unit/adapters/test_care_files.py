"""The texts and the lines of help that come with her: what a rule can hold of them."""

import itertools
import re
from collections import Counter
from pathlib import Path

import pytest

from samantha.adapters import care_files
from samantha.core.countries import COUNTRIES
from samantha.core.text import Language
from samantha.mind.care import Topic, opening

CARE = care_files.load()
REFERRALS = care_files.referrals()
LINES = [(country.code, line) for country in REFERRALS.countries for line in country.lines]
CRISES: tuple[Topic, ...] = (
    "self_harm",
    "self_harm_again",
    "attempt",
    "abuse",
    "violence",
    "eating_disorder",
    "minors",
    "other",
)
TEXTS = [
    (topic, language, text)
    for topic, languages in CARE.texts.items()
    for language, texts in languages.items()
    for text in texts
]
LEAST = {"self_harm": 8, "self_harm_again": 6, "eating_disorder": 3, "concern": 6, "after": 4}

FORBIDDEN = re.compile(
    r"—|–|!|！|"  # no dashes, nothing cheerful
    r"ideation|suicidality|intervention|psychiatric|disorder|patient|risk assessment|干预|意念|患者|评估|"  # jargon
    r"secret|promise|between us|保密|秘密|保证|"  # no secrecy, nothing that cannot be kept
    r"selfish|your family would|think of your|those you leave|自私|想想你|对得起|不负责任|想开点|坚强|"  # no guilt
    r"you should|you must|have to understand|你应该|你必须|你要懂|"  # no lecture
    r"pill|tablet|overdose|rope|blade|razor|knife|\bguns?\b|bridge|rooftop|安眠药|药片|绳|刀|枪|楼|桥|割|"  # no methods
    r"everything will be|it gets better|一切都会好|committed suicide",
    re.IGNORECASE,
)


@pytest.mark.parametrize(("topic", "language", "text"), TEXTS)
def test_no_text_says_what_must_not_be_said(topic: Topic, language: Language, text: str) -> None:
    assert FORBIDDEN.search(text) is None


@pytest.mark.parametrize(("topic", "language", "text"), TEXTS)
def test_a_text_can_be_read_by_somebody_in_distress(topic: Topic, language: Language, text: str) -> None:
    longest = {"concern": (110, 50), "after": (110, 50)}.get(topic, (450, 180))
    assert len(text) <= longest[language == "zh"]
    sentences = re.split(r"[.?:。？：]", text)
    assert max(map(len, sentences)) <= (150 if language == "en" else 60)


@pytest.mark.parametrize(("topic", "language", "text"), [each for each in TEXTS if each[0] in CRISES])
def test_a_text_for_a_crisis_names_a_line_and_an_emergency_number_once(
    topic: Topic, language: Language, text: str
) -> None:
    assert (text.count("{line}"), text.count("{emergency}")) == (1, 1)


@pytest.mark.parametrize(("topic", "language", "text"), [each for each in TEXTS if each[0] in CRISES])
def test_a_text_for_a_crisis_asks_something_and_says_that_she_is_an_ai(
    topic: Topic, language: Language, text: str
) -> None:
    assert "?" in text or "？" in text or topic in ("attempt", "self_harm_again")
    assert "AI" in text or topic == "self_harm_again"


@pytest.mark.parametrize(("topic", "language", "text"), [each for each in TEXTS if each[0] == "attempt"])
def test_after_an_attempt_the_emergency_number_comes_first(topic: Topic, language: Language, text: str) -> None:
    assert text.index("{emergency}") < text.index("{line}")


@pytest.mark.parametrize("topic", CARE.texts)
def test_both_languages_have_as_many_texts(topic: Topic) -> None:
    texts = CARE.texts[topic]
    assert len(texts["en"]) == len(texts["zh"]) >= LEAST.get(topic, 4)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_concern_names_a_line_and_every_question_after_a_crisis_asks(language: Language) -> None:
    assert all("{line}" in text for text in CARE.texts["concern"][language])
    assert all(
        ("safe" in text or "安全" in text or "safer" in text) and text[-1] in "?？"
        for text in CARE.texts["after"][language]
    )


def test_a_text_is_known_by_its_beginning() -> None:
    openings = [opening(text) for _, _, text in TEXTS]
    assert all(openings)
    clashes = [(one, other) for one, other in itertools.permutations(openings, 2) if one in other]
    assert not clashes


@pytest.mark.parametrize("country", ["", "AQ", *sorted(CARE.countries)])
def test_what_is_said_in_a_country_is_known_again(country: str) -> None:
    for _, language, text in TEXTS:
        said = CARE.filled(text, "self_harm", country=country, language=language)
        assert opening(text) in said
        assert "{" not in said


def test_no_country_stands_twice_and_all_are_countries() -> None:
    assert [code for code, many in Counter(one.code for one in REFERRALS.countries).items() if many > 1] == []
    assert {one.code for one in REFERRALS.countries} <= COUNTRIES


def test_no_line_stands_twice_in_a_country() -> None:
    reached = Counter((code, way, line.kinds) for code, line in LINES for way in {line.call, line.text} if way)
    assert [one for one, many in reached.items() if many > 1] == []


@pytest.mark.parametrize(("code", "line"), LINES)
def test_a_country_with_a_line_has_one_for_any_distress(code: str, line: care_files.LineEntry) -> None:
    general = [each for other, each in LINES if other == code and not each.kinds]
    assert general or code == "UA"  # whose general line pauses; the directory is named there


@pytest.mark.parametrize(
    ("code", "number"),
    [
        *(("US", "988"), ("CA", "988"), ("GB", "116 123"), ("IE", "116 123"), ("AU", "13 11 14"), ("CN", "12356")),
        *(("IN", "14416"), ("JP", "0120-279-338"), ("DE", "0800 111 0 111"), ("AT", "142"), ("NL", "113")),
        *(("FR", "3114"), ("ES", "024")),
    ],
)
def test_the_lines_of_the_design_are_there(code: str, number: str) -> None:
    assert number in CARE.line("self_harm", country=code, language="en")


@pytest.mark.parametrize(
    ("code", "police", "ambulance"),
    [("US", "911", "911"), ("CN", "110", "120"), ("GB", "999", "999"), ("JP", "110", "119")],
)
def test_emergency_numbers_are_those_of_the_country(code: str, police: str, ambulance: str) -> None:
    assert CARE.emergency("abuse", country=code, language="en") == police
    assert CARE.emergency("attempt", country=code, language="en") == ambulance


def test_elsewhere_the_directory_and_112_are_named() -> None:
    assert "findahelpline.com" in CARE.line("abuse", country="", language="zh")
    assert "112" in CARE.emergency("abuse", country="", language="en")


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("call", "call me"),
        ("call", "+"),
        ("site", "http://a.org"),
        ("source", "a.org"),
        ("taken", "11/2026"),
        ("languages", ["english"]),
    ],
)
def test_an_entry_in_the_wrong_form_is_refused(field: str, wrong: object) -> None:
    entry = {"name": "A", "call": "1", "languages": ["en"], "source": "https://a.org", "taken": "2026-11"}
    care_files.LineEntry.model_validate(entry)
    with pytest.raises(ValueError, match="validation error"):
        care_files.LineEntry.model_validate(entry | {field: wrong})


@pytest.mark.parametrize("dates", [{}, {"checked": "2026-11", "taken": "2026-11"}])
def test_an_entry_was_either_checked_or_taken(dates: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="either checked"):
        care_files.LineEntry.model_validate(
            {"name": "A", "call": "1", "languages": ["en"], "source": "https://a.org"} | dates
        )


def test_the_published_protocol_names_the_lines_that_are_given(repository: Path) -> None:
    page = (repository / "docs" / "safety.md").read_text(encoding="utf-8")
    for code, country in CARE.countries.items():
        own = any(not line.kinds for line in country.lines)
        line = CARE.line("self_harm", country=code, language="en") if own else "the directory"
        assert f"| {code} | {country.police} | {country.ambulance} | {line} |" in page
