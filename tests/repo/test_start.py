"""How quickly she is there: what importing her costs and what it leaves alone."""

import json
import subprocess
import sys
from statistics import median

HEAVY = {
    *(
        "click",
        "fastapi",
        "gguf",
        "hibari_tts",
        "httpx2",
        "jinja2",
        "numpy",
        "onnxruntime",
        "prompt_toolkit",
        "pydantic",
    ),
    *("py3langid", "rich", "sounddevice", "spacy", "sqlite3", "tokenizers", "torch", "xllamacpp"),
}
MEASURE = """
import sys, time
before = set(sys.modules)
start = time.perf_counter()
import samantha
taken = time.perf_counter() - start
import json
print(json.dumps([taken, sorted(set(sys.modules) - before)]))
"""


def _import_samantha() -> tuple[float, set[str]]:
    """Seconds that `import samantha` takes in a new interpreter, and the modules that it loads."""
    done = subprocess.run([sys.executable, "-c", MEASURE], check=True, capture_output=True, text=True)
    seconds, loaded = json.loads(done.stdout)
    return seconds, {name.split(".")[0] for name in loaded}


def test_importing_her_loads_nothing_heavy() -> None:
    assert not _import_samantha()[1] & HEAVY


def test_importing_her_takes_less_than_a_tenth_of_a_second() -> None:
    assert median(_import_samantha()[0] for _ in range(5)) < 0.1


def test_a_public_name_is_there_when_it_is_used() -> None:
    import samantha

    assert all(getattr(samantha, name).__name__ == name for name in samantha.__all__)
