"""What may be said, and when to step in.

Today: everything passes, and nothing pretends to judge. The graded policy arrives with the encoder that can
tell danger from a figure of speech; it takes this place through `samantha.core.ports.Policy`.
"""

from samantha.core.types import Decision, Turn


class OpenPolicy:
    """Lets every message through to the model and every piece through to the person."""

    def decide(self, turn: Turn) -> Decision:
        return Decision("pass")

    def check(self, piece: str, turn: Turn) -> str:
        return piece
