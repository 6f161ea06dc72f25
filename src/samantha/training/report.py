"""report.html: a run for the eye, from the files of its folder. One page, which fetches nothing and runs no script.

Whatever of the files is missing is left out, so a run that goes on can be looked at as well. Not here: what the files
are (`samantha.training.runs`), and how a curve is drawn (`samantha.training.curves`).
"""

import json
import math
import os
import platform
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from samantha.training.curves import Point, curve, number

NAME = "report.html"
SAMPLES = 12  # shown at once; the others unfold
NOT_A_LOSS = {"step", "seconds", "total_seconds", "score", "rate", "tokens_per_second"}
_CONTROL = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {127: 0x2421}
"""Characters that control a terminal -> their pictures; what a young model writes is full of them."""


def write(folder: Path) -> Path:
    """Write `folder`/report.html anew, whole or not at all, and return where it is."""
    recipe, result, model = (_content(folder / f"{name}.json") for name in ("recipe", "result", "model"))
    found: dict[str, Any] = recipe or {"recipe": folder.resolve().name, "options": {}}
    page = _page(
        found["recipe"],
        _headline(folder, result, model)
        + _figures(result or {})
        + _curves(rows_of(folder / "metrics.jsonl"))
        + _samples(rows_of(folder / "samples.jsonl"))
        + _data(_content(folder / "data.json") or [])
        + _options(found["options"])
        + _model(model or {}),
    )
    beside = folder / f".{NAME}.new"
    beside.write_text(page, encoding="utf-8", errors="replace")  # half a surrogate pair is a question mark
    os.replace(beside, folder / NAME)
    return folder / NAME


def machine() -> str:
    """The processor, its cores, the graphics cards and the system, in one line."""
    return ", ".join([f"{_processor()}, {os.cpu_count()} cores", *_graphics(), f"{platform.system()}"])


# -- parts of the page ------------------------------------------------------------------------------------------


def _page(title: str, body: str) -> str:
    style = files("samantha.training").joinpath("report.css").read_text(encoding="utf-8")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{_shown(title)} · Samantha</title><style>{style}</style></head><body>"
        f'<header><p class="over">Samantha · a training run</p><h1>{_shown(title)}</h1>{body}</body></html>\n'
    )


def _headline(folder: Path, result: Mapping[str, Any] | None, model: Mapping[str, Any] | None) -> str:
    """The rest of the header: which run it is, how long it took, on what."""
    facts = [folder.resolve().name]
    facts += [f"architecture {model['architecture']}"] if model else []
    facts += [f"took {_duration(result['seconds'])}"] if result else ["not finished"]
    hardware = (result or {}).get("hardware") or machine()
    return f'<p class="facts">{_shown(" · ".join(facts))}</p><p class="facts">{_shown(hardware)}</p></header>'


def _figures(result: Mapping[str, Any]) -> str:
    cards = "".join(
        f"<div><dt>{_name(name)}</dt><dd>{_value(value)}</dd></div>"
        for name, value in result.get("figures", {}).items()
    )
    return _section("Figures", cards and f'<dl class="figures">{cards}</dl>')


def _curves(rows: Sequence[Mapping[str, Any]]) -> str:
    stages: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        kept = stages.setdefault(str(row["stage"]), [])
        while kept and kept[-1]["step"] >= row["step"]:  # told before the run was left, and again when it was resumed
            kept.pop()
        kept.append(row)
    return _section("Curves", "".join(_stage(name, kept) for name, kept in stages.items()))


def _stage(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The curves of one stage: its losses, the score, the speed and the rate."""
    losses = dict.fromkeys(key for row in rows for key in row if key not in NOT_A_LOSS | {"stage"})
    drawn = [_loss(loss, _points(rows, loss)) for loss in losses]
    drawn.append(_score(_points(rows, "score")))
    drawn.append(_speed(_points(rows, "tokens_per_second")))
    drawn.append(_rate(_points(rows, "rate")))
    steps, seconds = number(rows[-1]["step"]), _duration(rows[-1].get("seconds", 0))
    return (
        f'<h3>{_name(name)} <span class="soft">{steps} steps, {seconds}</span></h3>'
        f'<div class="curves">{"".join(drawn)}</div>'
    )


def _loss(name: str, points: Sequence[Point]) -> str:
    says = f"{number(points[0][1])} → {number(points[-1][1])}" if points else ""
    return _figure("loss", name if "loss" in name else f"loss, {name}", says, points)


def _score(points: Sequence[Point]) -> str:
    best = max(points, key=lambda point: point[1], default=(0.0, 0.0))
    return _figure("score", "score", f"best {number(best[1])}, at step {number(best[0])}", points, mark=best)


def _speed(points: Sequence[Point]) -> str:
    says = f"{number(statistics.median(value for _, value in points))} in the middle" if points else ""
    return _figure("speed", "tokens a second", says, points, from_zero=True)


def _rate(points: Sequence[Point]) -> str:
    most = max((value for _, value in points), default=0.0)
    return _figure("rate", "learning rate", f"at most {number(most)}", points, from_zero=True)


def _figure(kind: str, title: str, says: str, points: Sequence[Point], **look: Any) -> str:
    if not points:
        return ""
    drawn = curve(points, says=f"{title} over the steps: {says}", **look)
    caption = f'{_name(title)} <span class="soft">{_shown(says)}</span>'
    return f'<figure class="{kind}"><figcaption>{caption}</figcaption>{drawn}</figure>'


def _points(rows: Iterable[Mapping[str, Any]], key: str) -> list[Point]:
    """Those of `rows` that have a finite `key`."""
    return [(row["step"], row[key]) for row in rows if key in row and math.isfinite(row[key])]


def _samples(rows: Sequence[Mapping[str, str]]) -> str:
    once = {json.dumps(row): row for row in rows}  # a resumed run may have written them twice
    cards = [_sample(row) for row in once.values()]
    more = "".join(cards[SAMPLES:])
    more = (
        more and f'<details><summary>{len(cards) - SAMPLES} more</summary><div class="samples">{more}</div></details>'
    )
    return _section("What it wrote", cards and f'<div class="samples">{"".join(cards[:SAMPLES])}</div>{more}')


def _sample(row: Mapping[str, str]) -> str:
    written, expected = row["written"], row.get("expected", "")
    same = bool(expected) and written.split() == expected.split()
    parts = [("prompt", row.get("prompt", "")), ("written", written), ("expected", "" if same else expected)]
    titles = {"written": 'written <span class="same">as expected</span>'} if same else {}
    lines = "".join(
        f'<div class="{name}"><dt>{titles.get(name, name)}</dt><dd dir="auto">{_shown(said)}</dd></div>'
        for name, said in parts
        if said or name == "written"
    )
    return f"<dl>{lines}</dl>"


def _data(cards: Sequence[Mapping[str, Any]]) -> str:
    return _section("Data", cards and f'<div class="columns">{"".join(map(_card, cards))}</div>')


def _card(card: Mapping[str, Any]) -> str:
    """What one set is made of: its share that was kept, the reasons of what was not, and where it is from."""
    kept, read = card["kept"], card.get("read") or sum(source["rows"] for source in card["sources"])
    share = 100 * kept / read if read else 0
    examples = "".join(
        f"<li><code>{_shown(row['file'])}:{row['line']}</code> {_shown(row['says'])}</li>"
        for row in card.get("examples", [])
    )
    return (
        f'<div><h3>{_shown(card["name"])} <span class="soft">{_shown(card["licence"])}</span></h3>'
        f"<p>Kept {kept:,} of {read:,}</p>"
        f'<svg class="share" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">'
        f'<path class="all" d="M0 .5H100"/><path class="kept" d="M0 .5H{share:.2f}"/></svg>'
        + _table((reason, count) for reason, count in card["dropped"].items())
        + _unfold("Where it is from", _table((source["file"], source["rows"]) for source in card["sources"]))
        + _unfold("Examples of what was left out", examples and f"<ul>{examples}</ul>")
        + "</div>"
    )


def _options(options: Mapping[str, Any]) -> str:
    """The recipe as it was run; options with a dot are a table of their own."""
    own = {name: value for name, value in options.items() if not isinstance(value, Mapping)}
    tables: dict[str, Mapping[str, Any]] = {"": own | {name: None for name in own if own[name] == "."}}  # no path given
    tables |= {name: value for name, value in options.items() if isinstance(value, Mapping)}
    drawn = "".join(
        f"<div>{f'<h3>{_shown(name)}</h3>' if name else ''}{_table(values.items())}</div>"
        for name, values in tables.items()
        if values
    )
    return _section("Recipe", drawn and f'<div class="columns">{drawn}</div>')


def _model(model: Mapping[str, Any]) -> str:
    facts = {name: model[name] for name in ("architecture", "speaks", "labels", "lower_case") if model.get(name)}
    tables = [facts, model.get("shape") or {}, model.get("encoder") or {}]
    drawn = "".join(f"<div>{_table(table.items())}</div>" for table in tables if table)
    return _section("Model", drawn and f'<div class="columns">{drawn}</div>')


def _section(title: str, content: object) -> str:
    return f"<section><h2>{title}</h2>{content}</section>" if content else ""


def _unfold(title: str, content: str) -> str:
    return f"<details><summary>{title}</summary>{content}</details>" if content else ""


def _table(rows: Iterable[tuple[str, object]]) -> str:
    lines = "".join(f'<tr><th scope="row">{_shown(name)}</th><td>{_value(value)}</td></tr>' for name, value in rows)
    return lines and f"<table>{lines}</table>"


# -- values -----------------------------------------------------------------------------------------------------


def _shown(said: object) -> str:
    """Any text so that the page shows it and does not obey it."""
    return escape(str(said).translate(_CONTROL))


def _name(name: str) -> str:
    return _shown(name.replace("_", " "))


def _value(value: object) -> str:
    match value:
        case None | "" | []:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return number(value) if math.isfinite(value) else str(value)
        case list():
            return ", ".join(map(_value, value))
        case Mapping():
            return ", ".join(f"{_shown(name)} {_value(inner)}" for name, inner in value.items())
        case _:
            return _shown(value)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.3g}\u00a0s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}\u00a0min {rest}\u00a0s" if minutes < 60 else f"{minutes // 60}\u00a0h {minutes % 60}\u00a0min"


# -- files and the machine --------------------------------------------------------------------------------------


def _content(file: Path) -> Any:
    """What a JSON file says; None where it is missing."""
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def rows_of(file: Path) -> list[dict[str, Any]]:
    """The rows of a JSON Lines file; one that was cut off in the middle, because the machine went down, is left out."""
    rows = []
    if file.exists():
        for line in file.read_text(encoding="utf-8").split("\n"):  # not splitlines: texts have other line ends in them
            try:
                rows.append(json.loads(line))
            except ValueError:
                continue
    return rows


def _processor() -> str:
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        told = ""
    named = re.search(r"^model name\s*:\s*(.+)$", told, flags=re.MULTILINE)
    return named[1].strip() if named else platform.processor() or platform.machine()


def _graphics() -> list[str]:
    """The names of NVIDIA's cards, as their driver tells them."""
    told = [file.read_text(errors="replace") for file in Path("/proc/driver/nvidia/gpus").glob("*/information")]
    return [named[1].strip() for each in told if (named := re.search(r"^Model:\s*(.+)$", each, flags=re.MULTILINE))]
