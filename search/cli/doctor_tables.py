"""What `mergefront doctor` prints for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from evaluators.wording import counted
from search.space import parameter_summaries, recommended_trials

if TYPE_CHECKING:
    from rich.console import Console

    from search.config import Diagnosis, Plan
    from search.space import Axis
    from workers.checkpoint import Difference
    from workers.doctor import Finding

COLOURS = {"error": "red", "warning": "yellow"}


def print_diagnosis(diagnosis: Diagnosis, inputs: Sequence[str], console: Console) -> None:
    """Findings, the space to search, estimates, and conflicts between the models."""
    if diagnosis.findings:
        console.print(findings_table(diagnosis.findings))
    if diagnosis.plan:
        _print_plan(inputs[0], diagnosis.plan, console)
    elif not diagnosis.errors:
        console.print(f"{counted(len(inputs), 'model')} can be merged")
    for line in diagnosis.estimate.lines() if diagnosis.estimate else []:
        console.print(line)
    for each in filter(
        None, (diagnosis.engine_line, diagnosis.baselines_line, diagnosis.stages_line)
    ):
        console.print(each)
    if diagnosis.deep:
        console.print(deep_table(diagnosis.deep))


def findings_table(findings: Sequence[Finding]) -> Table:
    """One row per finding, errors first."""
    table = Table("", "model", "finding", show_lines=True)
    for each in sorted(findings, key=lambda finding: finding.level):
        level = f"[{COLOURS[each.level]}]{each.level}[/]"
        table.add_row(level, escape(each.model), escape(each.message))
    return table


def deep_table(differences: Sequence[Difference]) -> Table:
    """One row per layer and module class."""
    first = differences[0]
    table = Table("layer", "module", title="Task vectors", title_justify="left")
    columns = [f"|{name}|" for name in first.norms]
    columns += [f"cos {a},{b}" for a, b in first.cosines]
    for column in [*columns, "conflict"]:
        table.add_column(column, justify="right")
    for each in differences:
        numbers = [*each.norms.values(), *each.cosines.values(), each.conflict]
        layer = "outside" if each.layer is None else str(each.layer)
        table.add_row(layer, each.module, *(f"{number:.3f}" for number in numbers))
    return table


def preview_table(axes: dict[str, Axis], trials: int) -> Table:
    """The parameters of a space, and whether the budget of trials is enough for them."""
    table = Table(title="Space", title_justify="left", caption_justify="left")
    wanted = recommended_trials(axes)
    table.caption = (
        f"{counted(wanted, 'trial')} besides the baselines are recommended for "
        f"{counted(len(axes), 'parameter')}"
        + (f"; the budget is {trials}" if trials < wanted else "")
    )
    for column in ("parameter", "axes", "values"):
        table.add_column(column)
    for line in parameter_summaries(axes):
        table.add_row(line.parameter, str(line.n_axes), line.values)
    return table


def _print_plan(name: str, plan: Plan, console: Console) -> None:
    axes, config = plan.space.axes, plan.config
    console.print(
        f"{name}: {len(plan.models)} models can be merged by {', '.join(config.methods)}; "
        f"{counted(len(axes), 'parameter')}, {counted(config.budget.trials, 'trial')}"
    )
    console.print(preview_table(axes, config.budget.trials))
