"""Text <-> token ids: tokenizers that are trained here, and the ids that mean something in all of them.

Special tokens are ids alone. They are no "added tokens", which the library would look for in any text, and no merge
ends in one, so that what somebody wrote never becomes one. Not here: files of ids, and batches of them.
"""

import json
import re
from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from samantha.core.chat import IM_END, IM_START, Piece
from samantha.core.errors import TrainingError

NAMES = ("<|pad|>", "<|begin|>", "<|end|>", "<|unknown|>", "<|mask|>", IM_START, IM_END)
PAD, BEGIN, END, UNKNOWN, MASK, TURN_BEGIN, TURN_END = SPECIAL = range(len(NAMES))

_CONTROL = re.compile(f"({'|'.join(map(re.escape, NAMES))})")
_FRAME = processors.TemplateProcessing(
    single=f"{NAMES[BEGIN]} $A {NAMES[END]}",
    pair=f"{NAMES[BEGIN]} $A {NAMES[END]} $B {NAMES[END]}",
    special_tokens=[(NAMES[BEGIN], BEGIN), (NAMES[END], END)],
)


def byte_level(texts: Iterable[str], size: int) -> Tokenizer:
    """Learn at most `size` tokens from `texts`: byte-level BPE (Sennrich et al. 2016, Radford et al. 2019).

    It knows every byte, so nothing is unknown and each text comes back as it was. Raises `TrainingError` where `size`
    has no room for the bytes.
    """
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    least = len(NAMES) + len(alphabet)
    if size < least:
        raise TrainingError(
            "A vocabulary of {size} is too small: bytes and special tokens alone are {least}.", size=size, least=least
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(NAMES), initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _finished(tokenizer)


def characters(text: str) -> Tokenizer:
    """Each character that occurs in `text` is a token; any other is unknown."""
    vocabulary = {token: number for number, token in enumerate([*NAMES, *sorted(set(text))])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token=NAMES[UNKNOWN]))
    tokenizer.decoder = decoders.Fuse()
    return _finished(tokenizer)


def _finished(tokenizer: Tokenizer) -> Tokenizer:
    """It frames a text with BEGIN and END where that is asked for, and looks for no special token in it."""
    tokenizer.post_processor = _FRAME
    return Tokenizer.from_str(json.dumps({**json.loads(tokenizer.to_str()), "added_tokens": []}))


def encode(tokenizer: Tokenizer, text: str) -> list[int]:
    """The tokens of `text` alone, without BEGIN and END (`Tokenizer.encode` adds these)."""
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids


def encode_pieces(tokenizer: Tokenizer, pieces: Sequence[Piece]) -> list[list[int]]:
    """The tokens of each piece of a conversation. In a control piece, the names of special tokens are these."""
    return [
        _encode_control(tokenizer, piece.text) if piece.control else encode(tokenizer, piece.text) for piece in pieces
    ]


def _encode_control(tokenizer: Tokenizer, text: str) -> list[int]:
    ids: list[int] = []
    for part in _CONTROL.split(text):
        ids += [NAMES.index(part)] if part in NAMES else encode(tokenizer, part)
    return ids


def decode(tokenizer: Tokenizer, ids: Iterable[int]) -> str:
    """The text of `ids`, in which special tokens say nothing."""
    text: str = tokenizer.decode([number for number in ids if number not in SPECIAL])
    return text
