"""The network against the reference implementation, and the exported file against the network."""

import dataclasses
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from tokenizers import Tokenizer

from samantha.adapters.onnx_encoder import MODEL, TOKENIZER
from samantha.training import export
from samantha.training.data import padded
from samantha.training.models.encoder import Encoder, Output, Shape, trunk_from_bert

SHIPPED = Path(__file__).parents[2] / "src" / "samantha" / "encoder"
SAID = [
    "I am so tired today.",
    "The film was not bad!",
    "love",
    "My dog died, my phone died, we are very very very sad",
]


def outputs_of(path: Path, ids: torch.Tensor, mask: torch.Tensor) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(names, {"ids": ids.numpy(), "mask": mask.numpy()}), strict=True))


def test_the_trunk_computes_what_the_bert_of_transformers_does(shape: Shape, tokenizer: Tokenizer) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(1)
    reference = transformers.BertModel(
        transformers.BertConfig(
            vocab_size=shape.vocabulary,
            hidden_size=shape.width,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.attention_heads,
            intermediate_size=shape.inner,
            max_position_embeddings=shape.positions,
        ),
        add_pooling_layer=False,
    ).eval()
    ours = Encoder(shape).eval()
    ours.trunk.load_state_dict(trunk_from_bert(reference.state_dict(), shape))
    ids, mask = padded(tokenizer, SAID)
    with torch.inference_mode():
        theirs = reference(input_ids=ids, attention_mask=mask).last_hidden_state
        mine = ours.trunk(ids, mask)
    assert torch.allclose(mine[mask.bool()], theirs[mask.bool()], atol=1e-5)


def test_padding_changes_nothing(shape: Shape, tokenizer: Tokenizer) -> None:
    network = Encoder(shape).eval()
    with torch.inference_mode():
        together: Output = network(*padded(tokenizer, SAID))
        alone: Output = network(*padded(tokenizer, SAID[:1]))
    assert torch.allclose(together.vector[0], alone.vector[0], atol=1e-5)
    assert torch.allclose(together.logits["emotion"][0], alone.logits["emotion"][0], atol=1e-5)


def test_a_written_file_computes_what_the_rounded_network_does(
    shape: Shape, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    torch.manual_seed(2)
    export.write_onnx(Encoder(shape).state_dict(), shape, tmp_path / "tiny.onnx")
    rounded = Encoder(dataclasses.replace(shape, positions=export.POSITIONS)).eval()
    rounded.load_state_dict(export.read_onnx(tmp_path / "tiny.onnx"))
    ids, mask = padded(tokenizer, SAID)
    with torch.inference_mode():
        expected: Output = rounded(ids, mask)
    found = outputs_of(tmp_path / "tiny.onnx", ids, mask)
    assert (found["vector"] * expected.vector.numpy()).sum(-1).min() > 0.995
    for head, logits in expected.logits.items():
        assert np.abs(found[head] - logits.numpy()).max() < 0.05  # inputs of matrices are rounded to 8 bits


def test_rounding_keeps_every_weight_within_half_a_step() -> None:
    matrix = np.random.default_rng(0).normal(size=(5, 40)).astype(np.float32)
    stored, scale = export.quantized(matrix)
    assert np.abs(stored).max() == export.LARGEST
    assert (np.abs(stored * scale[:, None] - matrix) <= scale[:, None] / 2 + 1e-6).all()


def test_the_shipped_file_computes_what_pytorch_does_with_its_weights() -> None:
    weights = export.read_onnx(SHIPPED / MODEL)
    heads = {name.split(".")[1]: len(tensor) for name, tensor in weights.items() if name.endswith("labels.bias")}
    shape = Shape(vocabulary=len(weights["trunk.tokens.weight"]), positions=export.POSITIONS, heads=heads)
    network = Encoder(shape).eval()
    network.load_state_dict(weights)
    tokenizer = Tokenizer.from_file(str(SHIPPED / TOKENIZER))
    for said in [*SAID, "我今天很累，什么都不想做。", "She gave me the letter and left without a word."]:
        ids, mask = padded(tokenizer, [said])
        with torch.inference_mode():
            expected: Output = network(ids, mask)
        found = outputs_of(SHIPPED / MODEL, ids, mask)
        assert float((found["vector"] * expected.vector.numpy()).sum()) > 0.98
        for head, logits in expected.logits.items():
            assert np.abs(found[head] - logits.numpy()).max() < 1.0, (said, head)  # of logits that range over twenty
