"""What each step of `samantha train raise_samantha` buys, and what its conversation is like.

`make bench NAME=school_raise ARGS="OUT TEXT[,TEXT ...]"` raises a companion from raw text into the new folder OUT, once
with the raw text and once (OUT-unread) without reading first. Its conversation is kept in
benchmarks/answers/school_raise.jsonl.
"""

import shutil
import sys
from pathlib import Path

from results_file import row, write
from school_pairs import ANSWERS, DIALOGUES, figures, train


def main() -> None:
    out, texts = Path(sys.argv[1]).expanduser().resolve(), sys.argv[2]
    unread = out.with_name(f"{out.name}-unread")
    given = (f"data={texts}", f"dialogues={DIALOGUES}", "licence=CC BY 2.0 FR", "dialogues_licence=CC BY 4.0, own text")
    minutes = train("raise_samantha", out, *given)
    train("raise_samantha", unread, *given, "reading.steps=0")
    found, without = figures(out), figures(unread)
    ANSWERS.mkdir(exist_ok=True)
    shutil.copy(out / "samples.jsonl", ANSWERS / "school_raise.jsonl")
    shown = [key for key in found if key.startswith("answer_perplexity_with_")]
    rows = [
        row("raise_samantha: parameters", found["parameters"] / 1e6, "million"),
        row("perplexity of answers not seen: random weights", found["answer_perplexity_at_first"], ""),
        row("the same: after reading raw text", found["answer_perplexity_after_reading"], ""),
        row("the same: after learning to answer", found["answer_perplexity_after_answering"], ""),
        row("the same: learned to answer without reading first", without["answer_perplexity_after_answering"], ""),
        *(
            row(f"perplexity of first answers, {key.split('_')[3]} exchanges of others before them", found[key], "")
            for key in shown
        ),
        row("raise_samantha: all of it", minutes, "processor minutes"),
    ]
    write("school_raise", rows)


if __name__ == "__main__":
    main()
