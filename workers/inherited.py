"""Whose chat template and generation config a merged model has, and who has others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workers.checkpoint import (
    Checkpoint,
    chosen_generation,
    chosen_template,
    generation_settings,
    open_headers,
    template_of,
)
from workers.recipe import TEMPLATES, UNION, Recipe, is_settings, is_template


@dataclass(frozen=True)
class Inherited:
    """One of the settings that a merged model has from one of its models, or that were given."""

    what: str
    owner: str
    """Whose it is, or what; empty if there is none."""
    others: Sequence[str]
    """The models that have another one."""

    @property
    def sentence(self) -> str:
        """Whose it is, and whose is different."""
        said = f"The {self.what} is {self.owner}" if self.owner else f"It has no {self.what}"
        if not self.others:
            return f"{said}."
        verb = "differs" if len(self.others) == 1 else "differ"
        return f"{said}; that of {', '.join(self.others)} {verb}."


def inherited(recipe: Recipe) -> list[Inherited]:
    """The chat template and the generation config of a recipe's model.

    Raises:
        ValueError: if a model cannot be read.
    """
    models = {name: open_headers(source) for name, source in recipe.token_sources.items()}
    return [_template(recipe, models), _generation(recipe, models)]


def _template(recipe: Recipe, models: Mapping[str, Checkpoint]) -> Inherited:
    choice = recipe.chat_template or _tokenizer_model(recipe, models)
    texts = {name: template_of(model.tokenizer_path) for name, model in models.items()}
    if choice in models or choice == "base":
        chosen = texts[_key(choice, models)]
    else:
        chosen = chosen_template(choice, models)
    others = [name for name, text in texts.items() if text != chosen]
    if is_template(choice):
        return Inherited("chat template", _owner(texts, chosen, "the recipe's"), others)
    owner = choice if choice in TEMPLATES else f"{choice}'s"
    return Inherited("chat template", owner if chosen else "", others)


def _generation(recipe: Recipe, models: Mapping[str, Checkpoint]) -> Inherited:
    choice = recipe.generation_config or _tokenizer_model(recipe, models)
    settings = {name: generation_settings(model) for name, model in models.items()}
    if not is_settings(choice):
        chosen = settings[_key(choice, models)]
        others = [name for name, each in settings.items() if each != chosen]
        return Inherited("generation config", f"{choice}'s", others)
    texts = {name: _generation_text(name, models) for name in models}
    others = [name for name, text in texts.items() if text != choice]
    return Inherited("generation config", _owner(texts, choice, "the recipe's"), others)


def _generation_text(name: str, models: Mapping[str, Checkpoint]) -> str | None:
    try:
        return chosen_generation(name, models)
    except ValueError:  # it has none
        return None


def _owner(texts: Mapping[str, str | None], chosen: str | None, otherwise: str) -> str:
    """The first model that has this text; a run writes the text of the model that it chose."""
    return next((f"{name}'s" for name, text in texts.items() if text == chosen), otherwise)


def _tokenizer_model(recipe: Recipe, models: Mapping[str, Checkpoint]) -> str:
    """The model whose tokenizer the merged one has or extends."""
    source = recipe.tokenizer.source if recipe.tokenizer else UNION
    return next(iter(models)) if source in (UNION, "base") else source


def _key(choice: str, models: Mapping[str, Checkpoint]) -> str:
    return choice if choice in models else next(iter(models))
