"""The figures of a report, as plotly figures without colours of text and background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import combinations
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from search.report.recipe_map import ALL
from search.results import recipe_lines

if TYPE_CHECKING:
    from search.ledger import Trial
    from search.objectives import Objective
    from search.report.recipe_map import RecipeMap
    from search.results import RunResults

GREY, BLUE, ORANGE, RED = "#9a9a9a", "#2a78c2", "#e07b1f", "#d2382e"
PAIRS_UP_TO = 4
"""Objectives that are shown in pairs; parallel coordinates show any number."""
PANEL, ROW, MARGIN = 380, 22, 120  # pixels: height of a panel, of a row of a map, of what is around
TOP_PARAMETERS = 15


def front_figures(results: RunResults, pick: Trial) -> list[go.Figure]:
    """The front beside the models: each pair of few objectives, and all of more than three."""
    figures = []
    objectives = results.objectives
    if len(objectives) == 1:
        figures.append(_by_trial(results, pick))
    elif len(objectives) <= PAIRS_UP_TO:
        figures.append(_pairs(results, pick))
    if len(objectives) > 3:
        figures.append(_parallel(results, pick))
    return figures


def hypervolume_figure(results: RunResults) -> go.Figure:
    """The hypervolume after each scored trial."""
    numbers = list(range(1, len(results.history) + 1))
    line = go.Scatter(x=numbers, y=results.history, mode="lines", line_color=BLUE, line_shape="hv")
    figure = _figure([line], height=PANEL)
    figure.update_xaxes(title="scored trials").update_yaxes(title="hypervolume")
    return figure


def importance_figure(shares: Mapping[str, Mapping[str, float]]) -> go.Figure:
    """The share of the most important parameters in each objective."""
    most = {
        name: max(of.get(name, 0.0) for of in shares.values())
        for name in dict.fromkeys(name for of in shares.values() for name in of)
    }
    names = sorted(most, key=lambda name: -most[name])[:TOP_PARAMETERS]
    rows = [[of.get(name, 0.0) for of in shares.values()] for name in names]
    return _heat_map(rows, list(map(escape, shares)), list(map(escape, names)), ".0%")


def recipe_figure(maps: Sequence[RecipeMap]) -> go.Figure:
    """A heat map of each parameter, its models side by side."""
    parameters = list(dict.fromkeys(each.parameter for each in maps))
    models = list(dict.fromkeys(each.model for each in maps if each.model != ALL)) or [ALL]
    first = maps[0]
    titles = {
        (each.parameter, models[0] if each.model == ALL else each.model): _panel_title(each)
        for each in maps
    }
    figure = make_subplots(
        rows=len(parameters),
        cols=len(models),
        subplot_titles=[escape(titles.get((p, m), "")) for p in parameters for m in models],
        shared_yaxes=True,
        horizontal_spacing=0.02,
    )
    for i in range(len(parameters)):
        axis = {"colorscale": "Viridis", "showscale": False}
        figure.update_layout({f"coloraxis{i + 1}": axis})
    for each in maps:
        row = parameters.index(each.parameter)
        cells = go.Heatmap(
            z=each.values,
            x=each.modules,
            y=[f"layer {layer}" if layer.isdigit() else layer for layer in each.layers],
            texttemplate="%{z:.2f}" if len(each.layers) <= 12 else None,
            hovertemplate=f"{escape(each.parameter)} of {escape(each.model)}: %{{z:.3g}}"
            "<br>%{y}, %{x}<extra></extra>",
            coloraxis=f"coloraxis{row + 1}",
            hoverongaps=False,
        )
        column = 1 if each.model == ALL else 1 + models.index(each.model)
        figure.add_trace(cells, row=row + 1, col=column)
    height = MARGIN + len(parameters) * max(110, ROW * len(first.layers))
    return _styled(figure, height).update_yaxes(autorange="reversed")


def _panel_title(each: RecipeMap) -> str:
    return each.parameter if each.model == ALL else f"{each.parameter} of {each.model}"


def conflict_figure(rows: Sequence[tuple[str, str, float]]) -> go.Figure:
    """Where task vectors have opposite signs: (layer, module, share of the entries)."""
    layers = list(dict.fromkeys(layer for layer, _, _ in rows))
    modules = list(dict.fromkeys(module for _, module, _ in rows))
    shares = {(layer, module): share for layer, module, share in rows}
    cells = [[shares.get((layer, module)) for module in modules] for layer in layers]
    return _heat_map(cells, modules, layers, ".0%")


def trial_text(trial: Trial, objectives: Sequence[Objective], *, recipe: bool = True) -> str:
    """What a pointer over a trial shows: label, scores and recipe."""
    label = f" ({trial.label})" if trial.label else ""
    scores = [f"{each.name} {trial.scores[each.name]:.4f}" for each in objectives]
    lines = [f"trial {trial.number}{label}", *scores]
    if recipe:
        lines += recipe_lines(trial.proposal.recipe)
    return "<br>".join(map(escape, lines))


def _by_trial(results: RunResults, pick: Trial) -> go.Figure:
    (objective,) = results.objectives
    traces = [
        go.Scatter(
            x=[trial.number for trial in trials],
            y=[trial.scores[objective.name] for trial in trials],
            **style,
        )
        for trials, style in _classes(results, pick)
    ]
    figure = _figure(traces, height=PANEL)
    figure.update_xaxes(title="trial").update_yaxes(title=_title(objective))
    return figure


def _pairs(results: RunResults, pick: Trial) -> go.Figure:
    pairs = list(combinations(results.objectives, 2))
    figure = make_subplots(rows=len(pairs), cols=1, vertical_spacing=0.25 / len(pairs))
    for row, (across, up) in enumerate(pairs, start=1):
        for trials, style in _classes(results, pick):
            points = go.Scatter(
                x=[trial.scores[across.name] for trial in trials],
                y=[trial.scores[up.name] for trial in trials],
                showlegend=row == 1,
                **style,
            )
            figure.add_trace(points, row=row, col=1)
        figure.update_xaxes(title=_title(across), row=row, col=1)
        figure.update_yaxes(title=_title(up), row=row, col=1)
    return _styled(figure, PANEL * len(pairs))


def _parallel(results: RunResults, pick: Trial) -> go.Figure:
    """One line for each trial of the front; 0 is the worst and 1 the best of base and models."""
    names = [escape(_title(each)) for each in results.objectives]
    lines = []
    for trials, style in _classes(results, pick)[1:]:
        for i, trial in enumerate(trials):
            line = {key: style[key] for key in ("name", "legendgroup", "marker", "hovertemplate")}
            lines.append(
                go.Scatter(
                    x=names,
                    y=results.shares(trial),
                    hovertext=[style["hovertext"][i]] * len(names),
                    mode="lines+markers",
                    showlegend=i == 0,
                    **line,
                )
            )
    figure = _figure(lines, height=PANEL + 60)
    figure.update_yaxes(title="0: worst, 1: best of base and models")
    return figure


def _classes(results: RunResults, pick: Trial) -> list[tuple[list[Trial], dict[str, Any]]]:
    """Trials that look alike, and how: other trials, the front, the inputs, the pick."""
    inputs = list(results.compared.values())
    apart = {trial.number for trial in (*results.front, *inputs)}
    others = [trial for trial in results.scored if trial.number not in apart]
    circle = {"color": RED, "size": 15, "symbol": "circle-open", "line_width": 3}
    looks = {
        "other trials": (others, {"color": GREY, "size": 5, "opacity": 0.6}),
        "front": (results.front, {"color": BLUE, "size": 9}),
        "base, models, uniform soup": (inputs, {"color": ORANGE, "size": 10, "symbol": "diamond"}),
        "pick": ([pick], circle),
    }
    return [
        (trials, _look(name, marker, trials, results.objectives))
        for name, (trials, marker) in looks.items()
    ]


def _look(
    name: str,
    marker: dict[str, Any],
    trials: Sequence[Trial],
    objectives: Sequence[Objective],
) -> dict[str, Any]:
    """How points of a class are drawn; recipes of thousands of other trials are left out."""
    is_input, is_other = name.startswith("base"), name == "other trials"
    return {
        "name": name,
        "legendgroup": name,
        "mode": "markers+text" if is_input else "markers",
        "text": [escape(trial.label or "") for trial in trials],
        "textposition": "top center",
        "hovertext": [trial_text(each, objectives, recipe=not is_other) for each in trials],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "marker": marker,
    }


def _title(objective: Objective) -> str:
    return f"{objective.name} {'↑' if objective.direction == 'maximize' else '↓'}"


def _heat_map(
    rows: Sequence[Sequence[float | None]],
    columns: Sequence[str],
    names: Sequence[str],
    number_format: str,
) -> go.Figure:
    text = f"%{{z:{number_format}}}"
    cells = go.Heatmap(
        z=rows,
        x=columns,
        y=names,
        colorscale="Viridis",
        texttemplate=text,
        hovertemplate=f"%{{y}}, %{{x}}: {text}<extra></extra>",
        hoverongaps=False,
    )
    figure = _figure([cells], height=MARGIN + ROW * len(names))
    return figure.update_yaxes(autorange="reversed")


def _figure(traces: Sequence[object], height: int) -> go.Figure:
    return _styled(go.Figure(traces), height)


def _styled(figure: go.Figure, height: int) -> go.Figure:
    """Transparent, for light and dark pages; labels may take the room that they need."""
    figure.update_layout(
        height=height,
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 10, "r": 10, "t": 30, "b": 10},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom"},
        hoverlabel={"align": "left"},
    )
    figure.update_xaxes(automargin=True).update_yaxes(automargin=True)
    return figure
