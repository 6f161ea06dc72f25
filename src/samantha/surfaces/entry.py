"""The very entry of the command `samantha`.

Next to nothing is imported before Ctrl-C is taken care of. Not here: what the command does (`samantha.surfaces.cli`).
"""

import os
import sys

INTERRUPTED = 130  # the shell's own code for a program that Ctrl-C ended


def main() -> None:
    """The command; Ctrl-C ends it without a word even while it is still being imported."""
    try:
        import signal

        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # in the background it may be ignored
            signal.signal(signal.SIGINT, _leave)
        import samantha.settings  # noqa: F401  # pydantic makes a defect of its own out of a KeyboardInterrupt
        from samantha.surfaces.cli import main as command

        if signal.getsignal(signal.SIGINT) is _leave:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        command()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _leave(*_: object) -> None:
    os._exit(INTERRUPTED)  # nothing has been opened or said yet
