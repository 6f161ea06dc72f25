"""Headers, and models rewritten in another quantization."""

from pathlib import Path

import numpy as np
import pytest
from tiny_gguf import CHATML, WIDTH, tiny_tensors, vocabulary, write_tiny_adapter, write_tiny_gguf

from samantha.core.errors import ModelDamaged, ModelMissing, ModelUnsupported
from samantha.gguf_files import read_header, read_tensor, rewrite, sha256_of

QUERY = "blk.0.attn_q.weight"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_gguf(tmp_path / "tiny.gguf")


def test_a_header_says_what_the_model_is(model: Path) -> None:
    header = read_header(model)
    assert (header.architecture, header.name, header.context) == ("llama", "Tiny", 256)
    assert (header.kind, header.quantization, header.chat_template) == ("model", "F32", CHATML)
    assert header.parameters == sum(tensor.size for tensor in tiny_tensors().values())


def test_a_header_knows_whether_a_prompt_begins_with_a_token_of_its_own(model: Path) -> None:
    assert not read_header(model).adds_bos


def test_models_with_the_same_vocabulary_have_the_same_tokenizer(model: Path, tmp_path: Path) -> None:
    other = write_tiny_gguf(tmp_path / "other.gguf", seed=5, context=512)
    assert read_header(model).tokenizer_sha256 == read_header(other).tokenizer_sha256 != ""


def test_a_tensor_is_read_as_it_was_written(model: Path) -> None:
    embeddings = read_tensor(read_header(model), "token_embd.weight")
    assert embeddings.shape == (len(vocabulary()), WIDTH)
    np.testing.assert_array_equal(embeddings, tiny_tensors()["token_embd.weight"])


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"No model at .*nothing\.gguf'\. Run `samantha pull`"):
        read_header(tmp_path / "nothing.gguf")


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="cannot be read"):
        read_header(tmp_path)


@pytest.mark.parametrize("content", [b"", b"GG", b"<html>not found</html>"])
def test_another_kind_of_file_is_not_a_gguf_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "page.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelDamaged, match="not a GGUF file"):
        read_header(path)


@pytest.mark.parametrize("left", [4, 23, 100, 2000, -1])
def test_a_file_cut_short_anywhere_is_damaged(model: Path, left: int) -> None:
    content = model.read_bytes()[:left]
    model.write_bytes(content)
    with pytest.raises(ModelDamaged, match="cut short"):
        read_header(model)


def test_a_header_without_sense_is_damaged(model: Path) -> None:
    content = bytearray(model.read_bytes())
    content[32:40] = b"\xff" * 8  # in the first key
    model.write_bytes(content)
    with pytest.raises(ModelDamaged, match="makes no sense"):
        read_header(model)


def test_another_version_of_the_format_is_named(model: Path) -> None:
    content = bytearray(model.read_bytes())
    content[4] = 9
    model.write_bytes(content)
    with pytest.raises(ModelUnsupported, match="version 9"):
        read_header(model)


@pytest.mark.parametrize(("quantize", "steps"), [("q8_0", 127), ("q4_0", 8)])
def test_a_rewritten_weight_is_off_by_one_step_of_its_block_at_most(
    model: Path, tmp_path: Path, quantize: str, steps: int
) -> None:
    target = tmp_path / "baked.gguf"
    rewrite(model, target, quantize=quantize)  # type: ignore[arg-type]
    before, after = tiny_tensors()[QUERY], read_tensor(read_header(target), QUERY)
    step = np.abs(before.reshape(-1, 32)).max(axis=1, keepdims=True) / steps
    assert (np.abs(after - before).reshape(-1, 32) <= step * 1.01).all()


def test_vectors_stay_float32_and_embeddings_keep_eight_bits(model: Path, tmp_path: Path) -> None:
    rewrite(model, tmp_path / "baked.gguf", quantize="q4_0")
    types = {tensor.name: tensor.type for tensor in read_header(tmp_path / "baked.gguf").tensors}
    assert types["blk.0.attn_norm.weight"] == "F32"
    assert types["token_embd.weight"] == "Q8_0"
    assert types[QUERY] == "Q4_0"


def test_rows_that_no_block_divides_become_float16(tmp_path: Path) -> None:
    odd = np.ones((8, 33), np.float32)
    model = write_tiny_gguf(tmp_path / "odd.gguf", tensors={"odd.weight": odd})
    rewrite(model, tmp_path / "baked.gguf", quantize="q8_0")
    assert {tensor.name: tensor.type for tensor in read_header(tmp_path / "baked.gguf").tensors}["odd.weight"] == "F16"


def test_what_a_quantized_file_keeps_in_float32_stays_so(tmp_path: Path) -> None:
    kept = {"blk.0.kept.weight": np.ones((WIDTH, WIDTH), np.float32)}
    model = write_tiny_gguf(tmp_path / "half.gguf", quantization="F16", tensors=kept)
    rewrite(model, tmp_path / "baked.gguf", quantize="q8_0")
    types = {tensor.name: tensor.type for tensor in read_header(tmp_path / "baked.gguf").tensors}
    assert (types["blk.0.kept.weight"], types[QUERY]) == ("F32", "Q8_0")


def test_a_rewritten_model_keeps_its_tokenizer_and_template_and_says_what_it_is_made_of(
    model: Path, tmp_path: Path
) -> None:
    rewrite(model, tmp_path / "baked.gguf", quantize="q8_0")
    before, after = read_header(model), read_header(tmp_path / "baked.gguf")
    assert (after.tokenizer_sha256, after.chat_template) == (before.tokenizer_sha256, before.chat_template)
    assert after.metadata["general.file_type"] == 7
    assert after.metadata["samantha.source_sha256"] == sha256_of(model)
    assert after.metadata["samantha.quantize"] == "Q8_0"


def test_an_adapter_is_merged_as_alpha_over_rank_times_b_times_a(model: Path, tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    a, b = (chance.standard_normal(shape).astype(np.float32) for shape in ((4, WIDTH), (WIDTH, 4)))
    adapter = write_tiny_adapter(tmp_path / "adapter.gguf", alpha=8, deltas={QUERY: (a, b)})
    rewrite(model, tmp_path / "baked.gguf", quantize="q8_0", adapter=adapter)
    merged = read_tensor(read_header(tmp_path / "baked.gguf"), QUERY)
    wanted = tiny_tensors()[QUERY] + 8 / 4 * b @ a
    assert np.abs(merged - wanted).max() <= np.abs(wanted).max() / 127


def test_an_adapter_of_the_embeddings_is_stored_the_other_way_round(model: Path, tmp_path: Path) -> None:
    a, b = np.ones((len(vocabulary()), 2), np.float32), np.ones((WIDTH, 2), np.float32)
    adapter = write_tiny_adapter(tmp_path / "adapter.gguf", alpha=2, deltas={"token_embd.weight": (a, b)})
    rewrite(model, tmp_path / "baked.gguf", quantize="q8_0", adapter=adapter)
    merged = read_tensor(read_header(tmp_path / "baked.gguf"), "token_embd.weight")
    np.testing.assert_allclose(merged, tiny_tensors()["token_embd.weight"] + 2, atol=0.03)


def test_an_adapter_for_another_architecture_is_named(model: Path, tmp_path: Path) -> None:
    adapter = write_tiny_adapter(tmp_path / "adapter.gguf", architecture="qwen2")
    with pytest.raises(ModelUnsupported, match=r"is for a qwen2 model, and '.*tiny\.gguf' is a llama model"):
        rewrite(model, tmp_path / "baked.gguf", quantize="q8_0", adapter=adapter)


@pytest.mark.parametrize("name", [QUERY, "blk.7.attn_q.weight"])
def test_an_adapter_that_does_not_fit_names_the_tensor(model: Path, tmp_path: Path, name: str) -> None:
    delta = (np.ones((4, WIDTH + 1), np.float32), np.ones((WIDTH, 4), np.float32))
    adapter = write_tiny_adapter(tmp_path / "adapter.gguf", deltas={name: delta})
    with pytest.raises(ModelUnsupported, match=name):
        rewrite(model, tmp_path / "baked.gguf", quantize="q8_0", adapter=adapter)


def test_a_model_is_not_an_adapter(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelUnsupported, match="not a LoRA adapter"):
        rewrite(model, tmp_path / "baked.gguf", quantize="q8_0", adapter=model)


def test_a_rewrite_that_fails_leaves_nothing_behind(model: Path, tmp_path: Path) -> None:
    def fail(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rewrite(model, tmp_path / "baked.gguf", quantize="q8_0", progress=fail)
    assert list(tmp_path.iterdir()) == [model]


def test_progress_ends_at_the_whole(model: Path, tmp_path: Path) -> None:
    heard: list[tuple[int, int]] = []
    rewrite(model, tmp_path / "baked.gguf", quantize="q8_0", progress=lambda *step: heard.append(step))
    assert heard[-1][0] == heard[-1][1] > 0
    assert heard == sorted(heard)
