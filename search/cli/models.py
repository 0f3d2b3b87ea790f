"""The commands about models, which need no run: init, doctor and merge."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evaluators.steps import begin_step
from search.cli.errors import WRONG_INPUT, input_errors, write_errors
from search.cli.options import ANOTHER_FILE, Force, Json
from search.cli.output import console, note, say
from search.cli.steps import clear_steps
from workers.new_path import check_absent, write_whole

if TYPE_CHECKING:
    from search.config import Draft


def doctor(
    inputs: Annotated[
        list[str],
        typer.Argument(
            help="The YAML file of a search, or models, the base first.", metavar="CONFIG"
        ),
    ],
    deep: Annotated[
        bool, typer.Option("--deep", help="Read the weights: which models conflict, and where.")
    ] = False,
    picture: Annotated[
        Path | None, typer.Option(help="Write the result of --deep as an HTML page.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what would fail or surprise in a search of CONFIG, or in a merge of the models."""
    with input_errors():
        begin_step(f"checking {', '.join(inputs)}")
        from search.config import ConfigError, diagnose
        from workers.model_path import MissingModelsError

        try:
            diagnosis = diagnose(inputs, deep=deep or picture is not None)
        except (ConfigError, MissingModelsError) as error:
            if as_json:
                print(json.dumps({"version": 1, "errors": error.errors, "warnings": []}, indent=2))
                raise typer.Exit(WRONG_INPUT) from None
            raise
    if picture and diagnosis.deep:
        with write_errors():
            write_whole(picture, diagnosis.deep_page().encode())
    if as_json:
        print(json.dumps(diagnosis.to_json(), indent=2))
    else:
        from search.cli.doctor_tables import print_diagnosis

        print_diagnosis(diagnosis, inputs, console())
    if diagnosis.errors:
        raise typer.Exit(WRONG_INPUT)


def init(
    models: Annotated[
        list[str] | None,
        typer.Argument(help="The fine-tuned models: directories or hub ids.", show_default=False),
    ] = None,
    evolve: Annotated[
        Path | None,
        typer.Option(
            "--from", help="Translate this config of mergekit-evolve.", metavar="EVOLVE.YML"
        ),
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="The model that they were fine-tuned from.")
    ] = None,
    tasks: Annotated[
        str | None, typer.Option(help="Names of tasks to score on, with commas between them.")
    ] = None,
    task_folder: Annotated[
        Path | None, typer.Option(help="A folder of lm-eval task files of your own.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The config to write.")] = Path("my-search.yaml"),
    force: Force = False,
) -> None:
    """Write a first config for these models, which runs as it is.

    The base is looked for among the models, in their cards and configs.
    """
    with input_errors():
        begin_step("reading the models")
        check_absent(out, force=force, advice=ANOTHER_FILE)
        if bool(models) is (evolve is not None):
            raise ValueError("name either the models, or a config of mergekit-evolve with --from")
        if evolve and tasks:
            raise ValueError("--tasks: the tasks are those of the file that --from names")
        make = partial(_draft, models or [], evolve, tasks, task_folder, out)
        draft = _with_base(make, base)
        with write_errors():
            write_whole(out, draft.text.encode())
    for warning in draft.warnings:
        note(f"warning: {warning}")
    say(f"{out} is ready; the base is {draft.base}")
    say(f"Next: mergefront doctor {out}, then mergefront search {out}")


def _draft(
    models: list[str],
    evolve: Path | None,
    tasks: str | None,
    folder: Path | None,
    out: Path,
    base: str | None,
) -> Draft:
    from search.config import draft_config, translate_evolve

    if evolve:
        return translate_evolve(evolve, base=base, folder=folder, file=out)
    return draft_config(models, _tasks(tasks, folder), base=base, folder=folder, file=out)


def _with_base(make: Callable[[str | None], Draft], base: str | None) -> Draft:
    """A draft; at a terminal, the base is asked for if nothing names it."""
    from search.config import BaseError

    try:
        return make(base)
    except BaseError:
        if not sys.stdin.isatty():
            raise
        clear_steps()
        return make(typer.prompt("Which model were they fine-tuned from"))


def _tasks(given: str | None, folder: Path | None) -> list[str]:
    """The tasks that were named, or all of a folder's."""
    if given is None and folder is not None:
        from evaluators.tasks import read_folder

        files = read_folder(folder)
        groups = {name for name, each in files.items() if each.children}
        whole = {name for name in groups if set(files[name].children) <= files.keys()}
        return [name for name in files if name not in whole]
    if given is None and sys.stdin.isatty():
        clear_steps()
        given = typer.prompt(
            "Which tasks to score on, with commas between them (--task-folder names your own)"
        )
    return [task.strip() for task in (given or "").split(",") if task.strip()]


def merge(
    recipe: Annotated[
        Path, typer.Argument(help="A recipe file of mergefront's format or of mergekit's.")
    ],
    out: Annotated[
        Path | None, typer.Argument(help="The model directory to write.", show_default=False)
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print the parameters of each group of tensors.")
    ] = False,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the random masks; only for mergekit's format.")
    ] = 0,
    force: Force = False,
) -> None:
    """Write one merged model from a recipe file, or only --explain the recipe."""
    with input_errors():
        if (out is None) is not explain:
            raise ValueError("give either OUT, the directory to write, or --explain, not both")
        if out:
            check_absent(out, force=force)
        begin_step(f"reading {recipe}")
        from workers.recipe_file import read_chain

        recipes = read_chain(recipe, seed=seed)
        checked = recipes[next(reversed(recipes))]
        if explain and len(recipes) > 1:
            raise ValueError(f"--explain needs one recipe, but {recipe} has {len(recipes)}")
        if explain:
            from search.cli.recipe_table import recipe_table
            from workers.merge import explain as explained

            clear_steps()
            console().print(recipe_table(checked, explained(checked)))
        if out is None:
            return
        from workers.merge import merge as write
        from workers.merge_chain import merge_chain

        with write_errors():
            if len(recipes) == 1:
                warnings = write(checked, out, force=force)
            else:
                warnings = merge_chain(
                    recipes, out, recipe.read_text(encoding="utf-8"), force=force
                )
    for warning in warnings:
        note(f"warning: {warning}")
    say(f"{out} is ready")
