"""BERT against the reference implementation, and what its heads can learn."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from samantha.training.models.bert import BERT, Classifier, Shape, Span
from samantha.training.models.encoder import trunk_from_bert
from samantha.training.tokens import BEGIN, MASK

SHAPE = Shape(vocabulary=40, width=32, layers=2, attention_heads=4, inner=64, positions=24)


def twenty() -> tuple[Tensor, Tensor]:
    """Ids (20, 12), each row another, of which the odd rows are filled up; and the mask."""
    ids = torch.randint(7, SHAPE.vocabulary, (20, 12), generator=torch.Generator().manual_seed(1))
    ids[:, 0], mask = BEGIN, torch.ones_like(ids)
    mask[1::2, 9:] = 0
    return ids * mask, mask


def learned(parameters: list[torch.nn.Parameter], loss_of: Callable[[], Tensor], *, steps: int) -> tuple[float, float]:
    """The loss before and after."""
    optimizer, losses = torch.optim.AdamW(parameters, lr=3e-3), []
    for _ in range(steps):
        losses.append(loss_of())
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    return losses[0].item(), losses[-1].item()


def test_it_computes_what_the_masked_language_model_of_transformers_does() -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=SHAPE.vocabulary,
        hidden_size=SHAPE.width,
        num_hidden_layers=SHAPE.layers,
        num_attention_heads=SHAPE.attention_heads,
        intermediate_size=SHAPE.inner,
        max_position_embeddings=SHAPE.positions,
    )
    reference = transformers.BertForMaskedLM(config).eval()
    for weight in reference.parameters():
        weight.data += torch.randn_like(weight) * 0.1  # far enough from the beginning for every part to matter
    theirs, model = reference.cls.predictions, BERT(SHAPE).eval()
    model.trunk.load_state_dict(trunk_from_bert(reference.bert.state_dict(), SHAPE))
    model.transform.load_state_dict(theirs.transform.dense.state_dict())
    model.norm.load_state_dict(theirs.transform.LayerNorm.state_dict())
    model.bias.data = theirs.bias.data
    ids, mask = twenty()
    with torch.inference_mode():
        expected, found = reference(input_ids=ids, attention_mask=mask).logits, model.logits(model(ids, mask))
    assert expected.std() > 0.5
    assert torch.allclose(found[mask.bool()], expected[mask.bool()], atol=1e-4)


def test_the_tokens_masked_in_twenty_examples_can_be_learned_by_heart() -> None:
    torch.manual_seed(0)
    model, (ids, mask) = BERT(SHAPE, dropout=0.0), twenty()
    hidden = torch.zeros_like(ids).bool()
    hidden[torch.arange(20), 2 + torch.arange(20) % 7] = True

    def loss() -> Tensor:
        states = model(ids.masked_fill(hidden, MASK), mask)
        return functional.cross_entropy(model.logits(states[hidden]), ids[hidden])  # logits where there is a label

    before, after = learned(list(model.parameters()), loss, steps=80)
    assert after < 0.2 < 3 < before


def test_a_classifier_learns_the_labels_of_twenty_examples() -> None:
    torch.manual_seed(0)
    model, classify, (ids, mask) = BERT(SHAPE, dropout=0.0), Classifier(SHAPE, 2, dropout=0.0), twenty()
    labels = torch.arange(20) // 3 % 2
    before, after = learned(
        [*model.parameters(), *classify.parameters()],
        lambda: functional.cross_entropy(classify(model(ids, mask), mask), labels),
        steps=60,
    )
    assert after < 0.1 < 0.5 < before


def test_a_span_head_learns_where_twenty_answers_begin_and_end() -> None:
    torch.manual_seed(0)
    model, span, (ids, mask) = BERT(SHAPE, dropout=0.0), Span(SHAPE), twenty()
    ends = torch.stack([torch.arange(20) % 4 + 1, torch.arange(20) % 5 + 4], 1)
    before, after = learned(
        [*model.parameters(), *span.parameters()],
        lambda: functional.cross_entropy(span(model(ids, mask)).flatten(0, 1), ends.flatten()),
        steps=100,
    )
    assert after < 0.2 < 2 < before
    assert (span(model(ids, mask)).argmax(-1) == ends).all()


def test_what_fills_a_row_up_changes_neither_label_nor_masked_token() -> None:
    torch.manual_seed(0)
    model, classify, (ids, mask) = BERT(SHAPE).eval(), Classifier(SHAPE, 3).eval(), twenty()
    alone, short = model(ids[1:2, :9], mask[1:2, :9]), model(ids, mask)[1:2]
    assert torch.allclose(classify(alone, mask[1:2, :9]), classify(short, mask[1:2]), atol=1e-5)
    assert torch.allclose(model.logits(alone), model.logits(short[:, :9]), atol=1e-5)
