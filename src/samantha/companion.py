"""The one path: whatever a person says, in whichever surface, goes through `Companion.respond()`.

A stage is a verb that takes a turn and returns a fuller one; the outside is reached through ports only.
Not here: which adapters (`samantha.wiring`), or how a surface shows the events.
"""

import asyncio
import re
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from weakref import WeakValueDictionary

from samantha.core.errors import GeneratorError, MessageError, SamanthaError
from samantha.core.events import Decided, Event, Failed, Felt, Finished, Heard, Notice, Recalled, Said
from samantha.core.ports import CONTEXT, Clock, Delta, Encoder, Generator, Journal, Memories, Policy
from samantha.core.text import Language
from samantha.core.types import Conversation, Message, Reply, Sampling, Turn, Usage
from samantha.mind import duties, feeling, prompt
from samantha.mind.language_of_text import language_of
from samantha.mind.persona import Persona, as_messages, choose_examples, system_text
from samantha.mind.pieces import Pieces

_UNSPEAKABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")  # control characters but tab, newline and return
_SURROGATE = re.compile(r"[\ud800-\udfff]")  # what is left of bytes that were not UTF-8


@dataclass(kw_only=True)
class Companion:
    """Samantha, as the sum of her ports. `replace(companion, persona=...)` is the same one with another part."""

    generator: Generator
    journal: Journal
    persona: Persona
    encoder: Encoder
    memories: Memories
    policy: Policy
    clock: Clock
    sampling: Sampling = Sampling()
    examples: int = 3
    chinese_brain: str = ""  # one to point to where this brain knows no Chinese
    follows_feelings: bool = True  # the brain reads a note about the feeling of the moment
    reads_ahead: bool = True  # after a turn, let the idle engine read what the next prompt will begin with

    _threads: WeakValueDictionary[str, asyncio.Lock] = field(
        default_factory=WeakValueDictionary, init=False, repr=False
    )
    _told: set[tuple[str, str]] = field(default_factory=set, init=False, repr=False)  # threads, and whose brain
    _idle: set[asyncio.Task[None]] = field(default_factory=set, init=False, repr=False)
    _speaking: int = field(default=0, init=False, repr=False)

    async def respond(
        self, message: Message, *, conversation: Conversation, sampling: Sampling | None = None
    ) -> AsyncGenerator[Event, None]:
        """Answer `message`, as a stream of events (`samantha.core.events` draws their order).

        Close the iterator to interrupt: what was said until then is kept. `sampling` overrides the companion's.
        Raises only on a defect; what a person can do something about ends the stream as `Failed`.
        """
        started, sampling = self.clock.monotonic(), sampling or self.sampling
        message, conversation = _named(message, conversation)
        async with self._in_order(conversation):
            try:
                turn = await self.hear(message, conversation)
            except SamanthaError as error:
                yield Failed(error, Turn(conversation, message, reply=Reply(finish="failed")))
                return
            if turn.reply.text:  # the same message came twice: it is one turn
                for event in (Heard(turn), Said(turn.reply.text), Finished(turn)):
                    yield event
                return
            failure: SamanthaError | None = None
            try:
                yield Heard(turn)
                turn = await self.feel(turn)
                yield Felt(turn.understanding, turn.mood, turn.support)
                for notice in self.due(turn):
                    yield notice
                turn = self.decide(turn)
                yield Decided(turn.decision)
                if turn.decision.replaces_model:
                    spoken = self.care(turn)
                else:
                    turn = await self.recall(turn)
                    yield Recalled(turn.memories)
                    turn, notices = await self.compose(turn, sampling)
                    for notice in notices:
                        yield notice
                    spoken = self.speak(turn, sampling, started=started)
                async with aclosing(spoken):
                    async for piece, so_far in spoken:
                        turn = so_far
                        if piece:
                            yield Said(piece)
            except SamanthaError as error:
                failure = error
                turn = turn.ending("failed", turn.reply.usage)
            finally:
                turn, unkept = await asyncio.shield(self.commit(turn, started=started))
            failure = failure or unkept
            if failure is not None:
                yield Failed(failure, turn)
                return
            self._read_ahead(turn)
            yield Finished(turn)

    async def hear(self, message: Message, conversation: Conversation) -> Turn:
        """Journal the message before anything can fail, and find what precedes it."""
        said = _speakable(message.text).strip()
        if not said:
            raise MessageError("The message is empty. Say something first.")
        message = replace(message, text=said)
        given = tuple(replace(one, text=_speakable(one.text)) for one in conversation.history or ())
        now = self.clock.now()
        if not conversation.keep:
            return Turn(conversation, message, history=given, at=now)
        past = await self.journal.hear(message, conversation, now)
        history = past.history if conversation.history is None else given
        reply = past.reply or Reply()
        return Turn(conversation, past.message, history=history, readings=past.readings, reply=reply, at=now)

    async def feel(self, turn: Turn) -> Turn:
        """One encoder pass over the message; then how the person has been, and what this moment asks for."""
        (understanding,) = await self.encoder.understand([turn.message.text])
        turn = replace(turn, understanding=understanding)
        now, thread = turn.at or self.clock.now(), turn.conversation.thread
        mood = feeling.mood(turn.readings, turn.reading, now=now, thread=thread)
        support = feeling.support(understanding, mood, language=self._language(turn))
        if not self.follows_feelings:
            support = replace(support, note="")
        return replace(turn, mood=mood, support=support)

    def due(self, turn: Turn) -> tuple[Notice, ...]:
        """What the person must be told beside the reply."""
        brain, thread = self.generator.brain, turn.conversation.thread
        told = not turn.conversation.keep or (thread, brain.name) in self._told
        self._told.add((thread, brain.name))
        return duties.due(turn, persona=self.persona.name, brain=brain, told=told, other=self.chinese_brain)

    def decide(self, turn: Turn) -> Turn:
        """Whether the model may answer, and how."""
        return replace(turn, decision=self.policy.decide(turn))

    async def recall(self, turn: Turn) -> Turn:
        """Which memories matter now."""
        return replace(turn, memories=await self.memories.recall(turn))

    async def compose(self, turn: Turn, sampling: Sampling) -> tuple[Turn, tuple[Notice, ...]]:
        """What the engine will read: everything that fits, and a notice when less fits than a turn ago."""
        parts = self._draft(turn)
        counts = await self.generator.count(parts.messages)
        limit = self._room(sampling)
        fitted = prompt.fit(parts, counts, limit=limit)
        before = prompt.dropped_a_turn_ago(parts, counts, limit=limit)
        return replace(turn, prompt=fitted), duties.no_longer_fits(fitted.dropped, before)

    async def speak(self, turn: Turn, sampling: Sampling, *, started: float) -> AsyncGenerator[tuple[str, Turn], None]:
        """Let the model write; each piece, checked and journalled, with the turn as it then stands."""
        assert turn.prompt is not None  # compose() went before
        pieces, usage = Pieces(), Usage()
        self._speaking += 1
        try:
            async with aclosing(self.generator.stream(turn.prompt.messages, sampling)) as deltas:
                async for delta in deltas:
                    usage = self._account(usage, delta, started)
                    done = pieces.feed(delta.text)
                    if delta.finish:
                        done.append(pieces.flush())
                    for piece in done:
                        if released := await self._release(piece, turn):
                            usage = replace(usage, first_said_ms=usage.first_said_ms or self._since(started))
                            turn = turn.saying(released, usage)
                            yield released, turn
                    if delta.finish:
                        if added := _addition(turn):
                            await self._journal_piece(turn, added)
                            usage = replace(usage, first_said_ms=usage.first_said_ms or self._since(started))
                            turn = turn.saying(added, usage)
                            yield added, turn
                        turn = turn.ending(delta.finish, usage)
                        yield "", turn
            if turn.reply.finish == "open":
                raise GeneratorError("The brain stopped in the middle of its reply. Ask again with /retry.")
        finally:
            self._speaking -= 1

    async def care(self, turn: Turn) -> AsyncGenerator[tuple[str, Turn], None]:
        """Say the reviewed text of a decision in place of the model's answer."""
        pieces = Pieces()
        for piece in (*pieces.feed(turn.decision.replacement or ""), pieces.flush()):
            if piece:
                await self._journal_piece(turn, piece)
                turn = turn.saying(piece, turn.reply.usage)
                yield piece, turn
        yield "", turn.ending("stop", turn.reply.usage)

    async def commit(self, turn: Turn, *, started: float) -> tuple[Turn, SamanthaError | None]:
        """Keep what was truly said, interrupted or not; with the error where that could not be done."""
        finish = "interrupted" if turn.reply.finish == "open" else turn.reply.finish
        turn = turn.ending(finish, replace(turn.reply.usage, total_ms=self._since(started)))
        if turn.conversation.keep:
            try:
                await self.journal.commit(turn)
            except SamanthaError as error:
                return turn, error
        return turn, None

    async def idle(self) -> None:
        """Wait until nothing is read ahead any more."""
        await asyncio.gather(*self._idle)

    async def aclose(self) -> None:
        """Stop reading ahead. The ports are closed by whoever opened them."""
        for task in self._idle:
            task.cancel()
        await asyncio.gather(*self._idle, return_exceptions=True)

    def _in_order(self, conversation: Conversation) -> asyncio.Lock:
        """One turn of a thread at a time; a thread that is not kept has no order."""
        if not conversation.keep:
            return asyncio.Lock()
        return self._threads.setdefault(f"{conversation.person}\0{conversation.thread}", asyncio.Lock())

    def _draft(self, turn: Turn) -> prompt.Draft:
        """The persona and its examples follow the first message of the branch, and so stay the same throughout."""
        language = self._language(turn)
        examples = choose_examples(self.persona, _first_message(turn), language, count=self.examples)
        background = max(0, self.generator.brain.context - CONTEXT) // 2  # characters; a larger brain reads more of her
        persona = system_text(self.persona, language, background=background)
        return prompt.draft(turn, persona=persona, examples=as_messages(examples), note=turn.support.note)

    def _language(self, turn: Turn) -> Language:
        """What the brain reads of her is in the language that the conversation began in."""
        languages, language = self.generator.brain.languages, language_of(_first_message(turn))
        if languages and language not in languages:
            return "en"  # Chinese would cost a brain many tokens that it cannot read
        return language

    def _room(self, sampling: Sampling) -> int:
        """Tokens that a prompt may have: a reply keeps up to half of the context for itself."""
        context = self.generator.brain.context
        return context - min(sampling.max_tokens, context // 2)

    async def _release(self, piece: str, turn: Turn) -> str:
        """Check a piece and journal what may be said of it."""
        released = self.policy.check(piece, turn)
        if released:
            await self._journal_piece(turn, released)
        return released

    async def _journal_piece(self, turn: Turn, piece: str) -> None:
        if turn.conversation.keep:
            await self.journal.say(turn.id, piece)

    def _account(self, usage: Usage, delta: Delta, started: float) -> Usage:
        if usage.first_token_ms is None and delta.text:
            usage = replace(usage, first_token_ms=self._since(started))
        if delta.finish is None:
            return usage
        return replace(
            usage,
            prompt_tokens=delta.prompt_tokens,
            cached_tokens=delta.cached_tokens,
            completion_tokens=delta.completion_tokens,
        )

    def _since(self, started: float) -> float:
        return round((self.clock.monotonic() - started) * 1000, 3)

    def _read_ahead(self, turn: Turn) -> None:
        """In idle time, read the finished exchange as the next prompt will begin: without the note of the moment."""
        if not self.reads_ahead or self._speaking or not turn.reply.text or turn.decision.replaces_model:
            return
        task = asyncio.get_running_loop().create_task(self._read(turn))
        self._idle.add(task)
        task.add_done_callback(self._idle.discard)

    async def _read(self, turn: Turn) -> None:
        said = Message("assistant", turn.reply.text)
        parts = self._draft(replace(turn, history=(*turn.history, turn.message, said)))
        parts = replace(parts, newest=())
        try:
            counts = await self.generator.count(parts.messages)
            fitted = prompt.fit(parts, counts, limit=self._room(self.sampling))
            await self.generator.read(fitted.messages)
        except SamanthaError:
            return  # reading ahead only saves time; the next turn meets the same trouble and names it


def _named(message: Message, conversation: Conversation) -> tuple[Message, Conversation]:
    """A message without an id gets one, and a conversation without a thread is named after its first message."""
    message = replace(message, id=message.id or uuid.uuid4().hex)
    return message, replace(conversation, thread=conversation.thread or message.id)


def _first_message(turn: Turn) -> str:
    """What the person began the branch with."""
    return next((said.text for said in turn.history if said.role == "user"), turn.message.text)


def _addition(turn: Turn) -> str:
    """The reviewed text that a decision adds to the model's answer, as a paragraph of its own."""
    addition = turn.decision.addition or ""
    return f"\n\n{addition}" if addition and turn.reply.text else addition


def _speakable(said: str) -> str:
    """`said` without control characters, and with U+FFFD for what was not UTF-8."""
    return _UNSPEAKABLE.sub("", _SURROGATE.sub("\ufffd", said))


class Forgetful:
    """The memory's place until there is one: recalls nothing."""

    async def recall(self, turn: Turn) -> tuple[()]:
        return ()
