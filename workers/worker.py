"""A process with the models, one live model and one suite that evaluates candidates."""

from __future__ import annotations

import logging
import os
import socket
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from evaluators.evaluator import Evaluator, make_evaluator
from evaluators.gate import Gate
from evaluators.gate_limits import GateSettings, Measurements
from evaluators.scores import BrokenModel, Scores
from evaluators.stages import StagedScoring, Stop
from evaluators.tasks import SuiteSettings
from workers.candidate import PREPARING, Candidate, Outcome, State
from workers.checkpoint import (
    align,
    check_memory,
    open_checkpoint,
    retokenize,
)
from workers.merging import Engine, MergeSettings, every_tenth
from workers.recipe import Recipe, Source, TokenizerChoice
from workers.scoring_engine import (
    MakeEngine,
    beside_engine,
    check_installed,
    scoring_engine,
)
from workers.weights import Merge, StackedWeights

log = logging.getLogger(__name__)

BASE = "base"


@dataclass(frozen=True)
class Setup:
    """What a worker needs to start; the same for every worker of a run."""

    base: Source
    models: Mapping[str, Source]
    suite: SuiteSettings
    gate: GateSettings = field(default_factory=GateSettings)
    merging: MergeSettings = field(default_factory=MergeSettings)
    tokenizer: TokenizerChoice | None = None
    """The vocabulary of every merged model."""
    chat_template: str | None = None
    """Of every merged model: a name, or the text."""
    generation_config: str | None = None
    """Of every merged model: a name, or the text."""
    device: str | None = None
    """By default the GPU that Ray assigned to this process, or the CPU if there is none."""
    make_evaluator: Callable[[SuiteSettings], Evaluator] = make_evaluator
    """Another one scores something else than lm-eval's tasks."""
    make_engine: MakeEngine = scoring_engine
    """Another one holds something else than a language model."""


class Worker:
    """Merges into one live model and scores it, candidate after candidate.

    Between candidates nothing is reloaded, tokenised again or written to disk.

    Raises:
        ValueError: if a model or a task cannot be read.
    """

    def __init__(self, setup: Setup) -> None:
        sources = {"base": setup.base, **setup.models}
        opened = {name: open_checkpoint(source) for name, source in sources.items()}
        models = align(
            retokenize(opened, setup.tokenizer, setup.chat_template, setup.generation_config)
        )
        base = models.pop("base")
        self._stacks = {source.layers for source in sources.values()}
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        gpus = _own_gpus()
        device = setup.device or ("cuda" if gpus else "cpu")
        self._evaluator = setup.make_evaluator(setup.suite)
        check_installed(setup.suite)
        if device == "cpu":
            check_memory(base)
        merging = beside_engine(setup.merging, setup.suite)
        self._engine = Engine(models, base=base, settings=merging, device=device)
        self._engine.prepare(every_tenth(lambda progress: log.info("%s%s", PREPARING, progress)))
        where, how = self._engine.placement, self._engine.mode
        log.info("%smodels are held %s, merges are %s", PREPARING, where, how)
        self._scoring = setup.make_engine(setup.suite, base, device=device, spread=len(gpus) > 1)
        self._evaluator.bind_engine(self._scoring)
        self._staged = StagedScoring(self._evaluator)
        self._tokenizer = setup.tokenizer.over(setup.models) if setup.tokenizer else None
        self._gate: Gate | None = None
        probes = self._evaluator.probes(setup.gate.texts, setup.gate.prompts)
        if setup.gate.enabled and probes.texts:
            self._gate = Gate(setup.gate, self._scoring, probes)
            self._inputs = self._measure_inputs(setup, self._gate)

    def ready(self) -> str:
        """Returns the worker's name, once it has started."""
        return self.name

    def evaluate(self, candidate: Candidate) -> Outcome:
        """Merges and scores one candidate; any error becomes part of its outcome."""
        seconds: dict[str, float] = {}
        try:
            scores, stop = self._score(candidate, seconds)
        except BrokenModel as broken:
            return self._unscored(candidate, "broken", str(broken), seconds)
        except Exception:  # any error of a merge or a task is this trial's outcome
            return self._unscored(candidate, "failed", traceback.format_exc(), seconds)
        return Outcome(
            trial=candidate.trial,
            state="stopped" if stop else "scored",
            values=scores.values,
            documents=scores.documents,
            estimates=stop.estimates if stop else {},
            cause=str(stop) if stop else None,
            conditions=scores.conditions,
            seconds=seconds,
            worker=self.name,
        )

    def _measure_inputs(self, setup: Setup, gate: Gate) -> list[Measurements]:
        """The gate's measurements of the base and every model, to compare candidates with.

        Raises:
            ValueError: if one of them is broken itself.
        """
        found = []
        for name, source in {BASE: setup.base, **setup.models}.items():
            self._load(_alone(name, source, setup))
            found.append(gate.measure())
            if error := found[-1].error:
                raise ValueError(f"{source.path}: this model is broken: {error}")
        return found

    def _score(self, candidate: Candidate, seconds: dict[str, float]) -> tuple[Scores, Stop | None]:
        if candidate.recipe.tokenizer != self._tokenizer:
            raise ValueError("the recipe has another tokenizer than the run, so its export differs")
        with _timed(seconds, "merge"):
            self._load(candidate.recipe)
        with _timed(seconds, "gate"):
            if self._gate and (reason := self._gate.check(self._inputs)):
                raise BrokenModel(reason)
        with _timed(seconds, "score"):
            if candidate.stages:
                return self._staged.score(candidate.stages)
            return self._evaluator.score(self._evaluator.documents[candidate.documents]), None

    def _load(self, recipe: Recipe) -> None:
        is_known = recipe.stacks <= self._stacks
        self._scoring.load(Merge(self._engine, recipe) if is_known else StackedWeights(recipe))

    def _unscored(
        self, candidate: Candidate, state: State, cause: str, seconds: Mapping[str, float]
    ) -> Outcome:
        return Outcome(candidate.trial, state, cause=cause, seconds=seconds, worker=self.name)


def _alone(name: str, source: Source, setup: Setup) -> Recipe:
    """The recipe of one of the models as it is."""
    return Recipe("passthrough", {name: source}, base=setup.base)


def _own_gpus() -> list[str]:
    """The GPUs that Ray assigned to this process."""
    return list(filter(None, os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")))


@contextmanager
def _timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        seconds[phase] = time.perf_counter() - start
