"""A search sent to a cluster, stopped, and sent again: Ray's own Jobs API, with a token."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from search.ledger import Ledger
from tests.evaluators.conftest import make_tokenizer
from tests.local_ray import local_ray
from tests.search.conftest import config, world, write, write_model  # noqa: F401 - fixtures

pytestmark = pytest.mark.slow

TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a" * 64}


@pytest.fixture(scope="module")
def head(tmp_path_factory) -> Iterator[str]:
    """A cluster of one machine, protected by a token."""
    with local_ray(tmp_path_factory.mktemp("ray"), **TOKEN) as url:
        yield url


@pytest.fixture
def mergefront(head) -> Callable[..., subprocess.CompletedProcess]:
    def call(*arguments: object, **environment: str) -> subprocess.CompletedProcess:
        given = [str(each) for each in (*arguments, "--address", head)]
        return subprocess.run(
            [sys.executable, "-m", "search", *given],
            cwd=Path(__file__).parent.parent,
            env={**os.environ, **TOKEN, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return call


@pytest.fixture
def talking(config, tmp_path) -> dict[str, Any]:
    """The config with models that have a tokenizer, so that they can be scored."""
    for seed, name in enumerate(["base", *config["models"]]):
        write_model(tmp_path / name, seed, vocab_size=99)
        make_tokenizer().save_pretrained(tmp_path / name)
    models = {name: str(tmp_path / name) for name in config["models"]}
    return {**config, "base": str(tmp_path / "base"), "models": models}


def test_a_submitted_search_is_stopped_and_goes_on_when_it_is_submitted_again(
    mergefront, talking, write, tmp_path
):
    short = {"workers": {"cpus": 1}, "budget": {"trials": 400}, "sampler": {"type": "random"}}
    path = write({**talking, **short, "run": str(tmp_path / "far")})
    assert mergefront("submit", path).returncode == 0
    again = mergefront("submit", path)
    assert again.returncode == 2, mergefront("logs", "far").stdout
    assert "`mergefront stop far` ends it" in again.stderr
    assert re.match(f"far  (PENDING|RUNNING)  {tmp_path / 'far'}\n", mergefront("jobs").stdout)
    stopped = mergefront("stop", "far")
    assert "job far is STOPPED" in stopped.stdout, stopped.stderr
    kept = len(Ledger(tmp_path / "far").trials()) if Ledger.is_at(tmp_path / "far") else 0
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "budget": {"trials": 8}}))
    said = mergefront("submit", path, "--follow")
    assert said.returncode == 0, said.stdout + said.stderr
    assert "Pareto front" in said.stdout
    trials = Ledger(tmp_path / "far").trials()
    assert len(trials) == max(8, kept)
    assert "Pareto front" in mergefront("logs", "far").stdout


def test_a_cluster_wants_its_token(mergefront):
    said = mergefront("jobs", RAY_AUTH_TOKEN="b" * 64)
    assert said.returncode == 2
    assert "Traceback" not in said.stderr


def test_a_job_that_is_not_there_is_named(mergefront):
    said = mergefront("logs", "elsewhere")
    assert said.returncode == 2
    assert "no job 'elsewhere'; there are: " in said.stderr
