"""Puts the sections of a report together and writes the page."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from evaluators.wording import counted
from search.ledger import Ledger
from search.report.figures import (
    conflict_figure,
    front_figures,
    hypervolume_figure,
    importance_figure,
    recipe_figure,
)
from search.report.recipe_map import recipe_maps
from search.report.section import Section
from search.report.tables import failure_table, front_table, timing_table, verdict_table
from search.results import MEANING, Effort, importance, mean_text, recipe_lines
from search.runs import open_run, picked, results_of
from workers.new_path import write_whole

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from search.ledger import Trial
    from search.results import RunResults
    from search.runs import RunVerdict
    from workers.checkpoint import Difference

PLOTLY = Path(__file__).with_name("vendor") / "plotly.js"
"""The part of plotly.js for scatter plots and heat maps, a third of the whole."""

NO_VERDICT = (
    "Not tested yet: the scores above are of the documents that the search used, and flatter the "
    "pick. `mergefront verdict` tests it on documents that the search has not seen."
)


@dataclass(frozen=True)
class Report:
    """All that a report shows.

    Args:
        name: of the run.
        results: its finished trials.
        pick: the trial whose recipe is shown.
        config: its resolved config, as YAML.
        command: that started it.
        verdict: on the pick, if there is one.
        differences: between the models and their base, if they have been read.
    """

    name: str
    results: RunResults
    pick: Trial
    config: str
    command: str
    verdict: RunVerdict | None = None
    differences: Sequence[Difference] = ()


def make_report(root: str, pick: str, number: int | None, *, deep: bool = False) -> Report:
    """The report of a run, from its files.

    Args:
        root: of the run.
        pick: the trial to show, as in `RunResults.pick`; one with a verdict comes before.
        number: of the trial to show, instead of a pick.
        deep: compare the weights of the models too, which must still be there.

    Raises:
        ValueError: if there is no such run or trial, or a model is gone.
    """
    ledger = Ledger(root)
    results = results_of(ledger)
    chosen, verdict = picked(ledger, results, pick, number)
    return Report(
        name=ledger.header["name"],
        results=results,
        pick=chosen,
        config=ledger.config,
        command=f"mergefront resume {shlex.quote(root)}",
        verdict=verdict,
        differences=diagnose_weights(ledger) if deep else (),
    )


def diagnose_weights(ledger: Ledger) -> Sequence[Difference]:
    """Where the models of a run change the base's weights, and in which directions."""
    from workers.doctor import compare_weights  # noqa: PLC0415 - imports torch

    plan, _ = open_run(ledger.root)
    return compare_weights(plan.base, plan.models, plan.config.tokenizer)


def write_report(report: Report, path: Path) -> None:
    """Writes the report as one HTML file that needs no other and no network.

    Raises:
        OSError: if the file cannot be written.
    """
    write_whole(path, page(report).encode())


def page(report: Report) -> str:
    """The report as HTML."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return templates.get_template("page.html.j2").render(
        name=report.name,
        summary=_summary(report.results),
        sections=list(_sections(report)),
        plotly_js=PLOTLY.read_text(encoding="utf-8"),
    )


def _summary(results: RunResults) -> str:
    states = [trial.state for trial in results.trials]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    effort = str(Effort.of(results.trials))
    scored = f"; scored: {effort}" if effort else ""
    return f"{counted(len(states), 'trial')}: {counts}; {len(results.front)} on the front{scored}"


def _sections(report: Report) -> Iterator[Section]:
    results, pick = report.results, report.pick
    yield Section(
        "front",
        "Pareto front",
        texts=[
            "None of the models on the front is worse than another on every objective. "
            f"{_sentence(mean_text(results.objectives))}."
        ],
        figures=[_html(figure) for figure in front_figures(results, pick)],
        tables=[front_table(results, pick)],
    )
    yield _verdict(report.verdict)
    yield _recipe(pick)
    yield Section(
        "progress",
        "Progress",
        texts=[
            "The hypervolume is the part of the objectives' space that the front dominates; "
            "more is better, and a line that still rises says that more trials would help."
        ],
        figures=[_html(hypervolume_figure(results))],
        tables=[timing_table(results.trials)],
    )
    yield _importance(results)
    if report.differences:
        yield _conflicts(report.differences)
    if failures := failure_table(results.trials):
        yield Section("failures", "Failures by cause", tables=[failures])
    yield Section(
        "config",
        "Command and config",
        codes=[
            ("Command that continues it", report.command),
            ("Config, with all defaults", report.config),
        ],
    )


def _verdict(verdict: RunVerdict | None) -> Section:
    if verdict is None:
        return Section("verdict", "Verdict", texts=[NO_VERDICT])
    return Section(
        "verdict",
        "Verdict on report documents",
        texts=[
            *(each.sentence for each in verdict.objectives),
            *(each.sentence for each in verdict.answers),
            *(f"Warning: {warning}." for warning in verdict.warnings),
            "In brackets: 95 % intervals. p: of paired tests, Holm-corrected over all of them.",
        ],
        tables=[verdict_table(verdict)],
    )


def _recipe(pick: Trial) -> Section:
    recipe = pick.proposal.recipe
    maps = recipe_maps(recipe)
    label = f" ({pick.label})" if pick.label else ""
    return Section(
        "recipe",
        "Recipe of the pick",
        texts=[f"Trial {pick.number}{label}, recipe digest {recipe.digest}."],
        figures=[_html(recipe_figure(maps))] if maps else [],
        codes=[
            ("In words", "\n".join(recipe_lines(recipe))),
            ("As a file for `mergefront merge`", recipe.to_yaml()),
        ],
    )


def _importance(results: RunResults) -> Section:
    title = "Importance of the parameters"
    try:
        shares = importance(results)
    except ValueError as error:
        return Section("importance", title, texts=[f"Not known yet: {error}."])
    text = f"{_sentence(MEANING)}."
    return Section("importance", title, [text], figures=[_html(importance_figure(shares))])


def _conflicts(differences: Sequence[Difference]) -> Section:
    rows = [
        ("outside" if each.layer is None else f"layer {each.layer}", each.module, each.conflict)
        for each in differences
    ]
    text = "The share of the entries that the models change in opposite directions."
    return Section("conflicts", "Where the models conflict", [text], [_html(conflict_figure(rows))])


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _html(figure: go.Figure) -> str:
    config = {"responsive": True, "displaylogo": False}
    text: str = figure.to_html(full_html=False, include_plotlyjs=False, config=config)
    return text
