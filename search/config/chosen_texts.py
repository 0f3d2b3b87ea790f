"""The chat template and the generation config that a config chooses, as texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from workers.recipe import generation_errors, template_errors

if TYPE_CHECKING:
    from search.config.file import ConfigFile
    from search.config.schema import Config
    from workers.checkpoint import Checkpoint
    from workers.recipe import Source


def chosen_texts(config: Config, models: Mapping[str, Source]) -> tuple[str | None, str | None]:
    """Chat template and generation config; a model's as text, since a recipe may leave it out."""
    from workers.checkpoint import chosen_generation, chosen_template, open_checkpoint

    template, generation = config.chat_template, config.generation_config
    opened = {
        name: open_checkpoint(each)
        for name, each in models.items()
        if {template, generation} & {*models}
    }
    if template is not None and template in models:
        template = chosen_template(template, opened)
    if generation is not None and generation in models:
        generation = chosen_generation(generation, opened)
    return template, generation


def text_errors(file: ConfigFile) -> list[str]:
    """Why chat template or generation config cannot be used; a model's is read from its files."""
    from workers.checkpoint import chosen_generation, chosen_template

    return [
        *_choice_errors(file, "chat_template", template_errors, chosen_template),
        *_choice_errors(file, "generation_config", generation_errors, chosen_generation),
    ]


def _choice_errors(
    file: ConfigFile,
    key: str,
    errors_of: Callable[[object, Sequence[str]], list[str]],
    text_of: Callable[[str, Mapping[str, Checkpoint]], str],
) -> list[str]:
    choice, base, models = file[key], file["base"], file["models"]
    if choice is None:
        return []
    if errors := errors_of(choice, list(models)):
        return errors
    from workers.checkpoint import open_headers

    try:
        sources = {name: file.source(each) for name, each in {"base": base, **models}.items()}
        text_of(choice, {name: open_headers(s) for name, s in sources.items() if name == choice})
    except ValueError as error:
        return [str(error)]
    return []
