"""How full her context is, as one discreet line. Pure; not here: where it is shown."""

import math
from collections.abc import Iterator

from rich.cells import cell_len

from samantha.core.text import Text, text
from samantha.core.types import Turn
from samantha.language import Language, translate

CELLS = 10  # of the bar
HELP = (text("/help: commands"), text("Ctrl-D: leave"), text("Alt-Enter: new line"))
_GAP = "   "


def meter(turn: Turn | None, width: int, language: Language) -> str:
    """As much as fits into `width` cells, the important first; `turn` is the newest one, None before it."""
    line = ""
    for part in _parts(turn):
        more = part if isinstance(part, str) else translate(part, language)
        if cell_len(line) + len(_GAP) * bool(line) + cell_len(more) <= width:
            line += _GAP * bool(line) + more
    return line


def tokens_now(turn: Turn) -> int:
    """Tokens that the conversation has after `turn`: its prompt and her reply."""
    return 0 if turn.prompt is None else turn.prompt.tokens + turn.reply.usage.completion_tokens


def _parts(turn: Turn | None) -> Iterator[Text | str]:
    if turn is not None and turn.prompt is not None:
        limit = turn.prompt.limit
        share = min(1.0, tokens_now(turn) / limit)
        full = math.ceil(share * CELLS)
        yield text("context {bar} {percent}%", bar="█" * full + "░" * (CELLS - full), percent=round(share * 100))
        if turn.prompt.dropped:
            yield text("{count} old messages no longer fit", count=turn.prompt.dropped)
        if turn.reply.finish == "length":
            yield text("the reply was cut at {count} tokens", count=turn.reply.usage.completion_tokens)
        yield f"{tokens_now(turn)}/{limit}"
        yield "/help"
    else:
        yield from HELP
