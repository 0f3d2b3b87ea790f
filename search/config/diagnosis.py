"""What `mergefront doctor` says: findings, estimates, and with --deep where models clash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from search.space.preview import trials_wanted
from workers.doctor import Finding, examine
from workers.doctor.deep import look_into, to_html, to_json
from workers.doctor.estimate import Estimate, estimate
from workers.recipe import Source

if TYPE_CHECKING:
    from search.config.plan import Plan
    from workers.checkpoint.differences import Difference


@dataclass(frozen=True)
class Diagnosis:
    """Everything the doctor found."""

    findings: Sequence[Finding]
    takes: Estimate | None
    plan: Plan | None = None
    """Of a config."""
    deep: Sequence[Difference] = ()

    @property
    def errors(self) -> list[Finding]:
        """Findings that stop a merge."""
        return [finding for finding in self.findings if finding.level == "error"]

    def to_json(self) -> dict[str, object]:
        """What `mergefront doctor --json` prints; the keys are kept stable."""
        levels: dict[str, list[str]] = {"errors": [], "warnings": []}
        for finding in self.findings:
            levels[f"{finding.level}s"].append(str(finding))
        return {
            "version": 1,
            **levels,
            "findings": [vars(finding) for finding in self.findings],
            "estimate": self.takes.to_json() if self.takes else None,
            **self._of_plan(),
            **({"deep": to_json(self.deep)} if self.deep else {}),
        }

    def _of_plan(self) -> dict[str, object]:
        if self.plan is None:
            return {}
        config = self.plan.config
        return {
            "methods": list(config.methods),
            "parameters": list(self.plan.space.axes),
            "trials": config.budget.trials,
            "trials_wanted": trials_wanted(self.plan.space.axes),
        }


def diagnose(what: Sequence[str], *, deep: bool) -> Diagnosis:
    """Looks at a config, or at models: the first is the base where there are several.

    Raises:
        ValueError: if the config has faults.
    """
    if len(what) == 1 and not Path(what[0]).is_dir():
        return _of_config(Path(what[0]), deep)
    sources = [Source.parse(each) for each in what]
    base, models = (
        (sources[0], _named(sources[1:])) if len(sources) > 1 else (None, _named(sources))
    )
    findings = examine(base, models, live=False)
    sound = not any(finding.level == "error" for finding in findings)
    return Diagnosis(
        findings,
        estimate(base, models) if sound else None,
        deep=look_into(base, models) if deep and sound and base else (),
    )


def findings_table(findings: Sequence[Finding]) -> Table:
    """One row per finding, errors first."""
    table = Table("", "model", "finding", show_lines=True)
    colours = {"error": "red", "warning": "yellow"}
    for finding in sorted(findings, key=lambda each: each.level):
        table.add_row(
            f"[{colours[finding.level]}]{finding.level}[/]", finding.model, finding.message
        )
    return table


def deep_table(found: Sequence[Difference]) -> Table:
    """One row per layer and module class."""
    first = found[0]
    table = Table("layer", "module", title="Task vectors", title_justify="left")
    columns = [f"|{name}|" for name in first.norms]
    columns += [f"cos {a},{b}" for a, b in first.cosines]
    for column in [*columns, "conflict"]:
        table.add_column(column, justify="right")
    for each in found:
        numbers = [*each.norms.values(), *each.cosines.values(), each.conflict]
        layer = "outside" if each.layer is None else str(each.layer)
        table.add_row(layer, each.module, *(f"{number:.3f}" for number in numbers))
    return table


def picture(found: Sequence[Difference], out: Path) -> None:
    """Writes the differences as a page of heat maps."""
    out.write_text(to_html(found, "the base"), encoding="utf-8")


def _of_config(path: Path, deep: bool) -> Diagnosis:
    from search.config.plan import plan  # noqa: PLC0415 - brings the suite, which models do not need

    prepared = plan(path)
    return Diagnosis(
        prepared.warnings,
        estimate(prepared.base, prepared.models),
        prepared,
        look_into(prepared.base, prepared.models) if deep else (),
    )


def _named(sources: Sequence[Source]) -> dict[str, Source]:
    named: dict[str, Source] = {}
    for number, source in enumerate(sources, start=1):
        named[source.name if source.name not in named else f"{source.name}-{number}"] = source
    return named
