"""What a person must be told, and when: a pure function of the turn and of what is known about the brain.

Today: that she is an AI and estimates feelings (at the start of a conversation), that a brain does not speak the
person's language (once), and that old turns no longer fit. Not here: how a surface shows it.
"""

from collections.abc import Sequence

from samantha.core.events import Notice
from samantha.core.ports import Brain
from samantha.core.text import Text, text
from samantha.core.types import Message, Turn
from samantha.mind.language_of_text import language_of


def due(turn: Turn, *, persona: str, brain: Brain, told: bool = False, other: str = "") -> tuple[Notice, ...]:
    """The notices that this turn asks for, before the reply.

    `persona` is the name she goes by, `told` whether the person already knows of this brain in this thread, and
    `other` a brain that knows Chinese.
    """
    notices: list[Notice] = []
    if not turn.history:
        told_first = _disclosure(persona, brain)
        if turn.understanding.emotion is not None:  # EU AI Act, article 50(3)
            told_first = text("{disclosure} She guesses feelings from words, on this machine.", disclosure=told_first)
        notices.append(Notice("disclosure", told_first))
    elif not brain.local and not told:
        notices.append(
            Notice(
                "disclosure",
                text(
                    "From here on this conversation is read by '{brain}', and her words come from it.", brain=brain.name
                ),
            )
        )
    if _first_in_a_foreign_language(turn.message, turn.history, brain.languages):
        notices.append(
            Notice(
                "language",
                text(
                    "The brain '{brain}' knows no Chinese, so expect poor answers. "
                    "`samantha models` lists brains that do, such as {other}.",
                    brain=brain.name,
                    other=other,
                ),
            )
        )
    return tuple(notices)


def _disclosure(persona: str, brain: Brain) -> Text:
    if brain.local:
        return text("{name} is an AI, not a person. She can be wrong. She runs on this machine.", name=persona)
    return text(
        "{name} is an AI, not a person. She can be wrong. Her words come from '{brain}'.",
        name=persona,
        brain=brain.name,
    )


def no_longer_fits(dropped: int, before: int) -> tuple[Notice, ...]:
    """The notice that older messages have left the prompt, when more have left than at the last turn."""
    if dropped <= before:
        return ()
    return (
        Notice(
            "context",
            text(
                "Her context is full: she no longer reads the oldest {count} messages. They stay in the journal.",
                count=dropped,
            ),
        ),
    )


def _first_in_a_foreign_language(message: Message, history: Sequence[Message], languages: Sequence[str]) -> bool:
    def foreign(one: Message) -> bool:
        return one.role == "user" and bool(languages) and language_of(one.text) not in languages

    return foreign(message) and not any(foreign(one) for one in history)
