"""The commands that look after files and settings: pull, models, doctor, config, persona."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from samantha.core.errors import EndpointError, SamanthaError
from samantha.core.text import Text, text
from samantha.language import translate
from samantha.surfaces.options import (
    common_options,
    echo,
    help_option,
    language_of,
    loaded,
    print_json,
    settings_of,
    tell,
)
from samantha.surfaces.progress import progress_on_stderr

if TYPE_CHECKING:
    from samantha.settings import Settings

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.command()
@click.argument("name", required=False, default="")
@common_options
@click.pass_context
def pull(context: click.Context, name: str) -> None:
    """Fetch a brain, check it and make it ready; without NAME the default one."""
    from samantha import wiring

    settings = settings_of(context, {"model.name": name} if name else {})
    language = language_of(settings)
    with progress_on_stderr(language) as progress:
        name, path = wiring.pull(settings, progress=progress)
    tell(text("'{name}' is ready: {path}", name=name, path=path), language)


_WHERE = {"here": text("here"), "catalogue": text("to fetch")}


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A brain that `--model` takes."""

    name: str
    where: str  # "here", "catalogue" or the endpoint's name
    size: int | None  # bytes to fetch, or on disk
    languages: tuple[str, ...]
    licence: str
    description: str = ""
    default: bool = False


@click.command()
@json_option
@common_options
@click.pass_context
def models(context: click.Context, as_json: bool) -> None:
    """List the brains: on this machine, in the catalogue, and behind each endpoint."""
    settings = settings_of(context)
    language = language_of(settings)
    rows, silent = asyncio.run(_models(settings))
    if as_json:
        print_json(
            {
                "models": [asdict(row) for row in rows],
                "unreachable": [{"endpoint": name, "why": str(why)} for name, why in silent],
            }
        )
        return
    for row in rows:
        where = translate(_WHERE.get(row.where, Text(row.where)), language)
        size = f"{row.size / 1e6:,.0f} MB" if row.size else ""
        echo(f"{row.name + (' *' if row.default else ''):<30} {size:>9}  {row.licence:<11} {where}".rstrip())
        if row.description:
            echo(f"    {translate(row.description, language)}", dim=True)
    tell(
        text("* is the default. Fetch one with `samantha pull NAME`, talk to it with `samantha chat --model NAME`."),
        language,
    )
    for name, why in silent:
        tell(text("Endpoint '{name}': {why}", name=name, why=why), language)


async def _models(settings: "Settings") -> tuple[list[ModelRow], list[tuple[str, Text]]]:
    """The brains, and the endpoints that gave none, with the reason; a silent Ollama nobody set is left out."""
    from samantha.settings import KNOWN_ENDPOINTS

    rows, silent = _catalogue(settings), []
    offers = await asyncio.gather(*(_offer(settings, name) for name in settings.endpoints))
    for (name, endpoint), offer in zip(settings.endpoints.items(), offers, strict=True):
        if not isinstance(offer, SamanthaError):
            rows += [ModelRow(f"{name}/{model}", name, None, (), "") for model in offer]
        elif not isinstance(offer, EndpointError) or endpoint.url != KNOWN_ENDPOINTS.get(f"endpoints.{name}.url"):
            silent.append((name, offer.text))
    return rows, silent


async def _offer(settings: "Settings", endpoint: str) -> tuple[str, ...] | SamanthaError:
    from samantha.wiring import endpoint_models

    try:
        return await endpoint_models(settings, endpoint)
    except SamanthaError as error:
        return error


def _catalogue(settings: "Settings") -> list[ModelRow]:
    from samantha import weights
    from samantha.wiring import models_folder

    folder = models_folder(settings)
    return [
        ModelRow(
            one.name,
            "here" if weights.is_here(one, folder=folder) else "catalogue",
            one.size,
            one.languages,
            one.licence,
            one.description,
            one.default,
        )
        for one in weights.catalogue()
        if one.role == "brain"
    ]


@click.command()
@json_option
@common_options
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> None:
    """Check that everything she needs is here and works."""
    from samantha.surfaces.doctor import examine

    settings = settings_of(context)
    language = language_of(settings)
    findings = asyncio.run(examine(settings))
    healthy = all(finding.verdict != "bad" for finding in findings)
    if as_json:
        print_json(
            {
                "healthy": healthy,
                "findings": [{"what": str(f.what), "verdict": f.verdict, "detail": str(f.detail)} for f in findings],
            }
        )
    else:
        marks = {"good": ("✓", "green"), "note": ("·", "yellow"), "bad": ("✗", "red")}
        for finding in findings:
            mark, colour = marks[finding.verdict]
            what, detail = translate(finding.what, language), translate(finding.detail, language)
            echo(mark, nl=False, fg=colour)
            echo(f" {what}: {detail}")
    context.exit(0 if healthy else 1)


@click.command()
@json_option
@common_options
@click.pass_context
def config(context: click.Context, as_json: bool) -> None:
    """Print each setting, its value and where it came from."""
    from samantha.settings import rows

    found = loaded(context)
    if as_json:
        print_json(
            {row.key: {"value": row.value, "origin": row.origin, "sentence": row.sentence} for row in rows(found)}
        )
        return
    language = language_of(found.settings)
    for row in rows(found):
        echo(f"{row.key} = {row.shown}")
        echo(f"    {translate(row.sentence, language)} ({row.origin})", dim=True)


@click.group()
@help_option
def persona() -> None:
    """Who she is: list, show, write or import personas."""


@persona.command("list")
@json_option
@common_options
@click.pass_context
def list_personas(context: click.Context, as_json: bool) -> None:
    """List the personas, built in and your own."""
    from samantha.wiring import personas

    settings = settings_of(context)
    found = personas(settings)
    if as_json:
        print_json([{"name": one.name, "path": None if one.path is None else str(one.path)} for one in found])
        return
    for one in found:
        where = text("built in") if one.path is None else Text(str(one.path))
        echo(f"{one.name:<20} {translate(where, language_of(settings))}")


@persona.command("show")
@click.argument("name", required=False, default="")
@common_options
@click.pass_context
def show_persona(context: click.Context, name: str) -> None:
    """Print a persona as a file that can be edited."""
    from samantha.mind.persona import to_toml
    from samantha.wiring import open_persona

    echo(to_toml(open_persona(settings_of(context, {"persona.name": name} if name else {}))), nl=False)


@persona.command("new")
@click.argument("name")
@common_options
@click.pass_context
def new_persona(context: click.Context, name: str) -> None:
    """Write a new persona file to fill in."""
    from samantha.wiring import write_persona

    settings = settings_of(context)
    path = write_persona(settings, name, language=language_of(settings))
    tell(
        text("Edit '{path}', then `samantha chat --persona {name}`.", path=path, name=path.stem), language_of(settings)
    )


@persona.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@common_options
@click.pass_context
def import_persona(context: click.Context, file: Path) -> None:
    """Make a persona of a Character Card (V1, V2 or V3; JSON or PNG)."""
    from samantha.wiring import import_character_card

    settings = settings_of(context)
    language = language_of(settings)
    imported = import_character_card(settings, file)
    for note in imported.notes:
        tell(note, language)
    tell(
        text(
            "{name} is in '{path}'. Talk with `samantha chat --persona {stem}`.",
            name=imported.persona.name,
            path=imported.path,
            stem=imported.path.stem,
        ),
        language,
    )


def attach(group: click.Group) -> None:
    """Add the commands of this module to `samantha`."""
    commands: Sequence[click.Command] = (pull, models, doctor, config, persona)
    for command in commands:
        group.add_command(command)
