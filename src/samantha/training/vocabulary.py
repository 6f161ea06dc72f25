"""Chinese characters for a tokenizer and an embedding that were made for English.

BERT's tokenizer already sets each Chinese character apart, so a character that is in the vocabulary is a token.
Not here: learning what the new tokens mean (the recipe distils that from translations).
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain

import torch
from tokenizers import Tokenizer
from torch import Tensor


def missing_characters(texts: Iterable[str], tokenizer: Tokenizer, *, most: int, seen: int = 1) -> list[str]:
    """The characters beyond ASCII that the tokenizer does not know, the most frequent first.

    At most `most`, and only those that occur `seen` times.
    """
    counts = Counter(chain.from_iterable(text.lower() for text in texts))
    known = tokenizer.get_vocab()
    unknown = {sign: n for sign, n in counts.items() if ord(sign) > 127 and sign not in known and not sign.isspace()}
    return sorted((sign for sign, n in unknown.items() if n >= seen), key=lambda sign: (-unknown[sign], sign))[:most]


def extended(tokenizer: Tokenizer, characters: Sequence[str]) -> Tokenizer:
    """The tokenizer with `characters` as further tokens, numbered after the ones it has."""
    description = json.loads(tokenizer.to_str())
    vocabulary = description["model"]["vocab"]
    for number, character in enumerate(characters, start=len(vocabulary)):
        vocabulary[character] = number
    return Tokenizer.from_str(json.dumps(description, ensure_ascii=False))


def first_embeddings(
    pairs: Sequence[tuple[str, str]], characters: Sequence[str], tokenizer: Tokenizer, embeddings: Tensor
) -> Tensor:
    """Where each of `characters` begins: near the English tokens that it is translated with more often than others.

    `pairs` are (English, Chinese); `embeddings` (tokens, width) are those of the English tokens. A token's share in a
    character is its frequency in that character's translations over its frequency in all of them (pointwise mutual
    information without the logarithm), so that "the" says nothing. Returns (characters, width).
    """
    total = torch.zeros(len(embeddings))
    together: dict[str, Counter[int]] = {character: Counter() for character in characters}
    for english, chinese in pairs:
        there = set(tokenizer.encode(english, add_special_tokens=False).ids)
        total[list(there)] += 1
        for character in set(chinese) & together.keys():
            together[character].update(there)
    middle, spread = embeddings.mean(0), embeddings.std()
    rows = []
    for character in characters:
        ids = torch.tensor(list(together[character]), dtype=torch.long)
        if not len(ids):
            rows.append(middle + torch.randn_like(middle) * spread / 4)
            continue
        counts = torch.tensor(list(together[character].values()), dtype=torch.float)
        share = counts * (counts / total[ids].clamp(min=1))
        strongest = share.topk(min(8, len(share)))
        weights = strongest.values / strongest.values.sum()
        rows.append((weights[:, None] * embeddings[ids[strongest.indices]]).sum(0))
    return torch.stack(rows)
