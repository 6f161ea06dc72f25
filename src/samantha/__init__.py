"""Samantha: an open companion that runs on your own machine, and the school that made her.

from samantha import Samantha

with Samantha() as her:
    print(her.ask("What is your name?"))
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from samantha.companion import Companion
    from samantha.core.types import Conversation, Message, Sampling
    from samantha.settings import Settings
    from samantha.surfaces.python import Samantha

__version__ = "0.1.0"

_HOME = {
    "Companion": "samantha.companion",
    "Conversation": "samantha.core.types",
    "Message": "samantha.core.types",
    "Sampling": "samantha.core.types",
    "Samantha": "samantha.surfaces.python",
    "Settings": "samantha.settings",
}

__all__ = ["Companion", "Conversation", "Message", "Samantha", "Sampling", "Settings"]


def __getattr__(name: str) -> Any:
    """Public names are imported when they are used, so that `import samantha` stays instant."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'samantha' has no attribute '{name}'")
