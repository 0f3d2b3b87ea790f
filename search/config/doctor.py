"""What `mergefront doctor` finds out: findings, estimates, and conflicts between models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evaluators.steps import begin_step
from evaluators.wording import counted
from search.config.plan import Plan, make_plan
from search.driver import baselines
from search.space import recommended_trials
from search.trackers import missing_extra
from workers.model_path import check_paths
from workers.recipe import Source

if TYPE_CHECKING:
    from workers.checkpoint import Difference
    from workers.doctor import Estimate, Finding


@dataclass(frozen=True)
class Diagnosis:
    """Everything that the doctor has found."""

    findings: Sequence[Finding]
    estimate: Estimate | None
    plan: Plan | None = None
    """None if only models were examined, not a config."""
    deep: Sequence[Difference] = ()

    @property
    def engine_line(self) -> str | None:
        """Where the models are beside an engine that takes a share of the GPU."""
        if self.plan is None or self.plan.config.scoring.engine != "vllm":
            return None
        share = self.plan.config.scoring.vllm.gpu_memory_utilization
        placement = self.plan.config.merging.placement
        where = "in host memory" if placement == "auto" else f"{placement} (merging.placement)"
        return f"scoring: vllm takes {share:.0%} of a GPU's memory; the models are {where}"

    @property
    def stages_line(self) -> str | None:
        """On how many documents candidates are scored."""
        if self.plan is None:
            return None
        sizes, total = self.plan.stages.sizes, sum(self.plan.stages.tasks.documents.values())
        first = f"on {', '.join(map(str, sizes))} documents of each task, then " if sizes else ""
        rest = "; base, models and uniform soup always on all" if sizes else ""
        return f"stages: candidates are scored {first}on all {counted(total, 'document')}{rest}"

    @property
    def baselines_line(self) -> str | None:
        """How much of the budget of trials the baselines take, and whether the rest is enough."""
        if self.plan is None:
            return None
        trials, most = self.plan.config.budget.trials, _baselines(self.plan)
        if not (wanted := recommended_trials(self.plan.space.axes)):
            return f"baselines: up to {counted(most, 'trial')}; there is nothing to search"
        left, needed = max(0, trials - most), most + wanted
        advice = f"; better raise `budget: {{trials: {needed}}}`" if left < wanted else ""
        return (
            "baselines: base, models, soups and known recipes take up to "
            f"{counted(most, 'trial')}, which leaves {left or 'none'} of {trials} for the search"
            f"{advice}"
        )

    @property
    def errors(self) -> list[Finding]:
        """Findings that prevent a merge."""
        return [finding for finding in self.findings if finding.level == "error"]

    def to_json(self) -> dict[str, object]:
        """What `mergefront doctor --json` prints; the keys are kept stable."""
        from workers.doctor import differences_to_json

        levels: dict[str, list[str]] = {"errors": [], "warnings": []}
        for finding in self.findings:
            levels[f"{finding.level}s"].append(str(finding))
        return {
            "version": 1,
            **levels,
            "findings": [vars(finding) for finding in self.findings],
            "estimate": self.estimate.to_json() if self.estimate else None,
            **(_plan_json(self.plan) if self.plan else {}),
            **({"deep": differences_to_json(self.deep)} if self.deep else {}),
        }

    def deep_page(self) -> str:
        """The differences between the models as an HTML page of heat maps."""
        from workers.doctor import differences_to_html

        return differences_to_html(self.deep, "the base")


def diagnose(inputs: Sequence[str], *, deep: bool) -> Diagnosis:
    """Examines a config, or models, of which the first of several is the base.

    Raises:
        MissingModelsError: if directories do not exist.
        ValueError: if the config is invalid.
    """
    is_config = len(inputs) == 1 and not Path(inputs[0]).is_dir()
    plan = make_plan(Path(inputs[0])) if is_config else None
    base, models = (plan.base, plan.models) if plan else _models(inputs)
    begin_step("estimating memory and time" if plan else "reading the models")
    from workers.doctor import Finding, compare_weights, estimate, examine  # imports torch

    findings = plan.warnings if plan else examine(base, models, live=False)
    if plan and plan.config.track and (message := missing_extra(plan.config.track)):
        findings = [*findings, Finding("error", "", message)]
    if any(finding.level == "error" for finding in findings):
        return Diagnosis(findings, None)
    tokenizer = plan.config.tokenizer if plan else None
    if deep and base:
        begin_step("comparing the weights of the models")
    differences = compare_weights(base, models, tokenizer) if deep and base else ()
    scoring = plan.suite if plan else None
    return Diagnosis(findings, estimate(base, models, tokenizer, scoring), plan, differences)


def _plan_json(plan: Plan) -> dict[str, object]:
    config, axes = plan.config, plan.space.axes
    return {
        "methods": list(config.methods),
        "parameters": list(axes),
        "trials": config.budget.trials,
        "baselines": _baselines(plan),
        "trials_wanted": recommended_trials(axes),
        "stages": list(plan.stages.sizes),
    }


def _baselines(plan: Plan) -> int:
    return baselines(plan.space, plan.recipes).most


def _models(inputs: Sequence[str]) -> tuple[Source | None, Mapping[str, Source]]:
    """The base, if there are several models, and the others by unique names."""
    sources = [Source.parse(each) for each in inputs]
    check_paths(each.path for each in sources)
    base = sources.pop(0) if len(sources) > 1 else None
    models: dict[str, Source] = {}
    for number, source in enumerate(sources, start=1):
        models[source.name if source.name not in models else f"{source.name}-{number}"] = source
    return base, models
