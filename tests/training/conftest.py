import json

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing

from samantha.training.models.encoder import Shape

WORDS = "i am so happy sad tired today the dog cat died my phone is not good bad we love hate it film was very".split()


@pytest.fixture
def tokenizer() -> Tokenizer:
    """Knows a few words, the way BERT does."""
    signs = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", ".", "!", *WORDS]
    vocabulary = {sign: number for number, sign in enumerate(signs)}
    made = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = BertNormalizer(lowercase=True)  # type: ignore[assignment]
    made.pre_tokenizer = BertPreTokenizer()  # type: ignore[assignment]
    made.post_processor = BertProcessing(("[SEP]", 3), ("[CLS]", 2))  # type: ignore[assignment]
    assert json.loads(made.to_str())["model"]["vocab"]["[CLS]"] == 2
    return made


@pytest.fixture
def shape() -> Shape:
    return Shape(
        vocabulary=40, width=32, layers=2, attention_heads=4, inner=64, positions=128, heads={"emotion": 3, "level": 2}
    )
