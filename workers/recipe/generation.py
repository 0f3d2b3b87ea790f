"""The generation config of a merged model: a model's, or the text of one."""

from __future__ import annotations

import json
from collections.abc import Sequence

from evaluators.settings import suggestion


def is_settings(text: str) -> bool:
    """Whether it is the JSON text of a generation config, not a model's name."""
    return text.lstrip().startswith("{")


def generation_errors(choice: object, models: Sequence[str]) -> list[str]:
    """Why a choice is neither a generation config nor the name of a model."""
    known = list(dict.fromkeys(["base", *models])) if models else []
    if choice is None or choice in known:
        return []
    if not isinstance(choice, str) or not is_settings(choice):
        hint = suggestion(str(choice), known)
        return [f"generation_config {choice!r} is neither a model nor JSON text; {hint}"]
    try:
        json.loads(choice)
    except ValueError as error:
        return [f"generation_config: is not valid JSON: {error}"]
    return []
