"""Objectives that are Python functions of the live model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM

from evaluators.evaluator import make_evaluator
from evaluators.functions import FunctionEvaluator
from evaluators.gate import Gate
from evaluators.gate_limits import GateSettings
from evaluators.scores import BrokenModel
from evaluators.suite import make_hf_engine
from evaluators.tasks import FunctionSettings, SuiteSettings, TaskError

MODULE = '''
def brevity(model, tokenizer, ids):
    """The more, the smaller the id of a document is."""
    return {i: 1.0 / (1 + i + len(tokenizer("ab").input_ids)) for i in ids}

def infinite(model, tokenizer, ids):
    return dict.fromkeys(ids, float("inf"))

def forgetful(model, tokenizer, ids):
    return {}

number = 3
from math import sqrt
'''


@pytest.fixture
def settings_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "mine.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)  # another test's

    def of(name: str, documents: int = 40, **more: Any) -> SuiteSettings:
        function = FunctionSettings(name=f"mine:{name}", documents=documents)
        given: dict[str, Any] = {"tasks": (), "allow_code": (f"mine:{name}",), **more}
        return SuiteSettings(functions=(function,), **given)

    return of


@pytest.fixture
def engine(model_dirs: list[Path], tokenizer: Any, settings_of: Any) -> Any:
    model = LlamaForCausalLM.from_pretrained(model_dirs[0])
    return make_hf_engine(model, tokenizer, settings_of("brevity"))


def test_a_function_gives_values_per_document_and_their_mean(settings_of, engine):
    evaluator = make_evaluator(settings_of("brevity"))
    assert isinstance(evaluator, FunctionEvaluator)
    evaluator.bind_engine(engine)
    ids = evaluator.documents["search"]["mine:brevity"]
    scores = evaluator.score({"mine:brevity": ids})
    values = scores.documents["value"].to_pylist()
    assert values == [1 / (3 + i) for i in ids]
    assert scores.values["mine:brevity"]["value,none"] == pytest.approx(sum(values) / len(values))
    assert evaluator.metrics() == {"mine:brevity": {"value,none": None}}
    assert evaluator.command({"mine:brevity": ids}, Path("x")) == []


def test_functions_stand_beside_the_tasks_of_lm_eval(settings_of, settings, engine):
    both = make_evaluator(settings_of("brevity", tasks=settings.tasks, folder=settings.folder))
    both.bind_engine(engine)
    search = {task: ids[:4] for task, ids in both.documents["search"].items()}
    assert {*settings_of("brevity").allow_code} < search.keys()
    scores = both.score(search)
    assert scores.values.keys() >= search.keys()
    assert both.aggregate(scores.documents) == scores.values
    assert "lm_eval" in both.command(search, Path("x"))
    assert both.probes(2, 0).texts


def test_functions_alone_have_general_texts_for_the_gate(settings_of, engine):
    probes = make_evaluator(settings_of("brevity")).probes(8, 4)
    assert (len(probes.texts), len(probes.prompts)) == (8, 4)
    gate = Gate(GateSettings(), engine, probes)
    inputs = [gate.measure()]
    assert gate.check(inputs) is None
    with torch.no_grad():
        engine.model.lm_head.weight.mul_(1e4)
    assert gate.check(inputs)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        (
            "brevity",
            {"allow_code": ()},
            r"runs code of yours .* \{allow_code: \['mine:brevity'\]\}",
        ),
        ("missing", {}, "mine:missing cannot be imported: module 'mine' has no attribute"),
        ("number", {}, "mine:number is a int, no function"),
        ("sqrt", {}, "mine:sqrt has no Python source, so a change of it could not be noticed"),
        ("brevity", {"documents": 2}, "2 documents split into"),
    ],
)
def test_a_function_that_cannot_be_used_is_named(name, given, message, settings_of):
    documents = given.pop("documents", 40)
    with pytest.raises(TaskError, match=message):
        make_evaluator(settings_of(name, documents, **given))


def test_a_module_that_does_not_run_is_named(settings_of, tmp_path):
    (tmp_path / "mine.py").write_text("raise RuntimeError('no licence')")
    with pytest.raises(TaskError, match="mine:brevity cannot be imported: no licence"):
        make_evaluator(settings_of("brevity"))


def test_values_that_are_no_numbers_are_named(settings_of, engine):
    broken, forgetful = (make_evaluator(settings_of(each)) for each in ("infinite", "forgetful"))
    for each in (broken, forgetful):
        each.bind_engine(engine)
    with pytest.raises(BrokenModel, match="mine:infinite: document 1 is inf"):
        broken.score({"mine:infinite": [1]})
    with pytest.raises(ValueError, match="mine:forgetful gave no value for document 1"):
        forgetful.score({"mine:forgetful": [1]})


def test_gradients_are_off_and_random_numbers_repeat(settings_of, engine, tmp_path):
    (tmp_path / "mine.py").write_text(
        "import torch\n"
        "def draw(model, tokenizer, ids):\n"
        "    assert not model(torch.tensor([[1, 2]])).logits.requires_grad\n"
        "    return {i: float(torch.rand(())) for i in ids}\n"
    )
    evaluator = make_evaluator(settings_of("draw"))
    evaluator.bind_engine(engine)
    first, again = (evaluator.score({"mine:draw": [1, 2]}) for _ in range(2))
    assert first.values == again.values
