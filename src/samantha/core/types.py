"""The values that travel along the path: frozen, plain, standard library only.

A change makes a new value (`dataclasses.replace`). Not here: how any of them comes about.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from samantha.core.text import Text

Role = Literal["system", "user", "assistant"]
Finish = Literal["open", "stop", "length", "interrupted", "failed"]
Sentiment = Literal["negative", "neutral", "positive"]
Level = Literal["none", "concern", "crisis"]
Strategy = Literal[
    "question", "restatement", "reflection", "self_disclosure", "affirmation", "suggestion", "information"
]
"""The helping skills of Hill (2009) in the names that ESConv gives them, shortened."""
Change = Literal["lighter", "heavier", "calmer", "tenser"]


@dataclass(frozen=True, slots=True)
class Message:
    """One thing that was said.

    `id` makes it the same message when it is sent twice. `parent` is the id of the message it follows: None
    continues the thread where it stands, "" starts the thread anew (a branch beside the old beginning).
    """

    role: Role
    text: str
    id: str = ""
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """Who is talking, in which thread, and whether anything is kept.

    `history` is given where the client holds the conversation itself (the OpenAI protocol); else the journal
    knows it. With `keep=False` nothing is written anywhere.
    """

    person: str = "me"
    thread: str = ""
    keep: bool = True
    history: tuple[Message, ...] | None = None


@dataclass(frozen=True, slots=True)
class Emotion:
    """What a message sounds like: probability per label, and its place on the circumplex (Russell 1980)."""

    probabilities: Mapping[str, float]  # label -> 0..1, calibrated, independent of each other
    valence: float  # -1 unpleasant .. 1 pleasant
    arousal: float  # -1 calm .. 1 stirred
    labels: tuple[str, ...] = ()  # those beyond their thresholds, the most probable first

    @property
    def strongest(self) -> str:
        """The one label to name it by; "neutral" where none is beyond its threshold."""
        return self.labels[0] if self.labels else "neutral"


@dataclass(frozen=True, slots=True)
class Risk:
    """Whether somebody may be in danger, and of what kind."""

    level: Level
    kinds: Mapping[str, float] = field(default_factory=dict)  # kind -> 0..1


@dataclass(frozen=True, slots=True)
class Understanding:
    """What one encoder pass says about a message. A field is None where the encoder has no such head."""

    emotion: Emotion | None = None
    risk: Risk | None = None
    sentiment: Sentiment | None = None
    act: str | None = None  # kind of utterance: question, statement, ...
    vector: tuple[float, ...] | None = None  # of unit length, for comparing meanings
    encoder: str = ""  # hash of the encoder that made the vector; vectors of two encoders cannot be compared
    heads: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # of one's own labels: head -> label -> 0..1


@dataclass(frozen=True, slots=True)
class Entity:
    """Something named in a text, at `start` to `end` of its characters."""

    text: str
    label: str  # one of OntoNotes: PERSON, ORG, GPE, DATE, TIME, ...
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Reading:
    """How one message of a person sounded: what the journal keeps of an `Understanding`."""

    at: datetime
    thread: str
    valence: float
    arousal: float
    label: str  # the strongest emotion
    level: Level = "none"


@dataclass(frozen=True, slots=True)
class Mood:
    """How a person has been, from the readings of their messages; see `samantha.mind.feeling`.

    Where nothing was read of one side, it is as the other.
    """

    valence: float  # of this conversation, -1..1
    arousal: float
    usual_valence: float  # of the days before
    usual_arousal: float
    readings: int  # messages of this conversation that it rests on
    usual_readings: int = 0  # messages of the days before
    change: Change | None = None  # against the days before
    noticed: bool = False  # an earlier message of this conversation showed the same change


@dataclass(frozen=True, slots=True)
class Support:
    """What a moment asks for: the strategies that fit, the fitting ones first, and the note the brain reads."""

    strategies: tuple[Strategy, ...] = ()
    note: str = ""  # at most 60 tokens; empty where nothing needs saying


@dataclass(frozen=True, slots=True)
class Memory:
    """Something remembered, with where it comes from."""

    text: str
    source: str  # id of the message that it was learned from
    score: float  # 0..1, how much it matters now


@dataclass(frozen=True, slots=True)
class Decision:
    """What may be said to this message.

    `replacement` is reviewed text that is said in place of the model's answer, `addition` one that is said after it;
    both are in the language of the message. `reason` is shown to the person.
    """

    kind: Literal["pass", "soften", "refuse", "concern", "crisis", "stop"] = "pass"
    replacement: str | None = None
    addition: str | None = None
    reason: Text | None = None

    @property
    def replaces_model(self) -> bool:
        return self.replacement is not None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn from the logits. The names are those of the field."""

    temperature: float = 0.5  # 0 is greedy
    top_p: float = 0.95
    top_k: int = 40
    min_p: float = 0.1
    repeat_penalty: float = 1.1  # over the last 64 tokens; 1 is off
    dry_multiplier: float = 0.8  # against repeating whole phrases (the DRY sampler); 0 is off
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    max_tokens: int = 240
    seed: int | None = None
    stop: tuple[str, ...] = ()
    json_schema: str | None = None  # JSON text; the reply then fits the schema


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the engine reads for one reply: the messages that fit, and the account of what did not."""

    messages: tuple[Message, ...]
    tokens: int  # of the whole prompt, as counted before reading
    limit: int  # tokens that a prompt may have: the brain's context less the room for a reply
    dropped: int = 0  # the oldest messages of the conversation that no longer fit


@dataclass(frozen=True, slots=True)
class Usage:
    """What a reply cost. Times are milliseconds since `respond()` was called; None where it never happened."""

    prompt_tokens: int = 0  # of the whole prompt
    cached_tokens: int = 0  # of these, already in the KV cache
    completion_tokens: int = 0
    first_token_ms: float | None = None  # the model's first token exists
    first_said_ms: float | None = None  # the first checked piece was released
    total_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What was truly said so far, and how it ended."""

    text: str = ""
    finish: Finish = "open"
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Turn:
    """One message and everything that the path makes of it. Each stage returns a fuller copy."""

    conversation: Conversation
    message: Message  # with its id and parent settled
    history: tuple[Message, ...] = ()  # what precedes it on its branch, oldest first
    readings: tuple[Reading, ...] = ()  # of the person's earlier messages, in all threads, oldest first
    understanding: Understanding = Understanding()
    mood: Mood | None = None
    support: Support = Support()
    decision: Decision = Decision()
    memories: tuple[Memory, ...] = ()
    prompt: Prompt | None = None
    reply: Reply = Reply()
    at: datetime | None = None

    @property
    def id(self) -> str:
        """A turn is named by its message."""
        return self.message.id

    @property
    def reading(self) -> Reading | None:
        """How its message sounded, as dangerous as it was taken; None where nothing has told yet."""
        emotion, risk = self.understanding.emotion, self.understanding.risk
        if emotion is None or self.at is None:
            return None
        return Reading(
            at=self.at,
            thread=self.conversation.thread,
            valence=emotion.valence,
            arousal=emotion.arousal,
            label=emotion.strongest,
            level="crisis" if self.decision.kind == "crisis" else risk.level if risk else "none",
        )

    def saying(self, piece: str, usage: Usage) -> "Turn":
        """The same turn with one more piece said, and what the reply cost until then."""
        return replace(self, reply=Reply(self.reply.text + piece, "open", usage))

    def ending(self, finish: Finish, usage: Usage) -> "Turn":
        """The same turn, over."""
        return replace(self, reply=replace(self.reply, finish=finish, usage=usage))
