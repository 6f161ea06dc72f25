"""What the sequence-to-sequence recipes learn: her name from dialogues, English to German, English to Chinese.

`make bench NAME=school_pairs ARGS="DATA OUT [PART ...]"` trains the parts that are named (all without one), each by
`samantha train` as a process of its own, into folders of OUT, which has to be new for each. A part writes
benchmarks/results/school_PART.json, so that several may run side by side. What the model wrote is kept in
benchmarks/answers/school_PART.jsonl.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from results_file import Row, row, write

HERE = Path(__file__).parent
QUESTIONS, ANSWERS, DIALOGUES = HERE / "questions" / "name.jsonl", HERE / "answers", HERE.parent / "dialogues"
KEPT = 40  # translations that are kept of each part


def main() -> None:
    data, out = (Path(given).expanduser().resolve() for given in sys.argv[1:3])
    for part in sys.argv[3:] or PARTS:
        write(f"school_{part}", PARTS[part](data, out / part))


def names(data: Path, out: Path) -> list[Row]:
    """Her name, from the conversations of this project alone."""
    minutes = train("seq2seq_lstm", out, f"data={DIALOGUES}", "licence=CC BY 4.0, own text")
    asked = [json.loads(line)["text"] for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]
    answered = answers(out, asked)
    keep("names", [{"asked": one, "answered": other} for one, other in zip(asked, answered, strict=True)])
    right = sum("samantha" in each.lower() for each in answered) / len(answered)
    recipe = "seq2seq_lstm on dialogues/"
    first = float(answered[0].startswith("My name is Samantha."))
    return [
        row(f"{recipe}: says her name to {len(asked)} questions for it, greedy", right, "share", at_least=0.9),
        row(f'{recipe}: "What is your name?" -> "My name is Samantha."', first, "", at_least=1),
        row(f"{recipe}: training", minutes, "processor minutes", at_most=10),
    ]


def translation(recipe: str, source: str, target: str, bar: float, *more: str) -> Callable[[Path, Path], list[Row]]:
    """A part that learns Multi30k."""

    def part(data: Path, out: Path) -> list[Row]:
        files = {
            f"{side}{end}": data / "multi30k" / f"{name}.{language}.gz"
            for side, name in {"": "train", "held_": "val", "test_": "test_2016_flickr"}.items()
            for end, language in {"source": source, "target": target}.items()
        }
        given = [f"{key}={file}" for key, file in files.items()]
        minutes = train(recipe, out, *given, "lower_case=true", "licence=Multi30k, not for commerce", *more)
        return translated(f"{recipe}, Multi30k {source}-{target}, test2016", out, minutes, bar=bar, most=60)

    return part


def tatoeba(data: Path, out: Path) -> list[Row]:
    """English to Chinese, on text that may ship."""
    given = f"data={data / 'tatoeba_en_zh' / 'train.tsv'}"
    minutes = train("seq2seq_transformer", out, given, "held_out=0.05", "licence=CC BY 2.0 FR", *TATOEBA)
    return translated("seq2seq_transformer, Tatoeba en-zh, the 5 % held out", out, minutes)


def translated(
    what: str, out: Path, minutes: float, *, bar: float | None = None, most: float | None = None
) -> list[Row]:
    """BLEU and chrF of the run in `out`, with their settings."""
    test = json.loads((out / "test.json").read_text(encoding="utf-8"))
    keep(out.name, test["texts"][:KEPT])
    return [
        row(f"{what}: BLEU ({test['bleu']['settings']})", test["bleu"]["score"], "", at_least=bar),
        row(f"{what}: chrF ({test['chrf']['settings']})", test["chrf"]["score"], ""),
        row(f"{what}: training", minutes, "processor minutes", at_most=most),
        row(f"{what}: parameters", figures(out)["parameters"] / 1e6, "million"),
    ]


TATOEBA = ("vocabulary=8000", "longest_target=64")
LSTM_TRANSLATES = (  # where its defaults are for conversations
    *("vocabulary=6000", "longest_source=96", "longest_target=96", "batch=4096", "dropout=0.3", "smoothing=0.1"),
    *("steps=1500", "rate=3e-3", "average=0.995", "evaluate_every=150"),
)

PARTS: dict[str, Callable[[Path, Path], list[Row]]] = {
    "names": names,
    "transformer_en_de": translation("seq2seq_transformer", "en", "de", 36),
    "lstm_en_de": translation("seq2seq_lstm", "en", "de", 28, *LSTM_TRANSLATES),
    "transformer_en_zh": tatoeba,
}


def train(recipe: str, out: Path, *given: str) -> float:
    """Run a recipe; the minutes that processors were busy with it."""
    before = busy()
    command = [str(Path(sys.executable).with_name("samantha")), "train", recipe, f"out={out}", *given]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return (busy() - before) / 60


def busy() -> float:
    """Processor seconds of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def figures(out: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads((out / "result.json").read_text(encoding="utf-8"))["figures"]
    return found


def answers(out: Path, asked: Sequence[str]) -> list[str]:
    """What the model of `out` replies, greedily, as it does in `samantha chat --model OUT`."""
    from samantha.core.types import Sampling
    from samantha.training.talking import Talker

    greedy = Sampling(temperature=0, max_tokens=60, repeat_penalty=1, dry_multiplier=0)
    talker = Talker.open(out)
    return [talker.say(each, greedy) for each in asked]


def keep(part: str, rows: Sequence[dict[str, str]]) -> None:
    """Keep what was written, so that anybody can look whether the figures say what they seem to."""
    ANSWERS.mkdir(exist_ok=True)
    lines = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in rows)
    (ANSWERS / f"school_{part}.jsonl").write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    main()
