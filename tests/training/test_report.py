"""The report of a run: complete where the folder is, whole where it is not, and nothing that was written is obeyed."""

import json
import re
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from samantha.training import report
from samantha.training.curves import curve, number

ROWS = [
    {"stage": "pretrain", "step": step, "seconds": step / 2, "loss": 9.0 / step, "rate": 3e-4, "tokens_per_second": 900}
    for step in (1.0, 50.0, 100.0)
]
CARD = {
    "name": "dialogues",
    "licence": "own text",
    "sources": [{"file": "names.jsonl", "rows": 40}],
    "read": 40,
    "kept": 30,
    "dropped": {"near-duplicate": 10},
    "examples": [{"file": "names.jsonl", "line": 7, "why": "near-duplicate", "says": "It shares 91%."}],
}
OPTIONS = {"seed": 0, "note": "", "plan": {"steps": 1200, "betas": [0.9, 0.95], "half": True}}


class Page(HTMLParser):
    """The elements of a page, its visible text, and whatever was opened and not closed."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.open = "", list[str]()
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data + "\n"

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)


def page(folder: Path) -> Page:
    return Page(report.write(folder).read_text(encoding="utf-8"))


def keep(folder: Path, **contents: Any) -> None:
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


def keep_rows(folder: Path, name: str, rows: Iterable[object]) -> None:
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")


def test_all_of_a_run_is_on_the_page(tmp_path: Path) -> None:
    keep(tmp_path, recipe={"recipe": "gpt", "options": OPTIONS}, data=[CARD])
    keep(tmp_path, result={"figures": {"validation_loss": 1.6213}, "seconds": 842.3}, model={"architecture": "gpt"})
    keep_rows(tmp_path, "metrics", ROWS)
    keep_rows(tmp_path, "samples", [{"prompt": "Who?", "written": "Samantha.", "expected": "I am Samantha."}])
    shown = page(tmp_path)
    assert shown.count("figure") == 3
    for said in ("validation loss", "1.621", "14\u00a0min 2\u00a0s", "9 → 0.09", "0.9, 0.95", "Kept 30 of 40"):
        assert said in shown.text
    for said in ("near-duplicate", "names.jsonl:7", "Samantha.", "I am Samantha.", "own text", "100 steps", "cores"):
        assert said in shown.text


def test_an_empty_folder_has_a_page(tmp_path: Path) -> None:
    shown = page(tmp_path)
    assert "not finished" in shown.text
    assert not shown.open


@pytest.mark.parametrize("name", ["metrics", "samples"])
def test_a_file_without_rows_has_no_part_of_the_page(name: str, tmp_path: Path) -> None:
    keep_rows(tmp_path, name, [])
    assert page(tmp_path).count("section") == 0


def test_nothing_on_the_page_is_fetched_or_run(tmp_path: Path) -> None:
    keep(tmp_path, recipe={"recipe": "gpt", "options": OPTIONS}, data=[CARD])
    keep_rows(tmp_path, "metrics", ROWS)
    shown = page(tmp_path)
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in shown.elements}
    assert not [given for _, given in shown.elements if {"src", "href", "style"} & set(given)]
    assert "url(" not in (tmp_path / "report.html").read_text(encoding="utf-8")


FORGED = "</dd></section><script>alert(1)</script><b title=\"'>&lt;"


def test_what_was_written_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    keep(tmp_path, recipe={"recipe": FORGED, "options": {FORGED: FORGED}})
    keep(tmp_path, data=[CARD | {"name": FORGED, "licence": FORGED, "dropped": {FORGED: 1}}])
    keep(tmp_path, result={"figures": {FORGED: 1.0}, "seconds": 1})
    keep_rows(tmp_path, "metrics", [{"stage": FORGED, "step": 1, FORGED: 2.0}])
    keep_rows(tmp_path, "samples", [{"prompt": FORGED, "written": FORGED, "expected": FORGED[1:]}])
    shown = page(tmp_path)
    assert shown.count("script") == shown.count("b") == 0
    assert not shown.open
    assert shown.text.count("<script>alert(1)</script>") >= 9


def test_characters_that_a_page_cannot_hold_are_pictured(tmp_path: Path) -> None:
    (tmp_path / "samples.jsonl").write_text(r'{"prompt": "", "written": "a\u0000\u001b[2J\ud800 b"}', encoding="utf-8")
    assert "a␀␛[2J? b" in page(tmp_path).text


def test_a_sample_with_another_line_end_in_it_is_one_sample(tmp_path: Path) -> None:
    keep_rows(tmp_path, "samples", [{"prompt": "Hi", "written": "one\u2028two\x85three"}])
    assert "one\u2028two\x85three" in page(tmp_path).text


def test_a_row_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    keep_rows(tmp_path, "metrics", ROWS)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"stage": "pret')
    assert "100 steps" in page(tmp_path).text


def test_steps_that_were_made_again_after_a_resume_are_drawn_once(tmp_path: Path) -> None:
    again = [row | {"loss": 0.5} for row in ROWS[1:]]
    keep_rows(tmp_path, "metrics", [*ROWS, *again])
    assert re.findall(r"step (\d+): ([\d.]+)", page(tmp_path).text)[:3] == [("1", "9"), ("50", "0.5"), ("100", "0.5")]


def test_a_sample_that_was_written_twice_is_shown_once(tmp_path: Path) -> None:
    keep_rows(tmp_path, "samples", [{"prompt": "Hi", "written": "Hello there."}] * 2)
    assert page(tmp_path).text.count("Hello there.") == 1


def test_many_samples_unfold(tmp_path: Path) -> None:
    keep_rows(tmp_path, "samples", [{"prompt": str(count), "written": "Yes."} for count in range(30)])
    assert "18 more" in page(tmp_path).text


def test_what_was_expected_is_not_written_out_twice(tmp_path: Path) -> None:
    keep_rows(tmp_path, "samples", [{"prompt": "Who?", "written": "Samantha.", "expected": "Samantha."}])
    shown = page(tmp_path)
    assert "as expected" in shown.text
    assert shown.text.count("Samantha.") == 1


def test_a_loss_that_is_no_number_leaves_a_gap(tmp_path: Path) -> None:
    keep_rows(tmp_path, "metrics", [*ROWS, {"stage": "pretrain", "step": 150, "loss": float("nan")}])
    assert "nan" not in (tmp_path / report.write(tmp_path).name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "values",
    [[0.0], [2.0, 2.0], [-5.0, 1e6], [1e-9, 3e-9], [0.99991, 0.99992, 0.99993], [1e12, 3.0]],
    ids=str,
)
def test_a_curve_stays_in_its_frame(values: list[float]) -> None:
    drawn = ElementTree.fromstring(curve([(step, value) for step, value in enumerate(values, 1)], says="<loss>"))
    _, _, width, height = map(float, drawn.attrib["viewBox"].split())
    line = next(each.attrib["d"] for each in drawn.iter("path") if each.attrib["class"] == "line")
    for x, y in (point.split() for point in line[1:].split("L")):
        assert 0 <= float(x) <= width
        assert 0 <= float(y) <= height


def test_no_two_ticks_of_an_axis_look_alike() -> None:
    for low, high in [(0.0, 1.0), (1.2, 9.1), (0.99991, 0.99995), (0.0, 3e-5), (0.0, 12_400.0), (-3.0, 0.2)]:
        drawn = ElementTree.fromstring(curve([(10, low), (2000, high)], says="loss"))
        labels = [each.text for each in drawn.iter("text")]
        assert len(labels) == len(set(labels)) > 4


@pytest.mark.parametrize(
    ("value", "shown"), [(7345152, "7,345,152"), (1.62134, "1.621"), (0.00035, "3.5e-4"), (0, "0"), (12398.4, "12,398")]
)
def test_a_number_is_short(value: float, shown: str) -> None:
    assert number(value) == shown
