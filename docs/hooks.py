"""What the documentation takes from the source while it is built, so that it cannot fall behind.

A page that holds `<!-- settings -->` gets the table of all settings there.
"""

from typing import Any

from samantha.settings import reference

MARK = "<!-- settings -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    return markdown.replace(MARK, settings_table()) if MARK in markdown else markdown


def settings_table() -> str:
    lines = ["| Setting | What it is | Value | Default |", "| --- | --- | --- | --- |"]
    lines += [
        f"| `{entry.key}`<br>`{entry.variable}` | {entry.sentence} | {entry.expected} | {_code(entry.default)} |"
        for entry in reference()
    ]
    return "\n".join(lines)


def _code(default: str) -> str:
    return f"`{default}`" if default and " " not in default else default
