"""Scores a model directory in this process, from its files alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evaluators.suite import gpu_count
from workers.checkpoint import check_memory, open_checkpoint
from workers.recipe import Source
from workers.weights import scoring_engine

if TYPE_CHECKING:
    from evaluators.evaluator import Documents, Evaluator
    from evaluators.scores import Scores
    from evaluators.tasks import SuiteSettings


def score_directory(
    folder: Path, settings: SuiteSettings, evaluator: Evaluator, documents: Documents
) -> Scores:
    """The scores of a model directory, in the engine that a run's workers score with.

    Args:
        folder: of the model.
        settings: of the run's scoring.
        evaluator: of these settings.
        documents: some of its documents.

    Raises:
        ValueError: if the model cannot be loaded or scored.
    """
    checkpoint, gpus = open_checkpoint(Source(str(folder))), gpu_count()
    if not gpus:
        check_memory(checkpoint)
    device = "cuda" if gpus else "cpu"
    evaluator.bind_engine(scoring_engine(settings, checkpoint, device=device, spread=gpus > 1))
    return evaluator.score(documents)
