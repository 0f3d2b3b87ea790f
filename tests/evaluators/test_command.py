"""The lm-eval command of a suite, run in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from lm_eval.tasks import TaskManager
from transformers import AutoConfig, LlamaForCausalLM

from evaluators.scores import Conditions
from evaluators.suite import Suite, builtin_tasks
from evaluators.tasks import SuiteSettings
from tests.evaluators.conftest import OWN_METRICS

TASKS = ("pick", "turn", "text", "end")


def test_a_command_contains_everything_that_a_score_depends_on(settings: SuiteSettings) -> None:
    suite = Suite(settings.model_copy(update={"num_fewshot": 0, "max_gen_toks": 4}))
    found = suite.command({"end": [3, 1]}, Path("/models/a"), Conditions(16, 2, "cpu"))
    assert found == [
        *("env", "-C", str(settings.folder), "OMP_NUM_THREADS=2"),
        *("lm_eval", "run", "--model", "hf"),
        *("--model_args", "pretrained=/models/a,softmax_dtype=float32"),
        *("--tasks", "end", "--batch_size", "16", "--samples", '{"end": [1, 3]}'),
        *("--include_path", str(settings.folder), "--num_fewshot", "0"),
        *("--gen_kwargs", "max_gen_toks=4", "--device", "cpu"),
    ]


@pytest.mark.parametrize(("kind", "name"), [("gemma3", "hf"), ("qwen2_vl", "hf-multimodal")])
def test_a_command_names_the_class_that_loads_a_model_of_several_parts(
    kind: str, name: str, settings: SuiteSettings, tmp_path: Path
) -> None:
    AutoConfig.for_model(kind).save_pretrained(tmp_path)
    found = Suite(settings).command({"end": [1]}, tmp_path, None)
    assert found[found.index("--model") + 1] == name


@pytest.mark.slow  # lm-eval's command reads 14,000 task files first
@pytest.mark.parametrize("threads", [1, 2])
def test_the_command_reproduces_the_scores_exactly(
    threads: int, settings: SuiteSettings, model_dirs: list[Path], tokenizer: Any, tmp_path: Path
) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        suite = Suite(settings.model_copy(update={"tasks": TASKS}))
        suite.bind(LlamaForCausalLM.from_pretrained(model_dirs[0]), tokenizer)
        scores = suite.score(suite.documents["search"])
    finally:
        torch.set_num_threads(before)
    command = suite.command(suite.documents["search"], model_dirs[0], scores.conditions)
    command[command.index("lm_eval")] = str(Path(sys.executable).with_name("lm_eval"))
    subprocess.run([*command, "--output_path", str(tmp_path)], check=True, capture_output=True)
    (written,) = tmp_path.rglob("*.json")
    result = json.loads(written.read_text())["results"]
    for task in TASKS:
        ours = {k: v for k, v in scores.values[task].items() if not k.startswith(OWN_METRICS)}
        assert ours
        assert ours.items() <= result[task].items()


@pytest.mark.slow
def test_the_names_found_in_the_files_are_those_that_lm_eval_knows() -> None:
    manager = TaskManager()
    names = builtin_tasks.names()
    assert set(manager.all_tasks) <= names.files.keys() | names.tags
    for name in (*manager.all_subtasks, *manager.all_groups):
        assert names.files[name] == manager.task_index[name].yaml_path
