"""Values that have to lie in a range, refused in one sentence wherever they are set. Not here: which ranges."""

from collections.abc import Mapping

from samantha.core.errors import SettingError


def within(name: str, value: float, lowest: float, highest: float) -> None:
    """Raises `SettingError` where `value` is outside the range, both ends of which belong to it."""
    if not lowest <= value <= highest:
        raise SettingError(
            "{name} is {value}. It has to lie between {lowest} and {highest}.",
            name=name,
            value=value,
            lowest=lowest,
            highest=highest,
        )


def check(values: object, ranges: Mapping[str, tuple[float, float]]) -> None:
    """The same for attributes of `values`, by name."""
    for name, (lowest, highest) in ranges.items():
        within(name, getattr(values, name), lowest, highest)
