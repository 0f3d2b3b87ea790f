"""A recipe as a table: the parameters of each group of tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.markup import escape
from rich.table import Table

from workers.recipe import Recipe, layer_of

Row = tuple[Sequence[str], Mapping[str, object]]
"""Names of tensors, and their parameters."""


def recipe_table(recipe: Recipe, rows: Sequence[Row]) -> Table:
    """One row per group of tensors that share parameters."""
    models = ", ".join(f"{name} = {source}" for name, source in recipe.models.items())
    base = f"; base = {recipe.base}" if recipe.base else ""
    table = Table("tensors", "parameters", show_lines=True, title_justify="left")
    table.title = escape(f"{recipe.method} of {models}{base}; digest {recipe.digest}")
    for names, parameters in rows:
        cells = shorten(names), _parameters(parameters)
        table.add_row(*(escape("\n".join(lines)) for lines in cells))
    return table


def shorten(names: Sequence[str]) -> list[str]:
    """Tensor names in which ranges stand for layers with equal names.

    >>> shorten(["m.layers.0.a.w", "m.layers.1.a.w", "m.layers.3.a.w", "lm_head.weight"])
    ['m.layers.{0-1,3}.a.w', 'lm_head.weight']
    """
    layers: dict[tuple[str, str], list[int]] = {}
    for name in names:
        layer = layer_of(name)
        head, _, rest = name.partition(f".{layer}.") if layer is not None else (name, "", "")
        layers.setdefault((head, rest), []).extend([] if layer is None else [layer])
    return [
        f"{head}.{_ranges(found)}.{rest}" if found else head
        for (head, rest), found in layers.items()
    ]


def _ranges(layers: Sequence[int]) -> str:
    ordered = sorted(layers)
    starts = [n for n in ordered if n - 1 not in ordered]
    ends = [n for n in ordered if n + 1 not in ordered]
    pairs = zip(starts, ends, strict=True)
    text = ",".join(str(a) if a == b else f"{a}-{b}" for a, b in pairs)
    return text if len(layers) == 1 else f"{{{text}}}"


def _parameters(parameters: Mapping[str, object]) -> list[str]:
    return [f"{name}: {_value(value)}" for name, value in parameters.items()] or ["none"]


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return "  ".join(f"{model} {number:g}" for model, number in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)
