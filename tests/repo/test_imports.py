"""Who may import whom: the table of the architecture, held by parsing the source."""

import ast
import re
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from source import imports, modules

# A part (a package or a module of `samantha`) -> the parts it may import. All may import themselves.
MAY_IMPORT = {
    "core": set(),
    "language": {"core"},
    "gguf_files": {"core"},
    "mind": {"core"},
    "settings": {"core"},
    "downloads": {"core"},
    "weights": {"core", "gguf_files", "downloads"},
    "adapters": {"core", "gguf_files"},
    "companion": {"core", "mind"},
    "testing": {"core", "mind"},
    "wiring": {"core", "language", "mind", "companion", "adapters", "settings", "weights"},
    "tasks": {"core", "companion"},
    "evaluation": {"core", "companion"},
    "training": {"core", "gguf_files"},
    "dialogues": {"core", "mind"},
    "recipes": {"core", "gguf_files", "training"},
    "surfaces": {
        *("core", "language", "mind", "companion", "wiring", "settings", "weights"),
        *("dialogues", "tasks", "evaluation", "recipes"),
    },
    "__main__": {"surfaces"},
}

# Single modules that may import more, and why.
ALSO = {
    "samantha.adapters.care_files": {"mind"},  # what it reads is a `mind.care.Care`
    "samantha.adapters.persona_files": {"mind"},  # what it reads is a `mind.persona.Persona`
    "samantha.adapters.school": {"training"},  # the models that were trained here are what it opens
    "samantha.recipes.encoder": {"adapters"},  # what it writes is calibrated as the adapter will read it
    "samantha.recipes.head": {"adapters"},  # a head is made from what the adapter reads, in its form
    "samantha.surfaces.train": {"training"},  # it begins the folder that a recipe runs in
    "samantha.surfaces.training_progress": {"training"},  # the type of what it is told, and nothing that runs
    "samantha.recipes.raise_samantha": {"adapters"},  # its filter tells languages as she does
    "samantha.training.heads": {"adapters"},
}

# Libraries with native code, or heavy ones -> the only places that may import them.
HOME: dict[str, str | tuple[str, ...]] = {
    "ctranslate2": "samantha.adapters.whisper",
    "datasketch": "samantha.training",
    "fastapi": "samantha.surfaces.api",
    "gguf": "samantha.gguf_files",
    "hibari_tts": "samantha.adapters.hibari",
    "onnx": "samantha.training",
    "onnxruntime": ("samantha.adapters.onnx_encoder", "samantha.training"),  # what was exported is run and compared
    "py3langid": "samantha.adapters.language_identification",
    "psycopg": "samantha.adapters.postgres",
    "sacrebleu": "samantha.training",
    "sklearn": "samantha.training",
    "sounddevice": "samantha.adapters.sound_device",
    "spacy": "samantha.adapters.spacy_entities",
    "sqlite3": "samantha.adapters.sqlite",
    "tokenizers": ("samantha.adapters.onnx_encoder", "samantha.training", "samantha.recipes.encoder"),
    "torch": "samantha.training",
    "xllamacpp": "samantha.adapters.llama",
}


PACKAGES = packages_distributions()


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_what_its_part_may(module: str) -> None:
    part = _part(module)
    reached = {_part(name) for name in imports(modules()[module]) if name.split(".")[0] == "samantha"}
    allowed = MAY_IMPORT.get(part, set(MAY_IMPORT)) | ALSO.get(module, set())
    assert reached - {part, "samantha"} <= allowed


def test_every_part_is_in_the_table() -> None:
    assert {_part(module) for module in modules()} - {"samantha"} <= set(MAY_IMPORT)


def test_no_modules_import_each_other_in_a_circle() -> None:
    inside = {name: {each for each in imports(tree) if each in modules()} for name, tree in modules().items()}
    inside["samantha"] = set()  # the package names its public names lazily
    try:
        TopologicalSorter(inside).prepare()
    except CycleError as circle:
        pytest.fail(" <- ".join(circle.args[1]))


@pytest.mark.parametrize("module", modules())
def test_a_heavy_library_is_imported_only_in_its_home(module: str) -> None:
    strangers = {
        library
        for library in {name.split(".")[0] for name in imports(modules()[module])} & set(HOME)
        if not module.startswith(HOME[library])
    }
    assert not strangers


@pytest.mark.parametrize("module", [name for name in modules() if name.startswith("samantha.adapters.")])
def test_an_adapter_imports_its_library_where_it_is_used(module: str) -> None:
    at_the_top = ast.Module(
        [node for node in modules()[module].body if isinstance(node, ast.Import | ast.ImportFrom)], type_ignores=[]
    )
    assert not {name.split(".")[0] for name in imports(at_the_top)} & (set(HOME) - {"sqlite3"})


def test_the_declared_dependencies_are_those_imported(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    declared = {_distribution(line) for line in project["dependencies"] + extras["voice"]}
    school = {_distribution(line) for line in extras["train"]}
    used = {name: _distributions(tree) for name, tree in modules().items()}
    companion = {one for name, found in used.items() if _part(name) not in ("training", "recipes") for one in found}
    assert set().union(*used.values()) | {"pip"} == declared | school  # pip runs as a process
    assert companion <= declared


def test_every_dependency_is_pinned(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {_distribution(line) for line in sum(project["optional-dependencies"].values(), project["dependencies"])}
    lines = (repository / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    assert wanted - {"samantha-companion"} <= {_normal(pin.split("==")[0]) for pin in pins}


def _distributions(tree: ast.Module) -> set[str]:
    """What `tree` imports that is neither ours nor Python's, as names of the package index."""
    foreign = {name.split(".")[0] for name in imports(tree)} - sys.stdlib_module_names - {"samantha"}
    return {_normal(PACKAGES.get(name, [name])[0]) for name in foreign}


def _part(module: str) -> str:
    return module.split(".")[1] if "." in module else module


def _distribution(requirement: str) -> str:
    return _normal(re.split(r"[\s\[<>=!~;]", requirement)[0])


def _normal(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()
