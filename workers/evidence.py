"""How good a merged model is, as its model card says it."""

from __future__ import annotations

from dataclasses import dataclass

from huggingface_hub import EvalResult


@dataclass(frozen=True)
class Score:
    """One score of a model."""

    tasks: tuple[str, ...]
    """Several if the score is a mean of their metrics."""
    metric: str
    """As the task calls it: `acc`."""
    name: str
    """The metric in words."""
    value: float
    documents: str
    """The set of documents of the tasks that it was scored on: search or report."""

    def eval_result(self) -> EvalResult:
        """The score in the form of the hub's `model-index`."""
        tasks = " + ".join(self.tasks)
        return EvalResult(
            task_type="text-generation",
            task_name=tasks,
            dataset_type=tasks,
            dataset_name=f"{tasks} ({self.documents} documents)",
            dataset_split=self.documents,
            metric_type=self.metric,
            metric_name=self.name.replace("`", ""),
            metric_value=self.value,
        )


@dataclass(frozen=True)
class Evidence:
    """A section of the model card, and the scores in its metadata."""

    section: str = ""
    scores: tuple[Score, ...] = ()
