"""Compares the weights of models with their base, as JSON and as an HTML page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape

from workers.checkpoint import Difference, align, differences, open_checkpoint, retokenize
from workers.recipe import Source, TokenizerChoice

_PAGE = """<!doctype html><meta charset="utf-8"><title>Task vectors</title><style>
body{{font:14px system-ui;margin:2em;color:#222}} h2{{font-size:1.1em;margin:2em 0 .5em}}
td,th{{padding:3px 8px;text-align:right;font-variant-numeric:tabular-nums}}
table{{border-spacing:1px}}
th{{font-weight:500;color:#555}} p{{max-width:60em;color:#444}}</style><h1>Task vectors</h1>
<p>What each model changes relative to {base}, by layer and kind of tensor. A merge keeps most
where lengths are similar, cosines are not negative and few entries change in both
directions.</p>{body}"""

Value = Callable[[Difference], float]


def compare_weights(
    base: Source, models: Mapping[str, Source], tokenizer: TokenizerChoice | None = None
) -> list[Difference]:
    """The differences between models and their base; reads every weight once.

    Raises:
        ValueError: if a model cannot be read.
    """
    sources = {"base": base, **models}
    found = {name: open_checkpoint(source) for name, source in sources.items()}
    opened = align(retokenize(found, tokenizer))
    return differences(opened.pop("base"), opened)


def differences_to_json(found: Sequence[Difference]) -> list[dict[str, object]]:
    """JSON values."""
    return [
        {
            "layer": each.layer,
            "module": each.module,
            "entries": each.entries,
            "norms": dict(each.norms),
            "cosines": {f"{a} {b}": value for (a, b), value in each.cosines.items()},
            "conflict": each.conflict,
        }
        for each in found
    ]


def differences_to_html(found: Sequence[Difference], base: str) -> str:
    """One self-contained page: a heat map for each model, each pair and the conflict of signs."""
    maps: list[tuple[str, Value, tuple[int, int, int]]] = [
        (f"length of {name} − base, relative to the base", _norm(name), (31, 119, 180))
        for name in found[0].norms
    ]
    maps += [
        (f"cosine of {a} and {b}", _cosine((a, b)), (44, 160, 44)) for a, b in found[0].cosines
    ]
    if found[0].cosines:
        maps.append(("entries with opposite signs", lambda each: each.conflict, (214, 39, 40)))
    body = "".join(_heat_map(title, found, value, rgb) for title, value, rgb in maps)
    return _PAGE.format(base=escape(base), body=body)


def _norm(name: str) -> Value:
    return lambda each: each.norms[name]


def _cosine(pair: tuple[str, str]) -> Value:
    return lambda each: each.cosines[pair]


def _heat_map(
    title: str, found: Sequence[Difference], value: Value, rgb: tuple[int, int, int]
) -> str:
    modules = list(dict.fromkeys(each.module for each in found))
    layers = list(dict.fromkeys(each.layer for each in found))
    values = {(each.layer, each.module): value(each) for each in found}
    largest = max(abs(number) for number in values.values()) or 1.0
    head = "".join(f"<th>{escape(module)}</th>" for module in modules)
    rows = "".join(
        f"<tr><th>{'outside' if layer is None else layer}</th>"
        + "".join(_cell(values.get((layer, module)), largest, rgb) for module in modules)
        + "</tr>"
        for layer in layers
    )
    return f"<h2>{escape(title)}</h2><table><tr><th>layer</th>{head}</tr>{rows}</table>"


def _cell(value: float | None, largest: float, rgb: tuple[int, int, int]) -> str:
    if value is None:
        return "<td></td>"
    red, green, blue = rgb if value >= 0 else (148, 103, 189)
    shade = min(1.0, abs(value) / largest)
    return f'<td style="background:rgba({red},{green},{blue},{0.75 * shade:.2f})">{value:.3f}</td>'
