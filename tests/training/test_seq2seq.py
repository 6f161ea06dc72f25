"""Both sequence-to-sequence models: against a reference, against themselves, and on pairs to learn by heart."""

import random
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from samantha.core.errors import SettingError
from samantha.training import decoding
from samantha.training.decoding import Decoding
from samantha.training.models import encoder, seq2seq_lstm, seq2seq_transformer
from samantha.training.models.seq2seq_lstm import Seq2SeqLSTM
from samantha.training.models.seq2seq_transformer import Attention, Seq2SeqTransformer
from samantha.training.tokens import BEGIN, END, PAD

Model = Seq2SeqLSTM | Seq2SeqTransformer
VOCABULARY = 20
CHANCE = torch.Generator()


def lstm(tie: str = "output", layers: int = 2) -> Seq2SeqLSTM:
    torch.manual_seed(0)
    shape = seq2seq_lstm.Shape(VOCABULARY, VOCABULARY, width=32, layers=layers, tie=tie)  # type: ignore[arg-type]
    return Seq2SeqLSTM(shape, dropout=0.0).eval()


def transformer(tie: str = "output") -> Seq2SeqTransformer:
    torch.manual_seed(0)
    return Seq2SeqTransformer(transformer_shape(tie), dropout=0.0).eval()


def transformer_shape(tie: str = "output", memory_width: int | None = None) -> seq2seq_transformer.Shape:
    return seq2seq_transformer.Shape(
        source_vocabulary=VOCABULARY,
        target_vocabulary=VOCABULARY,
        width=32,
        encoder_layers=2,
        decoder_layers=2,
        attention_heads=4,
        inner=64,
        memory_width=memory_width,
        tie=tie,  # type: ignore[arg-type]
    )


def trunk(width: int = 48) -> encoder.Trunk:
    torch.manual_seed(0)
    sizes = encoder.Shape(vocabulary=VOCABULARY, width=width, layers=2, attention_heads=4, inner=64, positions=32)
    return encoder.Trunk(sizes, dropout=0.0)


def on_a_trunk() -> Seq2SeqTransformer:
    """A decoder on a pretrained encoder, which is wider than it is."""
    return Seq2SeqTransformer(transformer_shape(memory_width=48), encoder=trunk(), dropout=0.0).eval()


MODELS = [
    pytest.param(lambda: lstm("nothing"), id="lstm"),
    pytest.param(lambda: lstm("all", layers=1), id="lstm-tied"),
    pytest.param(lambda: transformer("nothing"), id="transformer"),
    pytest.param(lambda: transformer("all"), id="transformer-tied"),
    pytest.param(on_a_trunk, id="transformer-on-a-trunk"),
]
on_all = pytest.mark.parametrize("made", MODELS)


def filled(rows: list[list[int]]) -> Tensor:
    return nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=PAD)


def pairs(number: int = 20) -> tuple[Tensor, Tensor]:
    """Sources, and as targets the same with every token moved by one, backwards; different lengths."""
    chance = random.Random(0)
    texts = [[chance.randrange(5, 19) for _ in range(chance.randrange(2, 7))] for _ in range(number)]
    return filled([[*text, END] for text in texts]), filled(
        [[BEGIN, *(t + 1 for t in text[::-1]), END] for text in texts]
    )


# Against references


def attention_of(theirs: nn.MultiheadAttention, ours: Attention) -> None:
    """Copy the weights of torch's attention into ours."""
    weight, bias = theirs.in_proj_weight, theirs.in_proj_bias  # query, key and value below each other
    ours.query.load_state_dict({"weight": weight[:32], "bias": bias[:32]})
    ours.key_value.load_state_dict({"weight": weight[32:], "bias": bias[32:]})
    ours.attended.load_state_dict(theirs.out_proj.state_dict())


def layer_of(theirs: Any, ours: Any) -> None:
    """Copy the weights of a layer of torch's, of the encoder or the decoder, into ours."""
    attention_of(theirs.self_attn, ours.attention)
    norms = [ours.attention_norm, ours.norm]
    if isinstance(theirs, nn.TransformerDecoderLayer):
        attention_of(theirs.multihead_attn, ours.source_attention)
        norms.insert(1, ours.source_norm)
    for number, norm in enumerate(norms, start=1):
        norm.load_state_dict(getattr(theirs, f"norm{number}").state_dict())
    ours.feed_forward.up.load_state_dict(theirs.linear1.state_dict())
    ours.feed_forward.down.load_state_dict(theirs.linear2.state_dict())


def shaken(module: nn.Module) -> nn.Module:
    """Biases and norms begin as 0 and 1, which would hide that they were mixed up."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return module


def test_the_transformer_computes_what_the_layers_of_torch_do() -> None:
    ours = transformer()
    sizes = {"d_model": 32, "nhead": 4, "dim_feedforward": 64, "batch_first": True, "norm_first": True}
    read = [shaken(nn.TransformerEncoderLayer(**sizes)).eval() for _ in range(2)]  # type: ignore[arg-type]
    wrote = [shaken(nn.TransformerDecoderLayer(**sizes)).eval() for _ in range(2)]  # type: ignore[arg-type]
    for theirs, layer in zip([*read, *wrote], [*ours.encoder.layers, *ours.layers], strict=True):  # type: ignore[misc]
        layer_of(theirs, layer)
    source, target = pairs(6)
    memory = seq2seq_transformer.embedded(source, ours.encoder.tokens.weight)  # type: ignore[arg-type, union-attr]
    hidden = seq2seq_transformer.embedded(target, ours.target.weight)  # type: ignore[union-attr]
    ahead = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
    with torch.no_grad():
        for layer in read:
            memory = layer(memory, src_key_padding_mask=source == PAD)
        memory = functional.layer_norm(memory, (32,))
        for layer in wrote:
            hidden = layer(hidden, memory, tgt_mask=ahead, memory_key_padding_mask=source == PAD)
        found = ours(source, source != PAD, target)
    assert torch.allclose(found, functional.layer_norm(hidden, (32,)), atol=1e-5)


def test_places_are_sines_and_cosines() -> None:
    places = seq2seq_transformer.embedded(torch.zeros(1, 3, dtype=torch.long), torch.zeros(1, 4), first=5)
    expected = [
        [f(place / rate) for rate in (1, 100) for f in (torch.sin, torch.cos)] for place in torch.arange(5.0, 8)
    ]
    assert torch.allclose(places[0], torch.tensor(expected))


def steps_by_hand(read: nn.LSTM, inputs: Tensor, layer: int, backwards: bool) -> tuple[Tensor, Tensor]:
    """One direction of one layer over `inputs` (tokens, width): hidden states (tokens, width), and the last cell."""
    name = f"l{layer}{'_reverse' if backwards else ''}"
    into, back = getattr(read, f"weight_ih_{name}"), getattr(read, f"weight_hh_{name}")
    bias = getattr(read, f"bias_ih_{name}") + getattr(read, f"bias_hh_{name}")
    hidden = cell = torch.zeros(back.shape[1])
    states = []
    for token in inputs.flip(0) if backwards else inputs:
        enters, forgets, proposed, shows = (into @ token + back @ hidden + bias).chunk(4)
        cell = torch.sigmoid(forgets) * cell + torch.sigmoid(enters) * torch.tanh(proposed)
        hidden = torch.sigmoid(shows) * torch.tanh(cell)
        states.append(hidden)
    return torch.stack(states[::-1] if backwards else states), cell


def test_the_encoder_computes_what_lstm_steps_by_hand_do() -> None:
    model, (source, _) = lstm(), pairs(4)
    mask = source != PAD
    with torch.no_grad():
        read, hidden, cells = model.encoder(model.source(source), mask)  # type: ignore[misc]
        for row, length in enumerate(mask.sum(1).tolist()):
            states = model.source(source[row, :length])  # type: ignore[misc]
            for layer in range(2):
                there, back = (steps_by_hand(model.encoder.lstm, states, layer, way) for way in (False, True))
                states = torch.cat([there[0], back[0]], dim=-1)
                assert torch.allclose(hidden[layer, row], torch.cat([there[0][-1], back[0][0]]), atol=1e-6)
                assert torch.allclose(cells[layer, row], torch.cat([there[1], back[1]]), atol=1e-6)
            assert torch.allclose(read[row, :length], states, atol=1e-6)


def test_the_decoder_of_the_lstm_looks_at_the_source_as_luong_does() -> None:
    model, (source, _) = lstm(), pairs(4)
    with torch.no_grad():
        state, _ = model.begin(source, source != PAD)
        top, output = state.hidden[-1], model.decoder.combined.weight
        for row, length in enumerate((source != PAD).sum(1).tolist()):
            read = state.source.hidden[row, :length]
            weights = torch.softmax(read @ model.decoder.keys.weight.T @ top[row], dim=0)
            expected = torch.tanh(output @ torch.cat([weights @ read, top[row]]))
            assert torch.allclose(state.output[row], expected, atol=1e-6)


# Against themselves


@on_all
def test_writing_step_by_step_gives_the_logits_of_teacher_forcing(made: Any) -> None:
    model: Model = made()
    source, target = pairs(5)
    with torch.no_grad():
        expected = model.logits(model(source, source != PAD, target))
        state, first = model.begin(source, source != PAD)
        found = [first]
        for last in target[:, 1:].unbind(1):
            state, logits = model.step(state, last)  # type: ignore[arg-type]
            found.append(logits)
    assert torch.allclose(torch.stack(found, dim=1), expected, atol=1e-5)


@on_all
def test_padding_changes_nothing(made: Any) -> None:
    model: Model = made()
    source, target = pairs(5)
    with torch.no_grad():
        together = model(source, source != PAD, target)
        for row in range(5):
            kept, written = source[row : row + 1, source[row] != PAD], target[row : row + 1, target[row] != PAD]
            alone = model(kept, torch.ones_like(kept), written)
            assert torch.allclose(together[row, : written.shape[1]], alone[0], atol=1e-5)


@on_all
def test_rearranged_rows_go_on_as_they_were(made: Any) -> None:
    model: Model = made()
    source, target = pairs(3)
    rows = torch.tensor([2, 0, 0])
    with torch.no_grad():
        state, _ = model.begin(source, source != PAD)
        expected = model.step(state, target[:, 1])[1][rows]  # type: ignore[arg-type]
        moved = model.rearranged(state, rows)  # type: ignore[arg-type]
        again = model.rearranged(moved, torch.tensor([0, 2, 1]))  # type: ignore[arg-type]
        assert torch.allclose(model.step(moved, target[rows, 1])[1], expected, atol=1e-6)  # type: ignore[arg-type]
        assert torch.allclose(model.step(again, target[rows, 1])[1], expected, atol=1e-6)  # type: ignore[arg-type]


@on_all
@pytest.mark.parametrize("how", [Decoding(max_tokens=9), Decoding(max_tokens=9, beams=3)])
def test_rows_written_together_are_what_each_is_alone(made: Any, how: Decoding) -> None:
    model: Model = shaken(made())  # type: ignore[assignment]
    source, _ = pairs(6)
    together = decoding.write(model, source, source != PAD, how, generator=CHANCE)  # type: ignore[misc]
    for row, text in zip(source, together, strict=True):
        alone = row[None, row != PAD]
        assert decoding.write(model, alone, alone > 0, how, generator=CHANCE) == [text]  # type: ignore[misc]


@on_all
def test_a_checkpoint_has_no_tensor_twice(made: Any) -> None:
    tensors = made().state_dict().values()
    assert len({tensor.data_ptr() for tensor in tensors}) == len(tensors)


@on_all
def test_a_model_in_bfloat16_reads_and_writes(made: Any) -> None:
    model: Model = made().bfloat16()
    source, target = pairs(2)
    assert model.logits(model(source, source != PAD, target)).dtype == torch.bfloat16
    how = Decoding(max_tokens=3, beams=2)
    assert len(decoding.write(model, source, source != PAD, how, generator=CHANCE)) == 2  # type: ignore[misc]


def test_tied_embeddings_are_kept_once() -> None:
    for made in (lstm, transformer):
        free, output, every = (sum(p.numel() for p in made(tie).parameters()) for tie in ("nothing", "output", "all"))
        assert free - output == output - every == VOCABULARY * 32


def test_an_encoder_from_elsewhere_keeps_its_weights() -> None:
    kept = on_a_trunk().encoder.state_dict()
    assert all(torch.equal(kept[name], tensor) for name, tensor in trunk().state_dict().items())


def test_the_embeddings_of_an_encoder_from_elsewhere_can_be_those_of_the_target() -> None:
    model = Seq2SeqTransformer(transformer_shape("all"), encoder=trunk(32), dropout=0.0)
    source, target = pairs(2)
    hidden = model(source, source != PAD, target)
    assert torch.equal(model.logits(hidden), hidden @ model.encoder.get_parameter("tokens.weight").T)


def test_sizes_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(SettingError, match="20 and 30 tokens cannot share"):
        seq2seq_lstm.Shape(20, 30, tie="all")
    with pytest.raises(SettingError, match="width is 33"):
        seq2seq_lstm.Shape(20, 20, width=33)
    with pytest.raises(SettingError, match="width is 36, which 4 attention heads"):
        seq2seq_transformer.Shape(20, 20, width=36)
    with pytest.raises(SettingError, match="20 and 30 tokens cannot be one"):
        seq2seq_transformer.Shape(20, 30, tie="all")


# Learning


def loss_of(model: Model, source: Tensor, target: Tensor) -> Tensor:
    hidden = model(source, source != PAD, target[:, :-1])
    known = target[:, 1:] != PAD
    return functional.cross_entropy(model.logits(hidden[known]), target[:, 1:][known])


@on_all
def test_the_loss_falls_on_twenty_memorised_pairs_and_they_are_written_back(made: Any) -> None:
    model: Model = made().train()
    source, target = pairs()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-2 if isinstance(model, Seq2SeqLSTM) else 1e-2)
    losses = []
    for _ in range(70):
        losses.append(loss_of(model, source, target))
        optimizer.zero_grad()
        losses[-1].backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    assert losses[-1].item() < 0.05 < 2 < losses[0].item()
    written = decoding.write(model.eval(), source, source != PAD, Decoding(), generator=CHANCE)  # type: ignore[misc]
    assert written == [[token for token in row if token not in (PAD, BEGIN, END)] for row in target.tolist()]
