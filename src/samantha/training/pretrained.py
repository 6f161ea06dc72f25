"""A pretrained BERT in a folder: its trunk and its tokenizer, for whatever is learned on top of them.

Not here: the network (`samantha.training.models.encoder`), or what stands on its hidden states.
"""

import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer

from samantha.core.errors import SettingError, TrainingError
from samantha.training.models.encoder import Shape, Trunk, trunk_from_bert
from samantha.training.understanding import tokenizer_of


def trunk(folder: Path, *, dropout: float = 0.1) -> Trunk:
    """The BERT in `folder` (config.json, model.safetensors), without what stands on its hidden states.

    Raises `TrainingError` where there is none.
    """
    try:
        said = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        shape = Shape(
            vocabulary=said["vocab_size"],
            width=said["hidden_size"],
            layers=said["num_hidden_layers"],
            attention_heads=said["num_attention_heads"],
            inner=said["intermediate_size"],
            positions=said["max_position_embeddings"],
            norm_epsilon=said["layer_norm_eps"],
        )
        made = Trunk(shape, dropout=dropout)
        made.load_state_dict(trunk_from_bert(load_file(folder / "model.safetensors"), shape))
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError, SettingError) as error:
        raise TrainingError(
            "The encoder in '{folder}' cannot be read ({reason}). Give the folder of a BERT such as all-MiniLM-L6-v2, "
            "with config.json, model.safetensors and tokenizer.json.",
            folder=folder,
            reason=error,
        ) from error
    return made


def tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of the BERT in `folder`, which neither fills up nor cuts. Raises `TrainingError` without one."""
    try:
        return tokenizer_of(folder)
    except Exception as error:  # the library raises no narrower one
        raise TrainingError(
            "The tokenizer of the encoder in '{folder}' cannot be read: {reason}", folder=folder, reason=error
        ) from error
