"""Everything that can go wrong and that a person can do something about.

    SamanthaError
    ├── UsageError            a wrong setting, argument or file of the person's own        (exit code 2)
    │   ├── SettingError
    │   ├── PersonaError
    │   ├── TrainingError     what a model is to be trained on
    │   ├── DialogueError     a file of written conversations
    │   └── MessageError      empty, too long for the brain, already being answered
    ├── WeightsError          a model file that is missing, damaged or cannot be fetched   (exit code 1)
    │   ├── ModelMissing
    │   ├── ModelDamaged
    │   └── ModelUnsupported
    ├── GeneratorError        the engine or the endpoint failed while answering            (exit code 1)
    │   └── EndpointError
    ├── StorageError          the journal cannot be read or written                        (exit code 1)
    ├── EncoderError          the encoder or a head of it is missing, damaged or too old   (exit code 1)
    ├── VoiceError            no voice, or no sound device                                 (exit code 1)
    └── ServerError           the HTTP service cannot start                                (exit code 1)

A message says what, which value, and what to do next. Errors never log themselves.
"""

from typing import ClassVar

from samantha.core.text import Text


class SamanthaError(Exception):
    """Base of the tree. `text` is the English template with its values, so that surfaces can translate it."""

    exit_code: ClassVar[int] = 1

    def __init__(self, template: str, /, **values: object) -> None:
        self.text = Text(template, values)
        super().__init__(str(self.text))


class UsageError(SamanthaError):
    """Something the person wrote, set or pointed at is wrong."""

    exit_code = 2


class SettingError(UsageError):
    """A setting is unknown, has the wrong type or contradicts another."""


class PersonaError(UsageError):
    """A persona file or character card cannot be used."""


class MessageError(UsageError):
    """A message cannot be answered as it is."""


class TrainingError(UsageError):
    """A training file cannot be used."""


class DialogueError(UsageError):
    """A file of written conversations cannot be read."""


class WeightsError(SamanthaError):
    """A model file cannot be had."""


class ModelMissing(WeightsError):
    """The file is not on this machine."""


class ModelDamaged(WeightsError):
    """The file is truncated, corrupt or has another hash than the catalogue says."""


class ModelUnsupported(WeightsError):
    """The engine does not know this architecture or cannot hold what is asked of it."""


class GeneratorError(SamanthaError):
    """The engine failed while answering."""


class EndpointError(GeneratorError):
    """A remote engine is down, slow, refuses, or stopped mid-stream."""


class StorageError(SamanthaError):
    """The journal cannot be read or written."""


class EncoderError(SamanthaError):
    """The encoder cannot be opened, or does not fit what is asked of it."""


class VoiceError(SamanthaError):
    """There is no voice, or nothing to play it on."""


class ServerError(SamanthaError):
    """The HTTP service cannot start."""
