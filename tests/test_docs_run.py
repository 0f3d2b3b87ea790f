"""Every command of the docs is run, page by page and in its order, on tiny real models.

As a reader would type them, but in this process, and with workers in it instead of Ray's: that they
are the same is what the other slow tests are about, and the tutorial's test has Ray's. Configs are
searched too. What is replaced, and what cannot be run, is listed here.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from search.cli.app import app
from search.runs import pool_on_demand as pool_module
from search.runs import search as search_module
from tests.docs_pages import PAGES, ROOT, Command, File, commands, make_models, steps
from workers.pool import InProcessPool
from workers.worker import Worker

SMALLER = {  # in the files that a reader writes, so that a search takes seconds
    r"trials: \d+": "trials: 10",
    r"groups: \d+": "groups: 2",
    r"workers: \{gpus.*\}": "workers: {cpus: 1, max: 1}",
    r"task: my_(code|law)_task,": r"task: \1,",
}
WORDS = {  # what a page leaves open, or has of a larger search -> what it is here
    "RUN": "runs/my-search",
    "CONFIG": "my-search.yaml",
    "BASE": "models/base",
    "OUT": "merged",
    "A,B": "code,law",
    "TRIAL": "3",
    "28": "3",
    "57": "3",
    "N": "11",
    "H": "2",
    "300": "11",
    "400": "11",
    "500": "11",
    "search.yaml": "my-search.yaml",
    "configs/demo.yaml": "my-search.yaml",
    "runs/demo": "runs/my-search",
    "best:maths": "best:code",
    "general >= 0.98 * base.general": "law >= 0.98 * base.law",
    "/srv/mergefront": "service",
}
TWO = "models/code models/law"
INSTEAD = {  # of a command that leaves more open
    "mergefront init MODEL MODEL --task-folder tasks": f"init {TWO} --task-folder tasks",
    "mergefront search CONFIG --from RUN": "search other.yaml --from RUN",  # of another `run:`
}
CLUSTER = "needs a Ray cluster: tests/workers/test_pool_jobs.py has one"
SERVICE = "needs a service: tests/search/test_service_client.py has one"
STORE = "needs an object store: tests/search/test_ledger_s3.py has one"
HUB = "uploads to the hub: tests/search/test_export.py has a stub of it"
ENDLESS = "serves until it is stopped: tests/search/test_dashboard.py, tests/test_launch.py"
LONG = "takes minutes, or changes the environment of the tests"
PROGRAMS = {  # of others, or of this repository's developers -> why they are not run
    "docker": CLUSTER,
    "kubectl": CLUSTER,
    "ray": CLUSTER,
    "serve": CLUSTER,
    "pip": LONG,
    "scripts/bench": LONG,
    "scripts/demo": LONG,
    "scripts/docs": LONG,
    "scripts/page": LONG,
    "scripts/setup": LONG,
    "scripts/test": LONG,
}
NOT_RUN = {
    "mergefront submit my-search.yaml --address http://head:8265 --follow": CLUSTER,
    "mergefront submit my-search.yaml --address http://head:8265": CLUSTER,
    "mergefront submit configs/demo.yaml --address http://head:8265": CLUSTER,
    "mergefront submit CONFIG --address http://head:8265 --follow": CLUSTER,
    "mergefront submit CONFIG": CLUSTER,
    "mergefront search my-search.yaml --address auto": CLUSTER,
    "mergefront jobs --address http://head:8265": CLUSTER,
    "mergefront logs my-search --follow --address http://head:8265": CLUSTER,
    "mergefront logs demo --follow --address http://head:8265": CLUSTER,
    "mergefront logs NAME --follow": CLUSTER,
    "mergefront stop my-search --address http://head:8265": CLUSTER,
    "mergefront stop demo --address http://head:8265": CLUSTER,
    "mergefront stop NAME": CLUSTER,
    "mergefront serve --root /srv/mergefront --data /srv/models": ENDLESS,
    "mergefront serve --root /srv/mergefront --data /srv/models --data /srv/tasks "
    "--cluster http://head:8265": ENDLESS,
    "mergefront serve --root /shared/mergefront --data /shared/models --host 0.0.0.0 "
    "--cluster http://mergefront-head-svc:8265": ENDLESS,
    "mergefront dashboard runs/demo --port 8080": ENDLESS,
    "mergefront dashboard RUN": ENDLESS,
    "mergefront submit config.yaml --server https://mergefront.example.com": SERVICE,
    "mergefront status demo --follow --server https://mergefront.example.com": SERVICE,
    "mergefront front demo --where maths > base.maths --server https://mergefront.example.com": (
        SERVICE
    ),
    "mergefront stop demo --server https://mergefront.example.com": SERVICE,
    "mergefront resume demo --trials 500 --server https://mergefront.example.com": SERVICE,
    "mergefront export demo best --server https://mergefront.example.com": SERVICE,
    "mergefront export s3://bucket/prefix/runs/demo merged": STORE,
    "mergefront export runs/my-search merged --verify --push me/my-merge": HUB,
    "mergefront export runs/my-search merged --push me/my-merge": HUB,
    "mergefront export runs/my-search merged-lora --adapter": (
        "needs a search of adapters alone: tests/search/test_export_adapter.py has one"
    ),
    "mergefront demo /tmp/demo": LONG,
}
TUTORIAL = ROOT / "docs" / "tutorial.md"  # tests/test_docs_commands.py runs it, with Ray
RECIPE = """
method: linear
base: models/base
models: {code: models/code, law: models/law}
groups:
  - parameters: {weight: 1.0}
"""
MERGEKIT_RECIPE = """
merge_method: task_arithmetic
base_model: models/base
models:
  - {model: models/code, parameters: {weight: 0.5}}
  - {model: models/law, parameters: {weight: 0.5}}
"""
EVOLVE = """
genome:
  models: [models/code, models/law]
  merge_method: task_arithmetic
  base_model: models/base
  layer_granularity: 1
tasks:
  - {name: code, weight: 1.0, metric: "acc,none"}
  - {name: law, weight: 1.0, metric: "acc,none"}
"""


def is_run(step: File | Command) -> bool:
    """Whether it is neither of another program nor one that cannot be run."""
    return isinstance(step, File) or (str(step) not in NOT_RUN and step.words[0] not in PROGRAMS)


def to_run(page: Path) -> list[File | Command]:
    """The files and commands of a page that are tried, each command once."""
    return [each for each in dict.fromkeys(steps(page)) if is_run(each)]


RUN_HERE = [page for page in PAGES if page != TUTORIAL and to_run(page)]


def in_process(plan: object, _address: str) -> InProcessPool:
    return InProcessPool(Worker(search_module.setup_of(plan)).evaluate)


def invoke(words: list[str]) -> None:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, f"mergefront {' '.join(words)}\n{done.output[-2000:]}"


def shortened(text: str) -> str:
    for pattern, replacement in SMALLER.items():
        text = re.sub(pattern, replacement, text)
    return text


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Iterator[Path]:
    """What a reader has who comes to a page: models, tasks, files, and a finished search."""
    root = tmp_path_factory.mktemp("docs")
    make_models(root)
    shutil.copytree(root / "tasks", root / "eval_tasks")
    for name, text in {
        "recipe.yaml": RECIPE,
        "recipe.yml": MERGEKIT_RECIPE,
        "evolve.yml": EVOLVE,
    }.items():
        (root / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setattr(search_module, "ray_pool", in_process)
        patch.setattr(pool_module, "ray_pool", in_process)
        invoke(f"init {TWO} --task-folder tasks".split())
        config = root / "my-search.yaml"
        text = shortened(config.read_text())
        config.write_text(text)
        (root / "other.yaml").write_text(text.replace("runs/my-search", "runs/other"))
        invoke(["search", "my-search.yaml"])
        yield root


@pytest.fixture
def here(start, tmp_path, monkeypatch) -> Path:
    shutil.copytree(start, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(command: Command) -> list[str]:
    """The words of a command, with what stands for something replaced."""
    other = INSTEAD.get(str(command))
    words = other.split() if other else command.words[1:]
    parts = [TWO.split() if each == "MODEL..." else [WORDS.get(each, each)] for each in words]
    return [each for part in parts for each in part]


def make_room(words: list[str]) -> None:
    """Removes what a command would make and another of the page has made: they are alternatives."""
    made = {
        "init": "my-search.yaml",
        "export": "merged",
        "merge": "merged",
        "search": "runs/my-search",
        "simplify": "shorter.yaml",
    }
    path = Path(made.get(words[0], "nothing"))
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN_HERE, ids=lambda page: page.stem)
def test_the_commands_of_a_page_run(page, here):
    for each in to_run(page):
        if isinstance(each, File):
            (here / each.name).write_text(shortened(each.text))
            if "objectives:" in each.text and each.name != "my-search.yaml":
                invoke(["search", each.name])
            continue
        words = typed(each)
        if "--from" not in words or words[0] == "init":
            make_room(words)
        invoke(words)
        if words[0] == "init":
            config = here / "my-search.yaml"
            config.write_text(shortened(config.read_text()))


def test_every_command_is_run_or_listed_and_what_is_listed_is_on_a_page():
    found = [command for page in PAGES for command in commands(page)]
    programs = {command.words[0] for command in found}
    assert programs == {"mergefront", *PROGRAMS}
    assert sorted((NOT_RUN.keys() | INSTEAD.keys()) - set(map(str, found))) == []
