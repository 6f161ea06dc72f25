"""A GPT of ours and nanoGPT on the same text, one after the other: held-out loss, and the time it took.

`make bench NAME=school_gpt ARGS="TINYSHAKESPEARE.txt NANOGPT"`, where NANOGPT is a checkout of karpathy/nanoGPT. Its
processor configuration is that of its README. Both sides are whole processes that train and write a model.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from results_file import Row, row, write

NANOGPT = {
    "device": "cpu", "compile": "False", "eval_iters": 20, "log_interval": 100, "block_size": 64, "batch_size": 12,
    "n_layer": 4, "n_head": 4, "n_embd": 128, "max_iters": 2000, "lr_decay_iters": 2000, "dropout": 0.0,
}  # fmt: skip


def main() -> None:
    text, checkout = (Path(given).resolve() for given in sys.argv[1:3])
    theirs, their_seconds = nanogpt(text, checkout)
    ours, our_seconds = our_own(text)
    rows: list[Row] = [
        row("nanoGPT, its processor configuration: validation loss", theirs, "nat"),
        row("nanoGPT: whole process", their_seconds, "s"),
        row("samantha train gpt: held-out loss", ours, "nat", at_most=1.80),
        row("samantha train gpt: whole process / nanoGPT's", our_seconds / their_seconds, "ratio", at_most=1.0),
    ]
    write("school_gpt", rows)


def nanogpt(text: Path, checkout: Path) -> tuple[float, float]:
    """The lowest validation loss that it reports, and the seconds of train.py."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "nanogpt"
        shutil.copytree(checkout, copy)
        prepared = copy / "data/shakespeare_char"
        shutil.copy(text, prepared / "input.txt")
        subprocess.run([sys.executable, "prepare.py"], cwd=prepared, check=True, stdout=subprocess.DEVNULL)
        started = time.monotonic()
        done = subprocess.run(
            [
                sys.executable,
                "train.py",
                "config/train_shakespeare_char.py",
                *(f"--{k}={v}" for k, v in NANOGPT.items()),
            ],
            cwd=copy,
            check=True,
            capture_output=True,
            text=True,
        )
        seconds = time.monotonic() - started
        losses = [float(found) for found in re.findall(r"val loss ([\d.]+)", done.stdout)]
        print(f"nanoGPT: {losses[-1]} after {seconds:.0f} s", file=sys.stderr)
        return min(losses), seconds


def our_own(text: Path) -> tuple[float, float]:
    """Our held-out loss over the whole held-out tenth, and the seconds of the command."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "run"
        command = ["samantha", "train", "gpt", f"data={text}", "licence=public domain", f"out={out}", "--json"]
        started = time.monotonic()
        done = subprocess.run(
            [str(Path(sys.executable).with_name(command[0])), *command[1:]], check=True, capture_output=True, text=True
        )
        seconds = time.monotonic() - started
        return float(json.loads(done.stdout)["held_out_loss"]), seconds


if __name__ == "__main__":
    main()
