"""What a suite found: rows held to their bars, and what could not be measured. `samantha eval` prints it.

Not here: measuring (`samantha.evaluation.suites`), or timings (benchmarks/).
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from samantha.core.text import Text

DIGITS = 4  # after the point; no set here has more than 10,000 examples


@dataclass(frozen=True, slots=True)
class Row:
    """`bar` is the condition as a person reads it, e.g. ">= 0.53"; `holds` is None where there is none."""

    what: str
    value: float
    bar: str | None
    holds: bool | None
    n: int  # examples that it rests on


@dataclass(frozen=True, slots=True)
class Skipped:
    """A set, or a part of one, that was not measured."""

    what: str
    why: Text


@dataclass(frozen=True, slots=True)
class Report:
    """All that a suite found. `data` is the folder it was given."""

    suite: str
    data: str | None
    rows: tuple[Row, ...]
    skipped: tuple[Skipped, ...]


def row(
    what: str,
    value: float,
    n: int,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
) -> Row:
    """A measured value, held to one bound where one is given."""
    rounded = round(value, DIGITS)
    if at_least is not None:
        return Row(what, rounded, f">= {at_least:g}", value >= at_least, n)
    if above is not None:
        return Row(what, rounded, f"> {above:g}", value > above, n)
    if at_most is not None:
        return Row(what, rounded, f"<= {at_most:g}", value <= at_most, n)
    return Row(what, rounded, None, None, n)


def report(suite: str, data: str | None, found: Iterable[Row | Skipped]) -> Report:
    """Rows and what was skipped, each in the order in which they came."""
    parts = list(found)
    return Report(
        suite,
        data,
        tuple(part for part in parts if isinstance(part, Row)),
        tuple(part for part in parts if isinstance(part, Skipped)),
    )


def as_json(found: Report) -> dict[str, Any]:
    """The contract of `samantha eval --json`."""
    return {
        "suite": found.suite,
        "data": found.data,
        "rows": [asdict(each) for each in found.rows],
        "skipped": [{"what": each.what, "why": str(each.why)} for each in found.skipped],
    }
