"""The verdict on a run's pick, with scores on documents that the search has not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from evaluators.documents import DocumentSettings
from search.ledger import Ledger, Trial
from search.results import ObjectiveVerdict, RunResults, TaskAnswers, shrink, verdict
from search.runs.averages import with_averages
from search.runs.known_scores import KnownScores
from search.runs.pool_on_demand import PoolOnDemand
from search.runs.run import config_of, results_of
from search.runs.scoring import DocumentScoring, UnscoredError

if TYPE_CHECKING:
    from search.runs.search import MakePool

SHARES = "documents: {search: 0.6, selection: 0.2, report: 0.2}"


@dataclass(frozen=True)
class RunVerdict:
    """A trial of a run, and what the report documents say of each objective."""

    run: str
    trial: Trial
    pick: str | None
    """How it was picked; None if it was named by number."""
    selection: Mapping[int, Mapping[str, float]]
    """Trial -> the scores by which the pick was made, if there are selection documents."""
    objectives: Sequence[ObjectiveVerdict]
    answers: Sequence[TaskAnswers] = ()
    """How its generated answers to the report documents ended."""

    @property
    def sentence(self) -> str:
        """All of it in one sentence."""
        label = f" ({self.trial.label})" if self.trial.label else ""
        said = "; ".join(each.sentence for each in self.objectives)
        how = f", picked by {self.pick}" if self.pick else ""
        return f"verdict on trial {self.trial.number}{label}{how}, on unseen documents: {said}"

    @property
    def warnings(self) -> list[str]:
        """What is suspicious about the scores."""
        found = [each.warnings for each in self.objectives]
        found += [each.warnings for each in self.answers]
        return [text for each in found for text in each]

    def to_json(self) -> dict[str, Any]:
        """What `mergefront verdict --json` prints; the keys are kept stable."""
        return {
            "version": 1,
            "run": self.run,
            "trial": self.trial.number,
            "label": self.trial.label,
            "digest": self.trial.proposal.digest,
            "pick": self.pick,
            "selection": [
                {"trial": number, "scores": dict(scores)}
                for number, scores in self.selection.items()
            ],
            "objectives": {each.objective.name: each.to_json() for each in self.objectives},
            "sentence": self.sentence,
            "warnings": self.warnings,
            "answers": {each.task: each.to_json() for each in self.answers},
        }


def verdict_on_pick(
    ledger: Ledger,
    pick: str = "knee",
    number: int | None = None,
    *,
    address: str = "local",
    takeover: bool = False,
    make_pool: MakePool | None = None,
    say: Callable[[str], None] = lambda _: None,
    only_recorded: bool = False,
) -> RunVerdict:
    """Picks a trial on the selection documents and tests it on the report documents.

    What has been scored before is read from the run; a pool is started only for the rest.

    Args:
        ledger: of the run.
        pick: as in `RunResults.pick`.
        number: of the trial to compare, instead of a pick.
        address: of the Ray cluster; "local" starts one here.
        takeover: take the lease of another driver, which is certainly dead.
        make_pool: something else than a pool of Ray actors.
        say: is told of progress.
        only_recorded: score nothing.

    Raises:
        UnscoredError: if something is to be scored, and only what is recorded is wanted.
        ValueError: if the run has no report documents or no such trial, or its models or documents
            have changed.
        RunBusyError: if something is to be scored and a driver works on the run.
        ScoringError: if a trial cannot be scored.
    """
    shares = DocumentSettings.model_validate(config_of(ledger)["documents"])
    if not shares.report:
        raise ValueError(
            f"{ledger.root}: its config leaves no report documents, so there is nothing unseen to "
            f"judge it on; search with `{SHARES}` and another `run:`"
        )
    results = results_of(ledger)
    chosen = results.trial(number) if number is not None else results.pick(pick)
    with PoolOnDemand(ledger, address, takeover, make_pool) as pool:
        scoring = DocumentScoring(ledger, results.objectives, pool, say, only_recorded)
        if shares.selection and number is None:
            results = with_averages(results, ledger, scoring)
        known = KnownScores(ledger, results)
        rescored: dict[int, Mapping[str, float]] = {}
        if shares.selection and number is None:
            again = _reselect(known, scoring)
            rescored = {trial.number: trial.scores for trial in again.front}
            chosen = results.trial(again.pick(pick).number)
        others = {
            label: trial
            for label, trial in results.compared.items()
            if trial.number != chosen.number
        }
        compared = [chosen, *others.values()]
        scoring.score("report", [each.proposal for each in compared])
    own, *rest = known.on("report", compared)
    beside = dict(zip(others, rest, strict=True))
    return RunVerdict(
        run=ledger.header["name"],
        trial=chosen,
        pick=pick if number is None else None,
        selection=rescored,
        objectives=verdict(
            results.objectives,
            chosen.scores,
            own,
            beside,
            is_input=chosen.proposal.is_input,
        ),
        answers=known.answers("report", chosen),
    )


def _reselect(known: KnownScores, scoring: DocumentScoring) -> RunResults:
    """The front, the averages and the inputs with scores on the selection documents.

    The first two are shrunk, each among themselves: only the front was picked by search scores.
    """
    results = known.results
    searched = replace(results, trials=[t for t in results.trials if not t.proposal.is_average])
    averages = [trial for trial in results.scored if trial.proposal.is_average]
    inputs = [each for each in results.compared.values() if each not in searched.front]
    wanted = [*searched.front, *averages, *inputs]
    scored = scoring.score("selection", [each.proposal for each in wanted])
    rows: dict[int, dict[str, float]] = {n: dict(scores) for n, scores in scored.items()}
    for group in (searched.front, averages):
        members = [each for each in group if each.number in scored]
        for trial, shrunk in zip(members, _shrunk(known, members), strict=True):
            rows[trial.number] = shrunk
    trials = [replace(results.trial(number), scores=scores) for number, scores in rows.items()]
    return RunResults(results.objectives, trials)


def _shrunk(known: KnownScores, members: Sequence[Trial]) -> list[dict[str, float]]:
    """The scores of some trials on the selection documents, shrunk towards their search scores."""
    if not members:
        return []
    search, selection = (known.on(documents, members) for documents in ("search", "selection"))
    columns = {
        each.name: shrink([row[each.name] for row in search], [row[each.name] for row in selection])
        for each in known.results.objectives
    }
    return [
        {name: float(column[i]) for name, column in columns.items()} for i in range(len(members))
    ]


def recorded_verdict(ledger: Ledger, pick: str, number: int | None) -> RunVerdict | None:
    """The verdict that `mergefront verdict` has found before; None if it has not been asked.

    Raises:
        ValueError: if its record is damaged, or there is no such trial.
    """
    if not ledger.scored_on("report"):
        return None
    try:
        return verdict_on_pick(ledger, pick, number, only_recorded=True)
    except UnscoredError:
        return None


def picked(
    ledger: Ledger, results: RunResults, pick: str, number: int | None = None
) -> tuple[Trial, RunVerdict | None]:
    """The trial that a pick stands for, with its verdict if there is one.

    A verdict has picked by more documents than the search, so its trial comes first, if it is on
    the front that is given.

    Args:
        ledger: of the run.
        results: of the run, perhaps of a part of its front.
        pick: as in `RunResults.pick`.
        number: of the trial, instead of a pick.

    Raises:
        ValueError: if there is no such trial, or a record is damaged.
    """
    if number is None:
        found = recorded_verdict(ledger, pick, None)
        if found and found.trial.number in {trial.number for trial in results.front}:
            return results.trial(found.trial.number), found
    chosen = results.trial(number) if number is not None else results.pick(pick)
    return chosen, recorded_verdict(ledger, pick, chosen.number)


def recorded_verdicts(ledger: Ledger) -> list[RunVerdict]:
    """Every verdict that has been asked: on the knee of the front first, then by trial.

    Raises:
        ValueError: if a record is damaged.
    """
    if not (scored := ledger.scored_on("report")):
        return []
    knee = recorded_verdict(ledger, "knee", None)
    shown = {knee.trial.number} if knee else set()
    inputs = {trial.number for trial in results_of(ledger).compared.values()}
    numbers = sorted(scored - inputs - shown)
    found = [knee, *(recorded_verdict(ledger, "knee", number) for number in numbers)]
    return [each for each in found if each]
