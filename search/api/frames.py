"""Trials and document scores as pandas DataFrames. Only importer of pandas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    import pyarrow as pa

    from search.ledger import Trial
    from search.results import RunResults


def trial_frame(trials: Sequence[Trial], results: RunResults, *, params: bool) -> pd.DataFrame:
    """One row for each trial, in this order, with its number as index.

    Columns: `label`, `state`, `on_front`, a `scores.NAME` for each objective, `mean`, `method`,
    `models`, `cause`, `worker`, `order`, `clock` and a `seconds.PHASE` for each phase.

    Args:
        trials: of the results.
        results: of the whole run.
        params: add a `params.NAME` for each parameter of the space.
    """
    front = {trial.number for trial in results.front}
    rows = [_row(trial, results, front, params=params) for trial in trials]
    return pd.DataFrame(rows, index=pd.Index([t.number for t in trials], name="trial"))


def document_frame(table: pa.Table) -> pd.DataFrame:
    """The scores of a trial, one row for each document and metric."""
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _row(trial: Trial, results: RunResults, front: set[int], *, params: bool) -> dict[str, Any]:
    recipe = trial.proposal.recipe
    names = [each.name for each in results.objectives]
    return {
        "label": trial.label,
        "state": trial.state,
        "on_front": trial.number in front,
        **{f"scores.{name}": trial.scores.get(name, float("nan")) for name in names},
        "mean": results.mean(trial) if trial.scores else float("nan"),
        "method": recipe.method,
        "models": ", ".join(recipe.models),
        "cause": trial.reason if trial.cause else None,
        "worker": trial.worker,
        "order": trial.order,
        "clock": trial.clock,
        **{f"seconds.{phase}": value for phase, value in trial.seconds.items()},
        **({f"params.{k}": v for k, v in (trial.proposal.params or {}).items()} if params else {}),
    }
