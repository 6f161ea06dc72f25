"""The command `train`, and talking with what it made."""

import json
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TINY = (
    "width=32 layers=1 attention_heads=2 key_value_heads=2 inner=32 context=32 rows=4 steps=20 evaluate_every=10 "
    "written=20"
).split()


def process(*arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "samantha", "--language", "en", *arguments], input=said, capture_output=True, text=True
    )


@pytest.fixture
def verse(tmp_path: Path) -> Path:
    file = tmp_path / "verse.txt"
    file.write_text("the sea is warm today and we walk along it. " * 40)
    return file


def test_a_gpt_is_trained_and_talked_to(verse: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs" / "verse"
    trained = process("train", "gpt", f"data={verse}", *TINY, f"out={out}", "--json")
    assert trained.returncode == 0, trained.stderr
    found = json.loads(trained.stdout)
    assert found["held_out_loss"] > 0
    assert Path(found["report"]).is_file()
    assert "tokens/s" in trained.stderr
    assert f"Talk with it: samantha chat --model {out}" in trained.stderr
    said = process("ask", "--private", "-m", str(out), "--set", "model.reply_tokens=8", "the sea")
    assert said.returncode == 0, said.stderr
    assert said.stdout.strip()


def test_a_run_is_told_apart_from_nothing(tmp_path: Path) -> None:
    done = process("train", "gpt", f"data={tmp_path / 'none.txt'}", f"out={tmp_path / 'run'}")
    assert (done.returncode, done.stdout) == (2, "")
    assert "none.txt' cannot be read" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["gpd"], "There is no recipe 'gpd'"),
        (["gpt", "data"], "Write KEY=VALUE"),
        (["gpt", "datta=x.txt"], "Did you mean data?"),
        (["gpt", "data=a.txt", "data=b.txt"], "given twice"),
        (["gpt", "out=nowhere"], "Say what to learn from"),
        (["gpt", "data=a.txt", "plan.steps=soon"], "plan.steps cannot be 'soon'"),
        (["gpt", "data=a.txt", "--resume", "out=nowhere"], "no run in 'nowhere'"),
        (["encoder", "steps=3"], "no value of the recipe 'encoder'"),
    ],
)
def test_wrong_use_says_what_to_write(given: list[str], says: str) -> None:
    done = process("train", *given)
    assert done.returncode == 2
    assert says in done.stderr


def test_the_keys_of_a_recipe_are_listed() -> None:
    done = process("train", "gpt", "--keys")
    assert "plan.steps: 1700" in done.stdout
    assert re.search(r"^data: .*A file of text", done.stdout, re.MULTILINE)


def test_the_keys_of_the_encoder_are_listed() -> None:
    done = process("train", "encoder", "--keys")
    assert done.returncode == 0
    assert {line.partition(":")[0] for line in done.stdout.splitlines()} == {
        *("head", "data", "utterances", "base", "out", "work")
    }


def test_what_is_left_out_of_the_texts_is_said_once(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    rows = [f"{word} number {number},{word}" for word in ("good", "bad") for number in range(20)]
    file.write_text("\n".join(["text,label", *rows, rows[0], "no label,"]), encoding="utf-8")
    sizes = "shape.width=32 layers=1 attention_heads=2 inner=32 vocabulary=300 steps=20 corrupt=skip".split()
    done = process("train", "classify", f"data={file}", *sizes, "held_share=0.2", f"out={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("data: 40 of 42 rows are left.") == 1
    assert done.stderr.count(f"1 left out, as in {file}, line 42: It was there before.") == 1
    assert done.stderr.count(f"1 left out, as in {file}, line 43:") == 1


def test_a_run_that_was_killed_goes_on_with_what_it_was_asked_for(verse: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    given = ["train", "gpt", f"data={verse}", *TINY, "steps=4000", "keep_every=10", f"out={out}"]
    given.remove("steps=20")
    running = subprocess.Popen([sys.executable, "-m", "samantha", *given], stderr=subprocess.PIPE, text=True)
    checkpoint = out / "stages" / "pretraining" / "checkpoint.pt"
    while not checkpoint.exists():
        assert running.poll() is None, running.stderr and running.stderr.read()
    running.kill()
    running.communicate()
    recipe = json.loads((out / "recipe.json").read_text())
    recipe["options"]["plan"]["steps"] = 30  # it would take too long otherwise
    (out / "recipe.json").write_text(json.dumps(recipe))
    done = process("train", "gpt", f"out={out}", "--resume", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["held_out_loss"] > 0
    assert not (out / "stages").exists()


def test_ctrl_c_keeps_a_checkpoint_and_says_how_to_go_on(verse: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "samantha", "--language", "en", "train", "gpt", f"data={verse}", *TINY[:-3]]
    running = subprocess.Popen([*command, "steps=4000", f"out={out}"], stderr=subprocess.PIPE, text=True)
    while not (out / "metrics.jsonl").exists():
        assert running.poll() is None, running.stderr and running.stderr.read()
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert f"samantha train gpt out={out} --resume" in said
    assert (out / "stages" / "pretraining" / "checkpoint.pt").is_file()


def test_a_full_disk_is_said_to_be_full(verse: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "samantha", "--language", "en", "train", "gpt", f"data={verse}", *TINY]
    limited = f"ulimit -f 20; exec {shlex.join([*command, f'out={tmp_path}/run'])}"  # files of 20 kB at most
    done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True)
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_can_be_trained_is_listed() -> None:
    done = process("train")
    assert done.returncode == 0
    assert "raise_samantha" in done.stdout
    assert "from raw text to a companion" in done.stdout
