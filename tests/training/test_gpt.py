"""The language model against the reference implementation, and writing with a cache against reading anew."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from samantha.core.errors import SettingError
from samantha.training.decoding import Decoding, write
from samantha.training.models import encoder, seq2seq_lstm, seq2seq_transformer
from samantha.training.models.blocks import RMSNorm, rotated, rotation_of
from samantha.training.models.gpt import GPT, ROOM, Shape

SHAPE = Shape(
    vocabulary=50, width=32, layers=2, attention_heads=4, key_value_heads=2, inner=48, context=32, rotary_base=500.0
)


@pytest.fixture
def model() -> GPT:
    torch.manual_seed(0)
    return GPT(SHAPE).eval()


def some_ids(*size: int) -> Tensor:
    return torch.randint(5, SHAPE.vocabulary, size, generator=torch.Generator().manual_seed(1))


def under_the_names_of_llama(model: GPT) -> dict[str, Tensor]:
    found = {"model.embed_tokens.weight": model.tokens.weight, "model.norm.weight": model.norm.weight}
    found["lm_head.weight"] = model.tokens.weight
    for number, layer in enumerate(model.layers):
        query, keys, values = layer.attention.query_key_value.weight.split([32, 16, 16])
        named = {
            "self_attn.q_proj": query,
            "self_attn.k_proj": keys,
            "self_attn.v_proj": values,
            "self_attn.o_proj": layer.attention.attended.weight,
            "input_layernorm": layer.attention_norm.weight,
            "post_attention_layernorm": layer.norm.weight,
        } | {f"mlp.{name}_proj": getattr(layer.feed_forward, name).weight for name in ("gate", "up", "down")}
        found |= {f"model.layers.{number}.{name}.weight": weight for name, weight in named.items()}
    return found


def test_it_computes_what_the_llama_of_transformers_does(model: GPT) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(
        vocab_size=SHAPE.vocabulary,
        hidden_size=SHAPE.width,
        num_hidden_layers=SHAPE.layers,
        num_attention_heads=SHAPE.attention_heads,
        num_key_value_heads=SHAPE.key_value_heads,
        intermediate_size=SHAPE.inner,
        rms_norm_eps=SHAPE.norm_epsilon,
        rope_parameters={"rope_type": "default", "rope_theta": SHAPE.rotary_base},
        tie_word_embeddings=True,
    )
    reference = transformers.LlamaForCausalLM(config).eval()
    for weight in model.parameters():
        weight.data += torch.randn_like(weight) * 0.2  # far enough from the beginning for every part to matter
    reference.load_state_dict(under_the_names_of_llama(model))
    ids = some_ids(3, 20)
    with torch.inference_mode():
        mine, theirs = model.logits(model(ids)), reference(input_ids=ids).logits
    assert theirs.std() > 0.5
    assert torch.allclose(mine, theirs, atol=1e-4)


def test_ways_back_that_are_written_out_are_the_gradients() -> None:
    hidden = torch.randn(2, 3, 4, 8, generator=torch.Generator().manual_seed(0), dtype=torch.double, requires_grad=True)
    norm, rotation = RMSNorm(8, epsilon=1e-2).double(), rotation_of(torch.arange(3), 8)
    norm.weight.data += torch.arange(8) / 8
    assert torch.autograd.gradcheck(lambda given, _: norm(given), (hidden, norm.weight))
    assert torch.autograd.gradcheck(lambda given: rotated(given, [part.double() for part in rotation]), (hidden,))


def test_learning_and_writing_compute_the_same(model: GPT) -> None:
    ids = some_ids(2, 9)
    with torch.no_grad():
        writing = model.eval()(ids)
    assert torch.allclose(model.train()(ids), writing, atol=1e-5)


def test_weights_change_their_order_in_memory_and_nothing_else(model: GPT) -> None:
    before = {name: weight.clone() for name, weight in model.train().state_dict().items()}
    weight = model.layers[0].feed_forward.down.weight
    assert weight.is_contiguous()
    assert not model.eval().layers[0].feed_forward.down.weight.is_contiguous()
    assert model.layers[0].feed_forward.down.weight is weight  # the optimizer's
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())


def test_the_last_layer_reads_out_through_the_embeddings(model: GPT) -> None:
    assert not [name for name, _ in model.named_parameters() if "head" in name]
    hidden = torch.randn(2, 3, SHAPE.width)
    assert torch.equal(model.logits(hidden), hidden @ model.tokens.weight.T)


def test_a_token_does_not_see_what_follows(model: GPT) -> None:
    ids = some_ids(1, 12)
    changed = ids.clone()
    changed[0, 8:] = 7
    assert torch.allclose(model(ids)[0, :8], model(changed)[0, :8], atol=1e-6)
    assert not torch.allclose(model(ids)[0, 8:], model(changed)[0, 8:], atol=1e-3)


def test_a_packed_document_sees_nothing_of_its_neighbour(model: GPT) -> None:
    first, second = some_ids(1, 7), some_ids(1, 13)[:, 7:]
    packed, documents = torch.cat([first, second], 1), torch.tensor([[1] * 7 + [2] * 6])
    together = model(packed, documents=documents)
    assert torch.allclose(together[:, :7], model(first), atol=1e-5)
    assert torch.allclose(together[:, 7:], model(second), atol=1e-5)
    assert not torch.allclose(model(packed)[:, 7:], model(second), atol=1e-3)


def written(model: GPT, prompt: Tensor, mask: Tensor, steps: int) -> tuple[Tensor, list[Tensor]]:
    """The most probable tokens (rows, steps) after `prompt`, and the logits that each was chosen from."""
    state, logits = model.begin(prompt, mask)
    chosen, seen = [logits.argmax(-1)], [logits]
    for _ in range(steps - 1):
        state, logits = model.step(state, chosen[-1])
        chosen.append(logits.argmax(-1))
        seen.append(logits)
    return torch.stack(chosen, 1), seen


def test_cached_writing_equals_uncached(model: GPT) -> None:
    prompt, steps = some_ids(2, 9), ROOM + 3  # more than the cache has room for at first
    chosen, seen = written(model, prompt, torch.ones_like(prompt), steps)
    anew = model.logits(model(torch.cat([prompt, chosen], 1)))[:, 8:-1]
    assert torch.allclose(torch.stack(seen, 1), anew, atol=1e-5)


def test_a_prompt_that_is_filled_up_writes_what_it_does_alone(model: GPT) -> None:
    long, short = some_ids(1, 9), some_ids(1, 4)
    prompts = torch.cat([long, functional.pad(short, (5, 0))])
    together, _ = written(model, prompts, (prompts > 0).long(), 6)
    for row, prompt in zip(together, (long, short), strict=True):
        alone, _ = written(model, prompt, torch.ones_like(prompt), 6)
        assert row.tolist() == alone[0].tolist()


def test_the_decoding_of_the_school_writes_with_it(model: GPT) -> None:
    prompts = torch.cat([some_ids(1, 9), functional.pad(some_ids(1, 4), (5, 0))])
    chosen, _ = written(model, prompts, (prompts > 0).long(), 6)
    last = chosen[0, 2].item()  # the first row ends before the second
    greedy = Decoding(max_tokens=6, ends=(int(last),), never=())
    found = write(model, prompts, (prompts > 0).long(), greedy, generator=torch.Generator())
    assert found == [row[: row.index(last)] if last in row else row for row in chosen.tolist()]
    assert len(found[0]) < 3


def test_rows_can_be_dropped_repeated_and_written_on_apart(model: GPT) -> None:
    prompts = torch.cat([some_ids(1, 9), functional.pad(some_ids(1, 4), (5, 0)), some_ids(1, 9).flip(1)])
    state, _ = model.begin(prompts, (prompts > 0).long())
    chosen = model.rearranged(state, torch.tensor([1, 2, 1]))
    _, all_rows = model.step(state, torch.tensor([8, 9, 10]))
    _, logits = model.step(chosen, torch.tensor([9, 10, 11]))
    assert torch.allclose(logits[:2], all_rows[1:], atol=1e-5)
    assert not torch.allclose(logits[2], logits[0], atol=1e-3)


def test_the_loss_falls_on_twenty_memorised_examples() -> None:
    torch.manual_seed(0)
    model, ids = GPT(SHAPE, dropout=0.05), some_ids(20, 12)
    ids[:, 0] = torch.arange(20)
    optimizer, losses = torch.optim.AdamW(model.parameters(), lr=1e-2), []
    for _ in range(120):
        logits = model.logits(model(ids[:, :-1]))
        losses.append(functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[0] > 3.5
    assert losses[-1] < 0.3


def test_it_trains_in_bfloat16(model: GPT) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        loss = model.logits(model(some_ids(2, 8), documents=torch.ones(2, 8))).float().logsumexp(-1).mean()
    loss.backward()
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters())


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"width": 36}, "multiple of 8"),
        ({"key_value_heads": 3}, "divisor of 4"),
        *(
            ({name: size}, f"{name} is {size}. Set 1 at least.")
            for name in ("width", "layers", "attention_heads", "key_value_heads", "inner", "context", "rotary_base")
            for size in (0, -8)
        ),
    ],
)
def test_sizes_that_contradict_each_other_are_explained(wrong: dict[str, int], complaint: str) -> None:
    with pytest.raises(SettingError, match=complaint):
        replace(SHAPE, **wrong)


@pytest.mark.parametrize(
    ("shape", "wrong"),
    [
        (encoder.Shape, {"attention_heads": 0}),
        (encoder.Shape, {"positions": 0}),
        (encoder.Shape, {"attention_heads": 5}),
        (partial(seq2seq_lstm.Shape, 20, 20), {"width": 0}),
        (partial(seq2seq_lstm.Shape, 20, 20), {"layers": -1}),
        (partial(seq2seq_transformer.Shape, 20, 20), {"decoder_layers": 0}),
        (partial(seq2seq_transformer.Shape, 20, 20), {"memory_width": 0}),
    ],
)
def test_sizes_of_the_other_architectures_are_explained_as_well(
    shape: Callable[..., object], wrong: dict[str, int]
) -> None:
    with pytest.raises(SettingError, match=r"Set \d at least|Set a multiple of 5"):
        shape(**wrong)
