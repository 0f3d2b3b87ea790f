"""The chat template of a model, and that which a recipe chooses."""

from __future__ import annotations

from collections.abc import Mapping

from workers.checkpoint.checkpoint import Checkpoint
from workers.checkpoint.vocabulary.tokens import template_of
from workers.recipe import TEMPLATES, is_template


def chosen_template(choice: str, models: Mapping[str, Checkpoint]) -> str:
    """The text of a template.

    Args:
        choice: the name of a model or of a standard template, or the text itself.
        models: by name, the base first.

    Raises:
        ValueError: if the model has none, there is no such name, or the text is no template.
    """
    if is_template(choice):
        return _checked(choice)
    model = next(iter(models)) if choice == "base" else choice
    if model not in models:
        return TEMPLATES[choice]
    if (text := template_of(models[model].tokenizer_path)) is None:
        raise ValueError(
            f"chat_template: {models[model].tokenizer_path}: {choice} has no chat template; name "
            f"another model or one of {', '.join(TEMPLATES)}"
        )
    return text


def _checked(text: str) -> str:
    import jinja2  # noqa: PLC0415 - rarely needed
    from transformers.utils.chat_template_utils import _compile_jinja_template  # noqa: PLC0415

    try:
        _compile_jinja_template(text)
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(
            f"chat_template: line {error.lineno}: {error.message}; it is neither a Jinja template "
            f"nor a name"
        ) from None
    return text
