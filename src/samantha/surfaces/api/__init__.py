"""Samantha over HTTP: her own API (`turns.py`) and OpenAI's (`openai.py`), behind one guard, on one path.

`build_app` gives the application, `serve` listens until it is told to stop. Not here: any decision about what
is said; that is `Companion.respond()`.
"""

from samantha.surfaces.api.app import build_app
from samantha.surfaces.api.server import serve
from samantha.surfaces.api.service import Service

__all__ = ["Service", "build_app", "serve"]
