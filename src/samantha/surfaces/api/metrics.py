"""What the service counts, for Prometheus. Numbers only: no person, thread or word ever becomes a label.

Each service has its own registry, so that two in one process do not share their counts.
"""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from samantha.core.types import Turn

_FIRST_TOKEN = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 30)  # seconds
_WHOLE_TURN = (0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120)  # seconds


class Metrics:
    """`running` and `waiting` say how many turns there are of each when somebody looks."""

    def __init__(self, *, running: Callable[[], float], waiting: Callable[[], float]) -> None:
        self._registry = registry = CollectorRegistry()
        self._turns = Counter("samantha_turns", "Turns, by how their reply ended.", ["finish"], registry=registry)
        self._tokens = Counter(
            "samantha_tokens", "Tokens read, found in the cache, or written.", ["kind"], registry=registry
        )
        self._first_token = Histogram(
            "samantha_first_token_seconds", "Time to the first token.", buckets=_FIRST_TOKEN, registry=registry
        )
        self._whole_turn = Histogram(
            "samantha_turn_seconds", "Time of a whole turn.", buckets=_WHOLE_TURN, registry=registry
        )
        for name, meaning, look in (
            ("samantha_turns_running", "Turns being answered.", running),
            ("samantha_turns_waiting", "Turns waiting to be answered.", waiting),
        ):
            Gauge(name, meaning, registry=registry).set_function(look)

    def count(self, turn: Turn) -> None:
        """Count a turn that is over."""
        usage = turn.reply.usage
        self._turns.labels(turn.reply.finish).inc()
        self._tokens.labels("read").inc(usage.prompt_tokens - usage.cached_tokens)
        self._tokens.labels("cached").inc(usage.cached_tokens)
        self._tokens.labels("written").inc(usage.completion_tokens)
        if usage.first_token_ms is not None:
            self._first_token.observe(usage.first_token_ms / 1000)
        if usage.total_ms is not None:
            self._whole_turn.observe(usage.total_ms / 1000)

    def render(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)
