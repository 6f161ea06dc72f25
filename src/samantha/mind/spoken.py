"""What a voice should say of a reply that was written for the screen: no Markdown, emoji, addresses or code.

Pure text to text, and safe on pieces of a reply. Not here: numbers, dates and abbreviations, which the voice
reads by its own rules, and which languages it speaks.
"""

import re
import unicodedata
from html import unescape

_FENCE = re.compile(r"`{3,}|^~~~+", re.MULTILINE)
_MARGIN = re.compile(r"^\s*(?:>\s?)*\s*")  # block quotes
_HEADING = re.compile(r"^#{1,6}\s+")
_BULLET = re.compile(r"^[-*+•]\s+(?:\[[ xX]\]\s+)?")  # a task's box is for the eyes
_NUMBERED = re.compile(r"^\d{1,3}[.)]\s+")

_FOOTNOTE = re.compile(r"\[\^[^\[\]]*\]")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\((?:[^()]|\([^()]*\))*\)")
_END_OF_LINK = re.compile(r"\]\([^\s\[\]()]*\)")  # its beginning was in an earlier piece
_BARE_LINK = re.compile(r"<((?:https?://|mailto:)[^\s<>]*)>")
_ADDRESS = re.compile(r"(?:https?://|www\.)([^\s<>\[\]()/?#:]+)[^\s<>\[\]()]*?(?=[.,;:!?'\"”’)]*(?:[\s<>\[\]()]|$))")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<!--[^<>]*-->")
_DIRECTION = re.compile(r"(?:^|(?<=[.!?…]\s))([*_])[a-z][^*_]*\1(?=\s*$|\s+[\"“'‘(]?[A-Z])")
_TIMES = re.compile(r"(?<=\d)\s*\*\s*(?=\d)")
_EMPHASIS = re.compile(r"\*+|~~|`+|(?<!\w)_+(?=\S)|(?<=\S)_+(?!\w)")
_EMOTICON = re.compile(r"(?<!\S)(?:[:;=]['’]?-?[()DPpOo/\\|\]\[*3]|<3+|[xX]D)(?=[\s.,!?]|$)")
_PICTURES = (
    "\u2300-\u23ff\u2500-\u25ff\u2600-\u27bf\u2b00-\u2bff\u3030\u303d\U0001f000-\U0001fbff"
    "\u200d\u20e3\ufe0e\ufe0f\U000e0000-\U000e007f"  # what joins, colours and frames them
)
_BETWEEN_SENTENCES = re.compile(rf"(?<=\w)\s*[{_PICTURES}]+\s*(?=[A-Z])")
_PICTURE = re.compile(f"[{_PICTURES}]+")
_ESCAPE = re.compile(r"\\(?=[^\w\s])")
_SPACES = re.compile(r"\s+")
_SPACE_BEFORE_MARK = re.compile(r"\s+(?=[,.;:!?])")


def spoken(text: str) -> str:
    """The words of `text` as they should be read aloud; "" where there is nothing to say."""
    return spoken_piece(text)[0]


def spoken_piece(piece: str, in_code: bool = False) -> tuple[str, bool]:
    """The words of one piece of a reply, and whether a block of code is still open behind it.

    `in_code` is what the piece before returned. Code is left to the screen, whole.
    """
    stretches = _FENCE.split(piece)
    inside = [in_code ^ bool(index % 2) for index in range(len(stretches))]
    lines = [line for stretch, code in zip(stretches, inside, strict=True) if not code for line in stretch.splitlines()]
    said = "\n".join(filter(None, map(_line, lines)))
    return (said if any(map(str.isalnum, said)) else ""), inside[-1]


def _line(line: str) -> str:
    bare = _MARGIN.sub("", line).rstrip()
    if _is_rule(bare):
        return ""
    if bare.startswith("|") and bare.endswith("|"):
        return _sentence(", ".join(filter(None, (_inline(cell) for cell in bare.split("|")))))
    text = _BULLET.sub("", _HEADING.sub("", bare))
    said = _inline(text)
    return _sentence(said) if text != bare or _NUMBERED.match(bare) else said


def _is_rule(line: str) -> bool:
    """A line across the page, under a heading or under the head of a table."""
    marks = set(line) - {" "}
    return len(line) > 1 and bool(marks) and (marks <= set("|:-") or (len(line) > 2 and marks in ({"*"}, {"_"}, {"="})))


def _sentence(text: str) -> str:
    """A heading or an item of a list closes like a sentence, or the voice would run into the next."""
    return f"{text}." if text[-1:].isalnum() else text


def _inline(text: str) -> str:
    text = _LINK.sub(r"\1", _FOOTNOTE.sub("", text))
    text = _BARE_LINK.sub(r"\1", _END_OF_LINK.sub("", text))
    text = _ADDRESS.sub(_site, text.replace("mailto:", ""))
    text = _DIRECTION.sub("", unescape(_TAG.sub(" ", text)))
    text = _TIMES.sub(" times ", _ESCAPE.sub("", _EMOTICON.sub(" ", text)))
    text = _EMPHASIS.sub("", text)
    text = _PICTURE.sub(" ", _BETWEEN_SENTENCES.sub(". ", text))
    text = "".join(character for character in text.translate(_UNSAID) if _has_sound(character))
    return _SPACE_BEFORE_MARK.sub("", _SPACES.sub(" ", text)).strip()


_UNSAID = {ord("\t"): " ", ord("["): " ", ord("]"): " "}


def _has_sound(character: str) -> bool:
    """Not a control, formatting, private or surrogate character."""
    return not unicodedata.category(character).startswith("C")


def _site(address: re.Match[str]) -> str:
    """Nobody wants to hear a path: https://docs.python.org/3/ is "docs dot python dot org"."""
    return address[1].removeprefix("www.").replace(".", " dot ")
