"""What a model card says about how good the model is: scores and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from workers.evidence import Evidence, Score

if TYPE_CHECKING:
    from search.config import Plan
    from search.ledger import Trial
    from search.objectives import Metric, Objective
    from search.runs.verdict import RunVerdict

FLATTERING = (
    "scored with the LM Evaluation Harness on the documents that it was picked on, so these "
    "numbers flatter it."
)
UNSEEN = (
    "Scored with the LM Evaluation Harness on documents that the search has not seen. In brackets: "
    "95 % intervals."
)


def evidence_of(
    plan: Plan,
    trial: Trial,
    beside: Mapping[str, Trial],
    verdict: RunVerdict | None = None,
    note: str = "",
) -> Evidence:
    """The scores of a trial, those on unseen documents first.

    Args:
        plan: of the run.
        trial: a scored trial.
        beside: trials whose search scores are shown for comparison, by label.
        verdict: on this trial, if there is one; its scores become the card's metadata.
        note: what else a reader should know of the scores.
    """
    parts = [
        ["## Scores"],
        [note] if note else [],
        _unseen(verdict) if verdict else [],
        _search(plan, trial, beside),
    ]
    section = "\n\n".join(line for part in parts for line in part)
    return Evidence(section + "\n", _scores(plan.objectives, trial, verdict))


def _scores(
    objectives: Sequence[Objective], trial: Trial, verdict: RunVerdict | None
) -> tuple[Score, ...]:
    if verdict:
        pairs = [(each.objective, each.report) for each in verdict.objectives]
        return tuple(_score(each, value, "report") for each, value in pairs)
    return tuple(_score(each, trial.scores[each.name], "search") for each in objectives)


def _score(objective: Objective, value: float, documents: str) -> Score:
    single = objective.metrics[0] if len(objective.metrics) == 1 else None
    return Score(
        tasks=tuple(metric.task for metric in objective.metrics),
        metric=single.key.split(",")[0] if single else "mean",
        name=_what(objective),
        value=value,
        documents=documents,
    )


def _unseen(verdict: RunVerdict) -> list[str]:
    rows = (
        f"| {each.objective.name} ({_what(each.objective)}) | {_better(each.objective)} "
        f"| {each.report_text} |"
        for each in verdict.objectives
    )
    table = "\n".join(["| objective | better | this model |", "|---|---|---|", *rows])
    lines = [
        *(each.sentence for each in verdict.objectives),
        *(each.sentence for each in verdict.answers),
        *(f"**Warning:** {warning}." for warning in verdict.warnings),
    ]
    return [UNSEEN, table, "\n".join(f"- {each}" for each in lines)]


def _search(plan: Plan, trial: Trial, beside: Mapping[str, Trial]) -> list[str]:
    columns = {"this model": trial, **beside}
    lines = [
        f"| objective | better | {' | '.join(columns)} |",
        f"|---|---|{'---|' * len(columns)}",
        *(_row(each, list(columns.values())) for each in plan.objectives),
    ]
    intro = f"Trial {trial.number} of a search with seed {plan.config.seed}, {FLATTERING}"
    return [intro, "\n".join(lines)]


def _row(objective: Objective, trials: Sequence[Trial]) -> str:
    values = " | ".join(f"{trial.scores[objective.name]:.4f}" for trial in trials)
    return f"| {objective.name} ({_what(objective)}) | {_better(objective)} | {values} |"


def _better(objective: Objective) -> str:
    return "more" if objective.direction == "maximize" else "less"


def _what(objective: Objective) -> str:
    return " + ".join(_metric(each, objective) for each in objective.metrics)


def _metric(metric: Metric, objective: Objective) -> str:
    share = f"{metric.weight:g} " if len(objective.metrics) > 1 else ""
    return f"{share}`{metric.task}`, {metric.key}"
