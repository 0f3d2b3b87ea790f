"""The user's own recipes, which become baselines of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evaluators.settings import SettingsError
from workers.recipe import Group, Recipe, Source, TokenizerChoice, stack_of
from workers.recipe_file import read_recipe

if TYPE_CHECKING:
    from search.space import Space


def read_recipes(paths: Sequence[Path], space: Space) -> dict[str, Recipe]:
    """The recipes in these files, by the names of the files.

    Raises:
        SettingsError: with every file that cannot be read, is no recipe, or uses other models.
    """
    stacks = {source.layers for source in (space.base, *space.models.values())}
    recipes: dict[str, Recipe] = {}
    errors: list[str] = []
    for i, path in enumerate(paths):
        try:
            if path.stem in recipes:
                raise ValueError(f"there are two recipes named {path.stem}")
            recipe = read_recipe(path, seed=space.seed)
            of_run = _with_models_of_run if recipe.stacks <= stacks else _stacks_of_run
            recipes[path.stem] = of_run(recipe, space)
        except ValueError as error:
            errors.append(f"recipes.{i}: {error}")
    if errors:
        raise SettingsError(errors)
    return recipes


def _with_models_of_run(recipe: Recipe, space: Space) -> Recipe:
    """The recipe with the models of the run, by their names in the run."""
    if recipe.base is not None:
        _name_in_run("base", recipe.base, {"base": space.base})
    known = {**space.models, "base": space.base}
    names = {name: _name_in_run(name, source, known) for name, source in recipe.models.items()}
    return replace(
        recipe,
        models={ours: known[ours] for ours in names.values()},
        groups=tuple(_rename_models(group, names) for group in recipe.groups),
        base=space.base,
        tokenizer=_tokenizer_of_run(recipe.tokenizer, names, space),
        chat_template=space.chat_template,
        generation_config=space.generation_config,
    )


def _stacks_of_run(recipe: Recipe, space: Space) -> Recipe:
    """A recipe of stacks of the run's models, which keeps its own names for them.

    Raises:
        ValueError: if the stacks cannot be merged.
    """
    from workers.merge import check  # imports torch

    known = {**space.models, "base": space.base}
    names = {
        name: _name_in_run(name, replace(source, layers=None, fingerprint=None), known)
        for name, source in recipe.sources.items()
    }

    def of_run(name: str, source: Source) -> Source:
        return stack_of(known[names[name]], source.layers)

    found = replace(
        recipe,
        models={name: of_run(name, source) for name, source in recipe.models.items()},
        base=of_run("base", recipe.base) if recipe.base else None,
        tokenizer=_tokenizer_of_run(recipe.tokenizer, names, space),
        chat_template=space.chat_template,
        generation_config=space.generation_config,
    )
    check(found)
    return found


def _tokenizer_of_run(
    wanted: TokenizerChoice | None, names: Mapping[str, str], space: Space
) -> TokenizerChoice | None:
    """The run's tokenizer: its workers have one vocabulary."""
    found = space.tokenizer
    if wanted is None or (wanted.source == "base" and found is None):
        return found
    source = names.get(wanted.source, wanted.source)
    if found is None or source != found.source:
        has = f"is {found.source!r}" if found else "is not set"
        raise ValueError(
            f"its tokenizer is {source!r}, and the run's {has}; all models of a run have one "
            f"vocabulary: set `tokenizer: {source}` in the config, or remove it from the recipe"
        )
    return found


def _name_in_run(name: str, source: Source, known: Mapping[str, Source]) -> str:
    """The name in the run of a model with the same content, or else the same path or name."""
    for ours, other in known.items():
        if source.fingerprint is not None and source.fingerprint == other.fingerprint:
            return ours
    for ours, other in known.items():
        if _location(source) == _location(other):
            if source.fingerprint and other.fingerprint:  # and they are not equal
                raise ValueError(
                    f"its model {name!r} ({source.path}) has fingerprint {source.fingerprint}, "
                    f"but the model at that path now has {other.fingerprint}"
                )
            return ours
    if name not in known or source.fingerprint is not None:
        raise ValueError(f"its model {name!r} ({source.path}) is none of the run's: {list(known)}")
    return name


def _location(source: Source) -> tuple[object, ...]:
    return source.path, source.revision, source.adapter, source.layers


def _rename_models(group: Group, names: Mapping[str, str]) -> Group:
    parameters = {
        parameter: {names[model]: number for model, number in value.items()}
        if isinstance(value, Mapping)
        else value
        for parameter, value in group.parameters.items()
    }
    return replace(group, parameters=parameters)
