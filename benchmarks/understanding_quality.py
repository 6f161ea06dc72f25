"""How well she understands: the rows of `samantha eval understanding`, kept as a result.

`make bench NAME=understanding_quality ARGS=DIR`, where DIR holds the public data sets. Not here: what is measured and
how (`samantha.evaluation.suites.understanding`), or how fast it is (`understanding.py`).
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from results_file import Row, write


def measured(data: Path) -> list[Row]:
    """Run the command, as anybody would, and take its rows."""
    command = [sys.executable, "-m", "samantha", "eval", "understanding", "--data", str(data), "--json"]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    for one in found["skipped"]:
        print(f"skipped: {one['what']}: {one['why']}", file=sys.stderr)
    return [Row(one["what"], one["value"], f"(n={one['n']})", one["bar"], one["holds"]) for one in found["rows"]]


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("Say where the data sets are: make bench NAME=understanding_quality ARGS=DIR")
    write(Path(__file__).stem, measured(Path(sys.argv[1])))
