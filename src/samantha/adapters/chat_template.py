"""The Jinja chat template of a model file, rendered to pieces of control and content (`samantha.core.chat`).

The template never sees what was said: it gets an unguessable mark in place of each text, and the result is cut
at the marks. What lies between them is the template's own. Not here: reading the template from a file.
"""

import json
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, NoReturn

from samantha.core.chat import ChatFormat, Piece, alternating
from samantha.core.errors import ModelUnsupported
from samantha.core.text import Text, text
from samantha.core.types import Message, Role

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import ImmutableSandboxedEnvironment

MOST_STEPS = 200_000  # loop passes and macro calls of one rendering; 1,000 messages take some 5,000
PROBES: dict[Role, tuple[Message, ...]] = {
    "system": (Message("system", "s"),),
    "user": (Message("user", "u"),),
    "assistant": (Message("user", "u"), Message("assistant", "a")),
}


def jinja_format(template: str, *, bos: str = "", eos: str = "", today: date | None = None) -> ChatFormat:
    """The chat format that a Hugging Face or GGUF template describes.

    `bos` and `eos` are what the template calls `bos_token` and `eos_token`. Its `strftime_now` always says
    `today` (by default the day of this call), so that the prompt's beginning stays in the KV cache at midnight.
    Text that the template would strip is stripped in the pieces too. System messages that it refuses or drops
    go into the next user message. The template runs in Jinja's sandbox, with bounded loops: it reaches neither
    files nor Python. Nothing bounds the memory it takes.

    Raises `ModelUnsupported`, also when called, where the template fails or leaves out what was said.
    """
    renderer = _Renderer(*_compiled(template, today or datetime.now().astimezone().date()), bos=bos, eos=eos)
    renderer(PROBES["user"], True)  # a template that cannot do even this is refused when the model is opened
    closings = {role: _closing(renderer, probe) for role, probe in PROBES.items()}

    def pieces(messages: Sequence[Message], reply: bool = True) -> tuple[Piece, ...]:
        rendered = renderer(messages, reply)
        ends = [closings[message.role] for message in messages]
        return tuple(piece for piece in _pieces(rendered, ends) if piece.text)

    return pieces


@dataclass(frozen=True, slots=True)
class _Rendered:
    """`controls[0] contents[0] controls[1] ... controls[-1] opening`; `order` has the message of each content."""

    controls: tuple[str, ...]
    contents: tuple[str, ...]
    order: tuple[int, ...]
    opening: str  # what begins the reply


class _Refused(Exception):
    """The template says by `raise_exception` that it cannot render this, or its code fails."""

    def __init__(self, reason: Text | str) -> None:
        self.reason = reason


Fold = Callable[[Sequence[Message]], Sequence[Message]]
FOLDS: tuple[Fold, ...] = (tuple, partial(alternating, system=True), alternating)


class _Renderer:
    """A compiled template that is given marks for texts."""

    def __init__(self, template: "Template", steps: str, *, bos: str, eos: str) -> None:
        self._template = template
        self._steps = steps  # the name that the loops know their counter by
        self._tokens = {"bos_token": bos, "eos_token": eos}

    def __call__(self, messages: Sequence[Message], reply: bool) -> _Rendered:
        """Render the messages as they stand; where that fails or loses one, with system text folded away.

        Then once more in the shape that templates of multimodal models want.
        """
        reasons: list[Text | str] = []
        for typed, fold in product((False, True), FOLDS):
            try:
                return self._try(messages, reply, typed=typed, fold=fold)
            except _Refused as refused:
                reasons.append(refused.reason)
        raise _unusable(reasons[0])

    def _try(self, messages: Sequence[Message], reply: bool, *, typed: bool, fold: Fold) -> _Rendered:
        nonce = secrets.token_hex(16)
        texts = [message.text for message in messages]
        marks = [f"{nonce}x{index}x" if each else "" for index, each in enumerate(texts)]

        def cut(texts: Sequence[str], reply: bool) -> tuple[list[str], list[int]]:
            marked = [Message(one.role, each) for one, each in zip(messages, texts, strict=True)]
            parts = re.split(f"{nonce}x([0-9]+)x", self._text(fold(marked), reply, typed))
            return parts[::2], [int(index) for index in parts[1::2]]

        controls, order = cut(marks, reply)
        if {*order} != {index for index, mark in enumerate(marks) if mark}:
            raise _Refused(text("it leaves out what was said"))
        spaces = [_outer_space(each) for each in texts]
        if any(map(any, spaces)):
            padded, same = cut([mark.join(space) for mark, space in zip(marks, spaces, strict=True)], reply)
            spaces = _kept(controls, padded, spaces, order) if same == order else [("", "")] * len(texts)
        contents = [texts[index].strip().join(spaces[index]) for index in order]
        tail = cut(marks, False)[0][-1] if reply else controls[-1]
        if not controls[-1].startswith(tail):  # Phi-3 ends a text either with the opening of a reply or otherwise
            tail = controls[-1]
        return _Rendered((*controls[:-1], tail), tuple(contents), tuple(order), controls[-1].removeprefix(tail))

    def _text(self, messages: Sequence[Message], reply: bool, typed: bool) -> str:
        left = iter(range(MOST_STEPS))

        def step() -> None:
            if next(left, None) is None:
                raise _unusable(text("it does not come to an end"))

        try:
            return self._template.render(
                messages=[{"role": one.role, "content": _typed(one.text) if typed else one.text} for one in messages],
                add_generation_prompt=reply,
                enable_thinking=False,  # a companion answers at once
                tools=None,
                documents=None,
                **self._tokens,
                **{self._steps: step},
            )
        except (_Refused, ModelUnsupported):
            raise
        except Exception as error:  # whatever the template's own code raises
            raise _Refused(_one_line(error)) from error


def _compiled(source: str, today: date) -> tuple["Template", str]:
    """`source` as a template whose loops and macros call a counter, and the unguessable name of that counter."""
    from jinja2 import Template, TemplateError, nodes

    sandbox, steps = _sandbox(today), f"steps_{secrets.token_hex(16)}"
    try:
        tree = sandbox.parse(source)
        blocks: list[nodes.For | nodes.Macro] = [*tree.find_all(nodes.For), *tree.find_all(nodes.Macro)]
        for block in blocks:
            count = nodes.Call(nodes.Name(steps, "load"), [], [], None, None)
            block.body.insert(0, nodes.ExprStmt(count).set_lineno(block.lineno))
        tree.set_environment(sandbox)
        code = sandbox.compile(tree)
    except (TemplateError, RecursionError) as error:
        raise _unusable(_one_line(error)) from error
    return Template.from_code(sandbox, code, sandbox.make_globals(None)), steps


def _sandbox(today: date) -> "ImmutableSandboxedEnvironment":
    """Jinja with what chat templates expect, as in Hugging Face's transformers."""
    from jinja2 import nodes
    from jinja2.ext import Extension
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """``{% generation %}`` marks what is trained on; here its content is rendered as it is."""

        tags = {"generation"}  # noqa: RUF012  # the attribute is Jinja's

        def parse(self, parser: Parser) -> nodes.Node:
            line = next(parser.stream).lineno
            return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)

    extensions = ["jinja2.ext.loopcontrols", Generation]
    sandbox = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=extensions)
    sandbox.filters["tojson"] = _json
    sandbox.globals |= {"raise_exception": _refuse, "strftime_now": today.strftime}
    return sandbox


def _json(value: object, indent: int | None = None, **options: Any) -> str:
    """Jinja's own would write ``<`` as ``\\u003c``."""
    return json.dumps(value, indent=indent, **{"ensure_ascii": False, **options})


def _refuse(reason: object) -> NoReturn:
    raise _Refused(" ".join(str(reason).split()).rstrip("."))


def _typed(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


def _outer_space(text: str) -> tuple[str, str]:
    """White space before and after `text`; a text of nothing else has it before."""
    rest = text.lstrip()
    return text[: len(text) - len(rest)], rest[len(rest.rstrip()) :]


def _kept(bare: list[str], padded: list[str], spaces: list[tuple[str, str]], order: list[int]) -> list[tuple[str, str]]:
    """How much of its outer white space each text keeps: what the padded rendering has more than the bare one."""
    kept = [["", ""] for _ in spaces]
    for place, (less, more) in enumerate(zip(bare, padded, strict=True)):
        after = spaces[order[place - 1]][1] if place else ""
        before = spaces[order[place]][0] if place < len(order) else ""
        for tail, head in product((after, ""), (before, "")):
            if more == f"{tail}{less}{head}":
                if place:
                    kept[order[place - 1]][1] = tail
                if place < len(order):
                    kept[order[place]][0] = head
                break
    return [(before, after) for before, after in kept]


def _closing(renderer: Callable[[Sequence[Message], bool], _Rendered], probe: Sequence[Message]) -> str:
    """What the template writes after the last message of `probe`; nothing where it takes no such conversation."""
    try:
        return renderer(probe, False).controls[-1]
    except ModelUnsupported:
        return ""


def _pieces(rendered: _Rendered, ends: Sequence[str]) -> list[Piece]:
    """Cut each control text in two: what closes the message before it, and what opens the one after it."""
    pieces: list[Piece] = []
    for place, control in enumerate(rendered.controls):
        before = rendered.order[place - 1] if place else 0
        after = rendered.order[place] if place < len(rendered.order) else len(ends) - 1
        end = ends[before] if place and control.startswith(ends[before]) else ""
        pieces += [Piece(end, True, before), Piece(control.removeprefix(end), True, after)]
        if place < len(rendered.order):
            pieces.append(Piece(rendered.contents[place], False, after))
    return [*pieces, Piece(rendered.opening, True, -1)]


def _unusable(reason: Text | str) -> ModelUnsupported:
    return ModelUnsupported(
        "The chat template of this model cannot be used: {reason}. Choose another model with `samantha models`.",
        reason=reason,
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")[:200] or type(error).__name__
