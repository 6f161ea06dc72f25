"""The labels of what she understands: the vocabulary that training, the encoder's adapter and the mind share.

Where a label came from and what it means is said here once. Not here: how probable any of them is.
"""

from types import MappingProxyType

from samantha.core.types import Level, Sentiment

EMOTIONS = (
    "admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion", "curiosity", "desire",
    "disappointment", "disapproval", "disgust", "embarrassment", "excitement", "fear", "gratitude", "grief", "joy",
    "love", "nervousness", "optimism", "pride", "realization", "relief", "remorse", "sadness", "surprise", "neutral",
)  # fmt: skip
"""The 28 labels of GoEmotions (Demszky et al. 2020)."""

EKMAN = MappingProxyType(
    {
        "anger": ("anger", "annoyance", "disapproval"),
        "disgust": ("disgust",),
        "fear": ("fear", "nervousness"),
        "joy": (
            "joy", "amusement", "approval", "excitement", "gratitude", "love", "optimism", "relief", "pride",
            "admiration", "desire", "caring",
        ),
        "neutral": ("neutral",),
        "sadness": ("sadness", "disappointment", "embarrassment", "grief", "remorse"),
        "surprise": ("surprise", "realization", "confusion", "curiosity"),
    }
)  # fmt: skip
"""The basic emotions of Ekman (1992), and which labels GoEmotions puts under each."""

SENTIMENTS: tuple[Sentiment, ...] = ("negative", "neutral", "positive")

SENTIMENT_OF_EMOTION: MappingProxyType[str, Sentiment | None] = MappingProxyType(
    {
        **dict.fromkeys(
            (name for names in (EKMAN["anger"], EKMAN["disgust"], EKMAN["fear"], EKMAN["sadness"]) for name in names),
            "negative",
        ),
        **dict.fromkeys(EKMAN["joy"], "positive"),
        **dict.fromkeys(EKMAN["surprise"]),
        "neutral": "neutral",
    }
)
"""None where the emotion does not tell: surprise, realization, confusion and curiosity go either way."""

LEVELS: tuple[Level, ...] = ("none", "concern", "crisis")

KINDS = (
    "self_harm", "eating_disorder", "abuse", "violence", "sexual", "minors", "hate", "dangerous_instructions",
    "prompt_injection",
)  # fmt: skip
"""What a message is about in earnest; `utterances/README.md` says where each begins and ends."""

ACTS = (
    "greeting", "farewell", "thanks", "apology", "question", "advice_seeking", "request", "disclosure", "statement",
    "commitment", "agreement", "disagreement", "acknowledgement",
)  # fmt: skip
"""Kinds of utterance, a selection of the communicative functions of ISO 24617-2."""

CIRCUMPLEX: MappingProxyType[str, tuple[float, float]] = MappingProxyType(
    {
        "admiration": (0.7, 0.2), "amusement": (0.7, 0.4), "anger": (-0.7, 0.8), "annoyance": (-0.5, 0.4),
        "approval": (0.5, 0.0), "caring": (0.6, 0.0), "confusion": (-0.2, 0.2), "curiosity": (0.2, 0.4),
        "desire": (0.4, 0.5), "disappointment": (-0.6, -0.3), "disapproval": (-0.5, 0.2), "disgust": (-0.7, 0.4),
        "embarrassment": (-0.5, 0.3), "excitement": (0.8, 0.9), "fear": (-0.7, 0.8), "gratitude": (0.8, 0.1),
        "grief": (-0.9, -0.3), "joy": (0.9, 0.5), "love": (0.9, 0.3), "nervousness": (-0.5, 0.6),
        "optimism": (0.6, 0.3), "pride": (0.7, 0.4), "realization": (0.0, 0.1), "relief": (0.6, -0.5),
        "remorse": (-0.6, -0.1), "sadness": (-0.8, -0.5), "surprise": (0.1, 0.8), "neutral": (0.0, 0.0),
    }
)  # fmt: skip
"""Valence and arousal of each emotion, -1..1: its place on the circumplex of Russell (1980), by quadrant and rounded to
tenths, chosen for this project. An estimate of where a word lies, not a measurement of a person."""
