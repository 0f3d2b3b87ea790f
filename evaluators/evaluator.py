"""What an evaluator is: it scores the model of an engine on documents. Several make one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from evaluators.gate_limits import Probes
from evaluators.scores import Scores, joined
from evaluators.stages import StagedTasks

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from evaluators.engine import ScoringEngine
    from evaluators.scores import Conditions, Values
    from evaluators.tasks import SuiteSettings

Documents = Mapping[str, Sequence[int]]
"""Task -> ids of documents."""
Directions = Mapping[str, bool | None]
"""Metric -> is higher better, if the task says so."""


class Evaluator(Protocol):
    """Tasks with documents, on which the current model of an engine is scored.

    It is made in the driver, which reads only what it says of its tasks, and in each worker.
    Stages, verdicts and the search see no more of it than this.
    """

    @property
    def documents(self) -> Mapping[str, Documents]:
        """Set (search, selection, report) -> task -> ids; `evaluators.documents.split` makes it."""

    @property
    def fingerprints(self) -> Mapping[str, tuple[str, str]]:
        """Task -> digest of how it asks and scores, and digest of its documents."""

    @property
    def warnings(self) -> Sequence[str]:
        """What a user should know of the tasks before a search."""

    @property
    def random_fewshot(self) -> Sequence[str]:
        """Tasks that `command` scores otherwise, as it draws other examples."""

    @property
    def staged_tasks(self) -> StagedTasks:
        """What stages must know of the tasks."""

    def metrics(self) -> Mapping[str, Directions]:
        """Task -> "metric,filter" -> is higher better."""

    def bind_engine(self, engine: ScoringEngine) -> None:
        """Prepares the requests; every later scoring is of the engine's current weights."""

    def probes(self, texts: int, prompts: int) -> Probes:
        """Inputs for the gate; without texts there is no gate."""

    def score(self, documents: Documents) -> Scores:
        """The scores on any documents of any of the tasks.

        Raises:
            BrokenModel: a value is not finite.
        """

    def aggregate(self, documents: pa.Table) -> Values:
        """The aggregates of a table of values per document, which may be part of a larger one."""

    def command(
        self, documents: Documents, path: Path, conditions: Conditions | None = None
    ) -> list[str]:
        """The command that scores a model directory again; empty if there is none."""


@dataclass(frozen=True)
class Evaluators:
    """Several evaluators with different tasks, as one."""

    members: Sequence[Evaluator]

    @property
    def documents(self) -> Mapping[str, Documents]:
        """Of all tasks."""
        sets = dict.fromkeys(name for each in self.members for name in each.documents)
        return {
            name: {task: ids for m in self.members for task, ids in m.documents[name].items()}
            for name in sets
        }

    @property
    def fingerprints(self) -> Mapping[str, tuple[str, str]]:
        """Of all tasks."""
        return {task: found for each in self.members for task, found in each.fingerprints.items()}

    @property
    def warnings(self) -> Sequence[str]:
        """Of all evaluators."""
        return [warning for each in self.members for warning in each.warnings]

    @property
    def random_fewshot(self) -> Sequence[str]:
        """Of all evaluators."""
        return [task for each in self.members for task in each.random_fewshot]

    @property
    def staged_tasks(self) -> StagedTasks:
        """Of all tasks."""
        return StagedTasks.joined(each.staged_tasks for each in self.members)

    def metrics(self) -> Mapping[str, Directions]:
        """Of all tasks."""
        return {task: found for each in self.members for task, found in each.metrics().items()}

    def bind_engine(self, engine: ScoringEngine) -> None:
        """Binds all of them."""
        for each in self.members:
            each.bind_engine(engine)

    def probes(self, texts: int, prompts: int) -> Probes:
        """Of the first that has any."""
        found = [each.probes(texts, prompts) for each in self.members]
        return next((each for each in found if each.texts), Probes(()))

    def score(self, documents: Documents) -> Scores:
        """The scores of each, as one."""
        found = [each.score(some) for each in self.members if (some := _of(each, documents))]
        if not found:
            raise ValueError(
                f"none of the tasks {', '.join(documents)} is one of these evaluators'"
            )
        values = {task: row for each in found for task, row in each.values.items()}
        responses = [each.responses for each in found if each.responses is not None]
        return Scores(
            values,
            joined(each.documents for each in found),
            found[0].conditions,
            responses[0] if responses else None,
        )

    def aggregate(self, documents: pa.Table) -> Values:
        """Of each task by its evaluator."""
        found: Values = {}
        for each in self.members:
            known = each.documents["search"].keys()
            mask = [task in known for task in documents["task"].to_pylist()]
            if any(mask):
                found |= each.aggregate(documents.filter(mask))
        return found

    def command(
        self, documents: Documents, path: Path, conditions: Conditions | None = None
    ) -> list[str]:
        """That of the first which has one."""
        found = (
            each.command(some, path, conditions)
            for each in self.members
            if (some := _of(each, documents))
        )
        return next(filter(None, found), [])


def make_evaluator(settings: SuiteSettings) -> Evaluator:
    """The tasks of lm-eval and the Python functions of the settings.

    Raises:
        TaskError: every task and function that cannot be used.
    """
    members: list[Evaluator] = []
    if settings.tasks or not settings.functions:
        from evaluators.suite import Suite  # noqa: PLC0415 - imports lm_eval

        members.append(Suite(settings))
    if settings.functions:
        from evaluators.functions import FunctionEvaluator  # noqa: PLC0415 - runs code of the user

        members.append(FunctionEvaluator(settings))
    return members[0] if len(members) == 1 else Evaluators(members)


def _of(evaluator: Evaluator, documents: Documents) -> Documents:
    known = evaluator.documents["search"].keys()
    return {task: ids for task, ids in documents.items() if task in known}
