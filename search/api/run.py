"""A run as an object: its trials as frames, its figures, verdict and models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.api.frames import document_frame, trial_frame
from search.api.session import run_session
from search.ledger import Ledger
from search.results import recipe_lines
from search.runs import (
    export,
    picked,
    raised_budget,
    results_of,
    resume_run,
    status_of,
    verdict_on_pick,
)
from search.runs import open_run as open_plan
from workers.new_path import check_absent

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from search.ledger import Trial
    from search.results import RunResults
    from search.runs import Exported, MakePool, OnTrial, RunVerdict


@dataclass(frozen=True)
class Run:
    """A run, read from its files each time that it is asked: a search may go on meanwhile."""

    ledger: Ledger

    @property
    def root(self) -> str:
        """Its folder or URI."""
        return self.ledger.root

    @property
    def results(self) -> RunResults:
        """Its finished trials together: front, baselines, picks, hypervolume."""
        return results_of(self.ledger)

    @property
    def status(self) -> dict[str, Any]:
        """What `mergefront status --json` prints."""
        return status_of(self.ledger)

    def trials(self, *, params: bool = False) -> pd.DataFrame:
        """All finished trials, in the order of finishing.

        Args:
            params: with the parameters of each.
        """
        results = self.results
        return trial_frame(results.trials, results, params=params)

    def front(self, where: str | None = None, *, params: bool = False) -> pd.DataFrame:
        """The front, best mean first.

        Args:
            where: a condition, as `mergefront front --where` takes it.
            params: with the parameters of each.

        Raises:
            ValueError: if the condition is none.
        """
        results = self.results.where(where) if where else self.results
        return trial_frame(results.front, results, params=params)

    def documents(self, trial: int) -> pd.DataFrame:
        """The scores of a trial on each search document.

        Raises:
            ValueError: if there is no such scored trial.
        """
        return document_frame(self.ledger.documents(self.results.trial(trial).number))

    def trial(self, pick: str | int = "knee") -> Trial:
        """A scored trial by number, or a pick of the front: `knee`, `mean`, `best:OBJECTIVE`.

        If there is a verdict on that pick, it is the verdict's trial.

        Raises:
            ValueError: if there is none.
        """
        return picked(self.ledger, self.results, *_pick(pick))[0]

    def describe(self, pick: str | int = "knee") -> str:
        """The recipe of a trial in words."""
        return "\n".join(recipe_lines(self.trial(pick).proposal.recipe))

    def plot_front(self, pick: str | int = "knee") -> go.Figure:
        """The front beside base, models and the uniform soup; a trial of it is marked."""
        from search.report import front_figures

        return front_figures(self.results, self.trial(pick))[0]

    def plot_hypervolume(self) -> go.Figure:
        """The hypervolume after each scored trial."""
        from search.report import hypervolume_figure

        return hypervolume_figure(self.results)

    def plot_recipe(self, pick: str | int = "knee") -> go.Figure:
        """The parameters of a trial by layer, module and model.

        Raises:
            ValueError: if its recipe has no parameters.
        """
        from search.report import recipe_figure, recipe_maps

        trial = self.trial(pick)
        if not (maps := recipe_maps(trial.proposal.recipe)):
            raise ValueError(f"trial {trial.number}: its recipe has no parameters to show")
        return recipe_figure(maps)

    def verdict(
        self,
        pick: str | int = "knee",
        *,
        address: str = "local",
        say: Callable[[str], None] = lambda _: None,
        make_pool: MakePool | None = None,
    ) -> RunVerdict:
        """Whether a trial is better than what it came from, on documents it has not seen.

        Args:
            pick: as in `trial`.
            address: of the Ray cluster; "local" starts one here.
            say: is told of progress.
            make_pool: something else than a pool of Ray actors.

        Raises:
            ValueError: if the run has no report documents, or no such trial.
        """
        return verdict_on_pick(
            self.ledger, *_pick(pick), address=address, say=say, make_pool=make_pool
        )

    def export(self, out: str | Path, pick: str | int = "knee", **options: Any) -> Exported:
        """Writes the model of a trial as a Hugging Face directory.

        Args:
            out: the directory to make.
            pick: as in `trial`.
            options: `dtype`, `shard_bytes`, `adapter` and `force`, as in `search.runs.export`.

        Raises:
            ValueError: if `out` is there already, or a model of the run is gone.
        """
        check_absent(Path(out), force=bool(options.get("force")))
        trial, verdict = picked(self.ledger, self.results, *_pick(pick))
        plan, _ = open_plan(self.root)
        beside = self.results.compared
        return export(plan, trial, Path(out), beside=beside, verdict=verdict, **options)

    def report(self, out: str | Path, pick: str | int = "knee") -> Path:
        """Writes the run as one HTML page; returns its path."""
        from search.report import make_report, write_report

        write_report(make_report(self.root, *_pick(pick)), Path(out))
        return Path(out)

    def resume(
        self,
        *,
        trials: int | None = None,
        hours: float | None = None,
        on_trial: OnTrial | None = None,
        address: str = "local",
        make_pool: MakePool | None = None,
    ) -> Run:
        """Continues the search until its budget is spent, and makes the verdict of its config.

        Args:
            trials: a new budget of trials.
            hours: a new budget of wall hours, with those of earlier sessions.
            on_trial: is called with each trial that finishes.
            address: of the Ray cluster; "local" starts one here.
            make_pool: something else than a pool of Ray actors.

        Raises:
            ValueError: if a limit is none, or its trials would not be comparable, because an input
                has changed.
            RunBusyError: if another driver works on it.
            PoolError: if no worker can work any more.
            ScoringError: if a trial cannot be scored for the verdict.
        """
        plan, ledger, _ = resume_run(self.root)
        budget = raised_budget(plan.config.budget, {"trials": trials, "hours": hours})
        run_session(plan, ledger, budget, on_trial=on_trial, address=address, make_pool=make_pool)
        return Run(ledger)


def _pick(pick: str | int) -> tuple[str, int | None]:
    """Way of picking and number of the trial, if one is named."""
    return ("knee", pick) if isinstance(pick, int) else (pick, None)


def open_run(root: str | Path) -> Run:
    """An existing run.

    Args:
        root: its folder, or its URI: s3://bucket/run.

    Raises:
        ValueError: if it is no run.
    """
    return Run(Ledger(root))
