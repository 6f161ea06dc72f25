"""`samantha chat`: the conversation in a terminal, or through a pipe."""

from samantha.surfaces.terminal.run import run

__all__ = ["run"]
