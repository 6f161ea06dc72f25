"""What a command needs beyond the base installation, said before it starts. Not here: the commands."""

from importlib.util import find_spec

from samantha.core.errors import UsageError


def needs_training() -> None:
    """Raises `UsageError` where the packages of the `train` extra are not installed."""
    wanted = ("torch", "sklearn", "onnx", "sacrebleu", "safetensors")
    if missing := [name for name in wanted if find_spec(name) is None]:
        raise UsageError(
            "Training needs {missing}. Install it: `pip install 'samantha-companion[train]'`.",
            missing=", ".join(missing),
        )
