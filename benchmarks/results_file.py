"""The one form in which a benchmark keeps what it measured: benchmarks/results/NAME.json.

Every row says what was measured, in which unit, and whether it holds its bar. Not here: measuring, or showing.
"""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
DIGITS = 4  # significant; the machines do not repeat more


@dataclass(frozen=True, slots=True)
class Row:
    """`bar` is the condition as a person reads it, e.g. ">= 1.5"; `holds` is None where there is none."""

    what: str
    value: float
    unit: str
    bar: str | None
    holds: bool | None


def row(
    what: str,
    value: float,
    unit: str,
    *,
    bar: str | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Row:
    """A measured value, held to a lower or an upper bound where one is given; `bar` puts the bound in words."""
    if at_least is None and at_most is None:
        return Row(what, _rounded(value), unit, bar, None)
    if at_least is not None:
        return Row(what, _rounded(value), unit, bar or f">= {at_least:g}", value >= at_least)
    return Row(what, _rounded(value), unit, bar or f"<= {at_most:g}", value <= (at_most or 0))


def write(name: str, rows: Sequence[Row]) -> Path:
    """Write `rows` to benchmarks/results/`name`.json, say them on stdout, and return the path."""
    path = RESULTS / f"{name}.json"
    content = {
        "name": name,
        "commit": commit(),
        "date": datetime.now(UTC).date().isoformat(),
        "hardware": hardware(),
        "rows": [asdict(each) for each in rows],
    }
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for each in rows:
        verdict = "" if each.holds is None else f"   {each.bar}: {'holds' if each.holds else 'MISSED'}"
        print(f"{each.what}: {each.value:g} {each.unit}{verdict}")
    return path


def hardware() -> str:
    """Processor, cores, memory and system in one line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{_processor()}, {cores} cores{_memory()}, {system}"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"


def _memory() -> str:
    try:
        return f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (AttributeError, ValueError, OSError):
        return ""


def commit() -> str:
    """The commit that was measured, marked where the tree had changes beside it."""
    where = Path(__file__).parent
    found = subprocess.run(
        ["git", "describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"],
        cwd=where,
        capture_output=True,
        text=True,
    )
    return found.stdout.strip() or "unknown"


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
