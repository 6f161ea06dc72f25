"""A conversation in a process of its own, with a brain that says what it is told.

python scripted_chat.py JOURNAL '["first reply", "second reply"]' [SECONDS-A-WORD] [LANGUAGE] [--continue]
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from contextlib import aclosing

from samantha.adapters.clock import SystemClock
from samantha.adapters.sqlite import SqliteJournal
from samantha.companion import Companion, Forgetful
from samantha.core.errors import ModelMissing
from samantha.core.types import Sampling
from samantha.mind.persona import Persona
from samantha.surfaces.terminal.run import chat, open_screen
from samantha.surfaces.terminal.session import Doors, Session
from samantha.testing import ScriptedGenerator, ScriptedPolicy, Unfeeling


async def talk(journal: str, replies: Sequence[str], delay: float, language: str, resume: bool) -> int:
    async with aclosing(SqliteJournal(journal)) as kept:
        companion = Companion(
            generator=ScriptedGenerator(replies, delay=delay),
            journal=kept,
            persona=Persona(name="Samantha", summary="You are Samantha."),
            encoder=Unfeeling(),
            memories=Forgetful(),
            policy=ScriptedPolicy(),
            clock=SystemClock(),
            sampling=Sampling(max_tokens=100_000),
        )

        async def no_model(name: str) -> None:
            raise ModelMissing("No model at '{path}'. Run `samantha pull`, or set model.path.", path=name)

        def persona(name: str) -> None:
            companion.persona = Persona(name=name.title())

        screen = open_screen(sys.stdin, sys.stdout, sys.stderr, language=language)
        doors = Doors(no_model, persona, lambda: ["samantha", "sam"])
        session = Session(companion=companion, threads=kept, screen=screen, doors=doors)
        return await chat(session, stdin=sys.stdin, resume=resume)


if __name__ == "__main__":
    arguments = [each for each in sys.argv[1:] if each != "--continue"]
    journal, replies, delay, language = [*arguments, *["0", "en"][len(arguments) - 2 :]]
    answers = json.loads(replies)
    sys.exit(asyncio.run(talk(journal, answers, float(delay), language, "--continue" in sys.argv)))
