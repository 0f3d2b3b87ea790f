"""Objectives that are Python functions of the live model: `objectives: {x: {python: ...}}`."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

import torch

from evaluators.documents import split
from evaluators.gate_limits import Probes
from evaluators.scores import BrokenModel, Row, Scores, raw_values, table
from evaluators.stages import StagedTasks
from evaluators.tasks import TaskError

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from evaluators.engine import ScoringEngine
    from evaluators.evaluator import Documents
    from evaluators.scores import Conditions, Values
    from evaluators.tasks import FunctionSettings, SuiteSettings

Function = Callable[[Any, Any, Sequence[int]], Mapping[int, float]]
"""Of the live model, its tokenizer and ids of documents, to a value for each document."""
METRIC, FILTER = "value", "none"
SEED = 1234
"""Of the random numbers that a function may draw: a score repeats."""
TEXTS = (
    "The capital of France is Paris, and the capital of Japan is Tokyo.",
    "Water boils at 100 degrees Celsius and freezes at 0 degrees.",
    "def add(a, b):\n    return a + b\n\n\nprint(add(2, 3))",
    "She opened the door, looked into the dark room and asked who was there.",
    "2 + 2 = 4, 3 + 3 = 6, 4 + 4 = 8, 5 + 5 = 10.",
    "Der Hund schläft unter dem Tisch, und die Katze sitzt am Fenster.",
    "The patient was given 5 mg of the drug twice a day for two weeks.",
    '{"name": "Anna", "age": 31, "languages": ["English", "Spanish"]}',
)
"""What any language model predicts far better than a broken one does."""
PROMPTS = ("Once upon a time", "The most important thing about", "def main():", "1, 2, 3,")


class FunctionEvaluator:
    """Scores the live model with functions of the user.

    A function is called once for a set of documents, whose ids count from 0; what they are is up to
    the function. Its value for a document must depend on nothing but the model and the id.

    Raises:
        TaskError: functions that are not allowed, cannot be imported, or have too few documents.
    """

    def __init__(self, settings: SuiteSettings) -> None:
        errors = [error for each in settings.functions if (error := _error(each, settings))]
        if errors:
            raise TaskError(errors)
        self._functions: dict[str, Function] = {
            each.name: _imported(each.name) for each in settings.functions
        }
        self._hashes = {each.name: _hashes(each) for each in settings.functions}
        try:
            self.documents = split(self._hashes, settings.documents)
        except ValueError as error:
            raise TaskError(str(error).splitlines()) from None
        self.fingerprints = {
            each.name: (_source_digest(each.name, self._functions[each.name]), str(each.documents))
            for each in settings.functions
        }
        self.warnings: Sequence[str] = ()
        self.random_fewshot: Sequence[str] = ()
        self._engine: ScoringEngine | None = None

    @property
    def staged_tasks(self) -> StagedTasks:
        """Their numbers of documents."""
        return StagedTasks({task: len(ids) for task, ids in self.documents["search"].items()})

    def metrics(self) -> dict[str, dict[str, bool | None]]:
        """One metric each; the config says whether higher is better."""
        return {name: {f"{METRIC},{FILTER}": None} for name in self._functions}

    def bind_engine(self, engine: ScoringEngine) -> None:
        """Every later scoring is of the engine's current weights."""
        self._engine = engine

    def probes(self, texts: int, prompts: int) -> Probes:
        """General texts: what documents a function reads is its own affair."""
        return Probes(TEXTS[:texts], PROMPTS[:prompts])

    def score(self, documents: Documents) -> Scores:
        """The values of the functions, each once for all its documents.

        Raises:
            BrokenModel: a value is not finite.
            ValueError: a function gives no value for a document.
        """
        if self._engine is None:
            raise ValueError("bind an engine before scoring")
        engine = self._engine
        if error := engine.weight_error():
            raise BrokenModel(error)
        rows: list[Row] = []
        for name, ids in documents.items():
            torch.manual_seed(SEED)
            with torch.no_grad():
                values = self._functions[name](engine.model, engine.tokenizer, list(ids))
            rows += [self._row(name, i, values) for i in sorted(ids)]
        found = table(rows)
        return Scores(self.aggregate(found), found, engine.conditions)

    def aggregate(self, documents: pa.Table) -> Values:
        """The mean of each function."""
        return {
            task: {f"{METRIC},{FILTER}": fmean(metrics[METRIC, FILTER])}
            for task, metrics in raw_values(documents).items()
        }

    def command(
        self, documents: Documents, path: Path, conditions: Conditions | None = None
    ) -> list[str]:
        """No command scores a function again."""
        del documents, path, conditions
        return []

    def _row(self, name: str, i: int, values: Mapping[int, float]) -> Row:
        if i not in values:
            raise ValueError(f"{name} gave no value for document {i}")
        value = float(values[i])
        if not math.isfinite(value):
            raise BrokenModel(f"{name}: document {i} is {value}")
        digest = self._hashes[name][i]
        return Row(name, i, digest, digest, METRIC, FILTER, value)


def _error(given: FunctionSettings, settings: SuiteSettings) -> str | None:
    """Why a function cannot be used; it is imported only if the user has allowed that."""
    name = given.name
    if name not in settings.allow_code:
        return (
            f"python: {name} runs code of yours in the driver and the workers; if you trust it, "
            f"set `scoring: {{allow_code: ['{name}']}}`"
        )
    try:
        found = _imported(name)
    except Exception as error:  # whatever the user's module raises
        return (
            f"python: {name} cannot be imported: {error}; write `package.module:function`, and put "
            "its folder into PYTHONPATH of the driver and the workers, or install it there"
        )
    if not callable(found):
        return f"python: {name} is a {type(found).__name__}, no function"
    try:
        _ = _source_digest(name, found)
    except (OSError, TypeError):
        return f"python: {name} has no Python source, so a change of it could not be noticed"
    return None


def _imported(name: str) -> Function:
    module, _, attribute = name.partition(":")
    found: Function = getattr(importlib.import_module(module), attribute)
    return found


def _hashes(given: FunctionSettings) -> list[str]:
    names = [f"{given.name}:{i}" for i in range(given.documents)]
    return [hashlib.blake2b(each.encode(), digest_size=16).hexdigest() for each in names]


def _source_digest(name: str, function: Function) -> str:
    """Of the module that names the function, and of the one that it is in, helpers included.

    Raises:
        OSError, TypeError: if one of them has no Python source.
    """
    modules = {sys.modules[name.partition(":")[0]], inspect.getmodule(function) or function}
    sources = sorted(map(inspect.getsource, modules))
    return hashlib.blake2b("".join(sources).encode(), digest_size=8).hexdigest()
