"""The native recipe in the last comment of a mergekit file that mergefront wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import yaml

from workers.mergekit.writer import MARK, write
from workers.recipe import Recipe, Source

if TYPE_CHECKING:
    from workers.checkpoint import Checkpoint


def embedded_recipe(text: str, where: str) -> Recipe | None:
    """The native recipe in a file's comment, or None.

    Raises:
        ValueError: if the comment is damaged.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith(MARK):
            try:
                return Recipe.from_dict(json.loads(line.removeprefix(MARK)))
            except (ValueError, TypeError) as error:
                raise ValueError(f"{where}: line {number}: {error}") from None
    return None


def verified(
    native: Recipe, text: str, where: str, open_model: Callable[[Source], Checkpoint]
) -> Recipe:
    """The embedded recipe, if the rest of the file describes the same merge.

    Raises:
        ValueError: if it does not.
    """
    if yaml.safe_load(write(native, open_model)) != yaml.safe_load(text):
        raise ValueError(
            f"{where}: the line that begins with {MARK.strip()!r} is not the same recipe as the "
            "rest of the file; delete that line to use the rest"
        )
    return native
