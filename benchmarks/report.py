"""Turn benchmarks/results/*.json into docs/measurements.md, its plots, and the figures of the READMEs.

`python benchmarks/report.py --check` writes nothing and fails where a page is behind the results; the tests run
that, so that no number in the documentation is typed by hand.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "measurements.md"
READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")
BEGIN, END = "<!-- figures: made by `make bench-report` -->", "<!-- end of figures -->"
CARDS = {
    ROOT / "src" / "samantha" / "encoder" / "README.md": "understanding",
    ROOT / "docs" / "school.md": "school",
}  # how the names of the results begin whose figures they show
CHECKS = "engine and NumPy"  # rows that vouch for a benchmark itself; the page has them, the READMEs do not
HEADINGS = {"README.md": ("What", "Measured", "Bar"), "README.zh-CN.md": ("测量项", "结果", "目标")}


def results() -> list[dict[str, Any]]:
    """Every committed result, by name."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))]


def page(found: list[dict[str, Any]]) -> str:
    """docs/measurements.md."""
    lines = [
        "# Measurements",
        "",
        "Made by `make bench-report` from `benchmarks/results/`; run one anew with `make bench NAME=…`.",
        "A bar is what we set out to reach, whether or not it is reached.",
    ]
    for result in found:
        lines += ["", f"## {result['name']}", ""]
        lines += [f"Commit `{result['commit']}`, {result['date']}, {result['hardware']}.", ""]
        lines += ["| What | Measured | Bar | Holds |", "| --- | --- | --- | --- |"]
        lines += [f"| {_what(row)} | {_value(row)} | {row['bar'] or ''} | {_holds(row)} |" for row in result["rows"]]
        if any(_bound(row) for row in result["rows"]):
            lines += ["", f"![{result['name']}: measured against the bar](measurements/{result['name']}.svg)"]
    return "\n".join(lines) + "\n"


def with_figures(readme: str, found: list[dict[str, Any]], headings: tuple[str, ...], *, every: bool = False) -> str:
    """`readme` with the rows between its two marks: those that have a bar, or `every` one."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = [f"| {' | '.join(headings)} |", "| --- | --- | --- |"]
    lines += [
        f"| {_what(row)} | {_value(row)} | {row['bar'] or ''}{' (missed)' if row['holds'] is False else ''} |"
        for result in found
        for row in result["rows"]
        if (every or row["bar"]) and not row["what"].startswith(CHECKS)
    ]
    hardware = sorted({result["hardware"] for result in found})
    return f"{before}{BEGIN}\n" + "\n".join([*lines, "", *hardware]) + f"\n{END}{after}"


def pages() -> Iterator[tuple[Path, str]]:
    """Every page that holds figures, as it should read."""
    found = results()
    yield PAGE, page(found)
    for readme in READMES:
        yield readme, with_figures(readme.read_text(encoding="utf-8"), found, HEADINGS[readme.name])
    for card, begin in CARDS.items():
        theirs = [result for result in found if result["name"].startswith(begin)]
        yield card, with_figures(card.read_text(encoding="utf-8"), theirs, HEADINGS["README.md"], every=True)


def plot(result: dict[str, Any], path: Path) -> None:
    """How far each row with a bar is beyond it: 1 is the bar, more is better."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.hashsalt": "samantha", "svg.fonttype": "none", "font.size": 9}
    from matplotlib import pyplot

    bounded = [(row["what"], _margin(row)) for row in reversed(result["rows"]) if _bound(row)]
    figure, axes = pyplot.subplots(figsize=(8, 0.6 + 0.35 * len(bounded)), layout="constrained")
    axes.barh(
        [what for what, _ in bounded],
        [margin for _, margin in bounded],
        color=["#4878a8" if margin >= 1 else "#c44e52" for _, margin in bounded],
    )
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_xticks([0.5, 1, 2, 4, 8, 16], labels=["½", "1", "2", "4", "8", "16"])
    axes.minorticks_off()
    axes.set_xlabel("times better than the bar")
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _what(row: dict[str, Any]) -> str:
    """What was measured, as a cell of a table: a bar in it would end the cell."""
    return str(row["what"]).replace("|", "\\|")


def _value(row: dict[str, Any]) -> str:
    return f"{row['value']:g} {row['unit']}".strip()


def _holds(row: dict[str, Any]) -> str:
    return "" if row["holds"] is None else "yes" if row["holds"] else "**no**"


def _bound(row: dict[str, Any]) -> float | None:
    """The number in a bar such as ">= 1.5"."""
    sign, _, number = (row["bar"] or "").partition(" ")
    return float(number) if sign in (">=", "<=") and number else None


def _margin(row: dict[str, Any]) -> float:
    bound, value = _bound(row) or 1.0, max(row["value"], 1e-3)
    return float(value / bound if row["bar"].startswith(">=") else bound / value)


def main() -> None:
    stale = [path for path, content in pages() if not path.exists() or path.read_text(encoding="utf-8") != content]
    if "--check" in sys.argv[1:]:
        sys.exit(f"Run `make bench-report`: {', '.join(path.name for path in stale)} is behind." if stale else 0)
    for path, content in pages():
        path.write_text(content, encoding="utf-8")
    for result in results():
        plot(result, PAGE.with_suffix("") / f"{result['name']}.svg")


if __name__ == "__main__":
    main()
