"""What the documentation says is true today."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from samantha.surfaces import manage
from samantha.surfaces.cli import samantha as command

manage.attach(command)


@pytest.fixture(params=["README.md", "README.zh-CN.md"])
def readme(request: pytest.FixtureRequest, repository: Path) -> str:
    return (repository / request.param).read_text(encoding="utf-8")


def test_every_figure_comes_from_a_committed_result(repository: Path) -> None:
    run = subprocess.run(
        [sys.executable, "benchmarks/report.py", "--check"], cwd=repository, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


def test_every_command_in_the_readme_exists(readme: str) -> None:
    for call in re.findall(r"^(?:\$ )?samantha ([a-z]+)", readme, re.MULTILINE):
        assert call in command.commands, call


def test_every_make_target_in_the_readme_exists(readme: str, repository: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (repository / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z-]+)", readme, re.MULTILINE)) <= targets


def test_the_annotated_tree_names_what_is_there(readme: str, repository: Path) -> None:
    tree = readme.partition("```text\nsrc/samantha/")[2].partition("```")[0]
    names = re.findall(r"^  ([\w./]+)", tree, re.MULTILINE)
    assert len(names) >= 10
    missing = [name for name in names if not (repository / "src/samantha" / name).exists()]
    assert missing == []


def test_links_in_the_readme_lead_somewhere(readme: str, repository: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", readme):
        assert (repository / target).exists(), target


@pytest.mark.parametrize("name", ["", *sorted(command.commands)])
def test_every_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(command, [name, "--help"] if name else ["--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output
