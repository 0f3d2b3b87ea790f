"""Scores a model in this process, from its files alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluators.suite import gpu_count
from workers.checkpoint import check_memory, open_checkpoint
from workers.scoring_engine import scoring_engine

if TYPE_CHECKING:
    from evaluators.evaluator import Documents, Evaluator
    from evaluators.scores import Scores
    from evaluators.tasks import SuiteSettings
    from workers.recipe import Source


def score_files(
    source: Source, settings: SuiteSettings, evaluator: Evaluator, documents: Documents
) -> tuple[Scores, str]:
    """The scores of a model, in the engine that a run's workers score with, and its dtype.

    Args:
        source: of the model.
        settings: of the run's scoring.
        evaluator: of these settings.
        documents: some of its documents.

    Raises:
        ValueError: if the model cannot be loaded or scored.
    """
    checkpoint, gpus = open_checkpoint(source), gpu_count()
    if not gpus:
        check_memory(checkpoint)
    device = "cuda" if gpus else "cpu"
    evaluator.bind_engine(scoring_engine(settings, checkpoint, device=device, spread=gpus > 1))
    return evaluator.score(documents), checkpoint.dtype
