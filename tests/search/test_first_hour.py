"""What a newcomer gets wrong in the first hour: each mistake has one message."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from search.cli.app import app
from search.config import make_plan
from tests.search.conftest import begin_scored

NO_RUN = "world0 is not a run: it has no run.json; give the folder that `run:` of a config names"
CONFIG = {  # a change of a config that is right -> what is said of it
    "a mistyped key": ({"metods": ["linear"]}, "metods: unknown key; did you mean 'methods'?"),
    "no base": ({"base": None}, "base: is required and missing"),
    "a base that is not there": (
        {"base": "modles/base"},
        "base: modles/base: not a local directory, and not available from the hub",
    ),
    "a base that is a file": (
        {"base": __file__},
        "is a file; give a directory, or a hub id such as org/model",
    ),
    "a model without a config": (
        {"base": str(Path(__file__).parent)},
        "no model.safetensors and no model.safetensors.index.json; is this a model directory?",
    ),
    "no models": ({"models": {}}, "models: needs at least 2, not 0"),
    "a list of models": (
        {"models": ["a", "b"]},
        "models: must be a mapping of keys to values (got ['a', 'b'])",
    ),
    "no methods": ({"methods": []}, "methods: needs at least 1, not 0"),
    "a mistyped method": (
        {"methods": ["tie"]},
        "methods.0: unknown merge method 'tie'; did you mean 'ties'?",
    ),
    "a method that is no list": (
        {"methods": "ties"},
        "methods: must be a list, such as [one, two] (got 'ties')",
    ),
    "no objectives": ({"objectives": {}}, "objectives: needs at least 1, not 0"),
    "an objective without a task": (
        {"objectives": {"x": {"metric": "acc"}}},
        "objectives.x: needs a task and a metric, or the mean of several",
    ),
    "a mistyped task": (
        {"objectives": {"x": {"task": "pik", "metric": "acc"}}},
        "objectives.x.task: unknown task 'pik'; did you mean pick?",
    ),
    "a mistyped metric": (
        {"objectives": {"x": {"task": "pick", "metric": "accuracy"}}},
        "objectives.x.metric: task 'pick' does not report 'accuracy'; choose one of acc",
    ),
    "a direction": (
        {"objectives": {"x": {"task": "pick", "metric": "acc", "direction": "max"}}},
        "objectives.x.direction: must be 'maximize' or 'minimize' (got 'max')",
    ),
    "a public test set": (
        {"objectives": {"x": {"task": "gsm8k", "metric": "acc"}}},
        "uses the public test set openai/gsm8k, test; models tuned on it cannot be compared",
    ),
    "a task folder that is not there": ({"tasks": "taks"}, "taks: no such directory"),
    "a budget of nothing": (
        {"budget": {"trials": 0}},
        "budget.trials: must be greater than 0 (got 0)",
    ),
    "a budget in words": (
        {"budget": {"trials": "ten"}},
        "budget.trials: must be a whole number (got 'ten')",
    ),
    "a budget that is a number": (
        {"budget": 100},
        "budget: must be a mapping of keys to values (got 100)",
    ),
    "workers without a CPU": (
        {"workers": {"cpus": 0}},
        "workers.cpus: must be greater than or equal to 0.01 (got 0)",
    ),
    "workers as a number": ({"workers": 4}, "workers: must be a mapping of keys to values (got 4)"),
    "a seed in words": ({"seed": "lucky"}, "seed: must be a whole number (got 'lucky')"),
    "more groups than layers": (
        {"space": {"depth": {"groups": 99}}},
        "space.weight: depth: 99 groups, but the models have 4 layers",
    ),
    "an unknown sampler": (
        {"sampler": "cmaez"},
        "sampler.type: unknown type 'cmaez'; did you mean 'cmaes'?",
    ),
    "one sampler for two objectives": (
        {"sampler": "cmaes"},
        "sampler: cmaes needs one objective, not 2; auto accepts any number",
    ),
    "a preference for an unknown objective": (
        {"prefer": {"pics": 1.0}},
        "prefer.pics: is not an objective; did you mean 'picks'?",
    ),
    "more documents than there are": (
        {"documents": {"search": 1.5}},
        "documents.search: must be less than or equal to 1 (got 1.5)",
    ),
    "a recipe that is not there": ({"recipes": ["soup.yaml"]}, "soup.yaml does not exist"),
    "stages of too few documents": (
        {"stages": [2, 4]},
        "stages.sizes: 2 is no size of a stage; give 16 documents or more",
    ),
    "a gate that no model passes": (
        {"gate": {"perplexity": 0.5}},
        "gate.perplexity: must be greater than 1 (got 0.5)",
    ),
    "an unknown engine": (
        {"scoring": {"engine": "vlm"}},
        "scoring.engine: must be 'hf', 'vllm' or 'auto'; did you mean 'vllm'?",
    ),
    "a tokenizer of nobody": (
        {"tokenizer": "d"},
        "tokenizer 'd' is not 'base', 'union' or one of ['a', 'b', 'c']",
    ),
}


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)], env={"COLUMNS": "400"})


def check(done: Result, said: str) -> None:
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize("case", CONFIG)
def test_a_config_with(case, config, write):
    change, said = CONFIG[case]
    changed = {key: value for key, value in {**config, **change}.items() if value is not None}
    check(invoke("doctor", write(changed)), said)


FILES = {  # the bytes of a config file -> what is said of it
    "nothing": (b"", "a config is a mapping of keys to values; see `docs/config.md`"),
    "a list": (b"- a\n- b\n", "a config is a mapping of keys to values; see `docs/config.md`"),
    "a tab": (b"base:\n\tx: y\n", "not valid YAML: while scanning for the next token"),
    "a colon too many": (b"base: a: b\n", "mapping values are not allowed here"),
    "a key twice": (b"base: a\nbase: b\n", "duplicate key 'base' in lines 1 and 2"),
    "no text": (b"\xff\xfe\x00", "is no text in UTF-8"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_with(case, tmp_path):
    path = tmp_path / "search.yaml"
    content, said = FILES[case]
    path.write_bytes(content)
    check(invoke("search", path), said)


COMMANDS = {
    "a config that is not there": (
        ["search", "nowhere.yaml"],
        "nowhere.yaml: 1 error\n  there is no such file",
    ),
    "a folder as a config": (["search", "."], "is a directory; name the config file in it"),
    "a command that does not exist": (["serch"], "No such command 'serch'. Did you mean 'search'"),
    "an option that does not exist": (
        ["search", "{config}", "--trails", "5"],
        "No such option: --trails",
    ),
    "the run of another search": (
        ["search", "{config}"],
        "already holds a run; continue it by `mergefront resume",
    ),
    "status of nothing": (
        ["status", "nowhere"],
        "nowhere is not a run: it has no run.json; give the folder that `run:` of a config names",
    ),
    "status of a folder": (["status", "{world}"], NO_RUN),
    "front of a folder": (["front", "{world}"], NO_RUN),
    "resume of a folder": (["resume", "{world}"], NO_RUN),
    "report of a folder": (["report", "{world}"], NO_RUN),
    "dashboard of a folder": (["dashboard", "{world}"], NO_RUN),
    "verdict of a folder": (["verdict", "{world}"], NO_RUN),
    "a condition that is none": (
        ["front", "{run}", "--where", "picks >"],
        "--where 'picks >' is not an expression of numbers, objectives",
    ),
    "a condition on nothing": (
        ["front", "{run}", "--where", "pics > 0.5"],
        "--where: unknown name 'pics'; did you mean 'picks'?",
    ),
    "a trial that is not there": (
        ["show", "{run}", "999"],
        "has no finished trial 999; it has 5 trials, counted from 0",
    ),
    "a trial in words": (["show", "{run}", "best"], "Invalid value for 'trial'"),
    "a pick that does not exist": (
        ["export", "{run}", "{tmp}/out", "--pick", "best"],
        "cannot pick 'best'; choose one of knee, mean, best:picks, best:text",
    ),
    "an export of no trial": (
        ["export", "{run}", "{tmp}/out", "--trial", "999"],
        "trial 999 has no scores: there is no such trial",
    ),
    "an export over something": (
        ["export", "{run}", "{world}"],
        "exists already; choose another directory or pass --force",
    ),
    "an export in int8": (
        ["export", "{run}", "{tmp}/out", "--dtype", "int8"],
        "'int8' is not one of 'float32', 'float16', 'bfloat16'",
    ),
    "a shard of no size": (
        ["export", "{run}", "{tmp}/o", "--max-shard-size", "big"],
        "--max-shard-size: 'big' is not a size; write a number and KB, MB, GB, TB: 5GB",
    ),
    "an upload to nobody": (
        ["export", "{run}", "{tmp}/out", "--push", "model"],
        "--push: 'model' has no owner; write OWNER/model",
    ),
    "a merge of nothing": (["merge", "nowhere.yaml", "{tmp}/out"], "nowhere.yaml: cannot be read"),
    "a run that is a file": (["status", __file__], "is a file, not a run; give the folder that"),
    "a merge of a config": (
        ["merge", "{config}", "{tmp}/out"],
        "is the config of a search, not a recipe; run it by `mergefront search`",
    ),
    "a doctor without models": (["doctor"], "Missing argument 'CONFIG'"),
    "a doctor of nothing": (["doctor", "nowhere"], "nowhere: 1 error\n  there is no such file"),
    "a doctor of a folder of models": (
        ["doctor", "{world}"],
        "no model.safetensors and no model.safetensors.index.json; is this a model directory?",
    ),
    "models of other shapes": (
        ["doctor", "{world}/base", "{world}/wide"],
        "hidden_size is 32, base has 16; the weights would not be comparable",
    ),
    "a first config of nothing": (
        ["init", "nowhere"],
        "model directory nowhere does not exist; give a directory, or a hub id such as",
    ),
    "a first config over another": (
        ["init", "{world}/base", "{world}/a", "--out", "{config}"],
        "exists already; name another file with --out, or use --force",
    ),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_a_command_with(case, config, write, world, tmp_path):
    path = write(config)
    run = begin_scored(make_plan(path), texts=(3.0,) * 5).root
    places = {"config": path, "world": world, "run": run, "tmp": tmp_path}
    arguments, said = COMMANDS[case]
    check(invoke(*(part.format(**places) for part in arguments)), said)
