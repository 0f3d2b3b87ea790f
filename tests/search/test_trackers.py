"""Experiment trackers: what they record, and that they can neither stop nor slow a search."""

from __future__ import annotations

import logging
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from search.api import run_search
from search.cli.app import app
from search.config import ConfigError, make_plan
from search.runs.tracking import HypervolumeCourse
from search.trackers import BackgroundTracker, TrackedTrial, settings
from tests.search.test_driver import evaluate
from workers.pool import InProcessPool


def in_process(plan, address) -> InProcessPool:
    return InProcessPool(evaluate, 2)


def search_with(write, config, track, **more):
    path = write({**config, "track": track, **more})
    return run_search(path, make_pool=in_process)


def events(file: Path) -> Iterator[Any]:
    """The events of a file: a length, its checksum, the event, and that one's checksum."""
    from tensorboardX.proto.event_pb2 import Event

    content = file.read_bytes()
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        yield Event.FromString(content[12 : 12 + length])
        content = content[16 + length :]


def test_tensorboard_has_scores_parameters_and_hypervolume_of_every_trial(write, config):
    pytest.importorskip("tensorboardX")
    run = search_with(write, config, "tensorboard")
    (file,) = Path(run.root, "tensorboard").iterdir()
    tags = [value.tag for event in events(file) for value in event.summary.value]
    frame = run.trials()
    assert tags.count("scores/text") == frame["scores.text"].notna().sum()
    assert tags.count("hypervolume") > 0
    assert "params/weight/a.0" in tags
    assert sum(tag.startswith("state") for tag in tags) == len(frame)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_mlflow_has_a_run_for_each_trial_and_a_resumed_search_continues(
    write, config, tmp_path, monkeypatch
):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    store = (tmp_path / "mlruns").as_uri()
    run = search_with(write, config, {"type": "mlflow", "uri": store, "experiment": "mine"})
    run.resume(trials=14, make_pool=in_process)
    client = mlflow.MlflowClient(tracking_uri=store)
    (experiment,) = [e for e in client.search_experiments() if e.name == "mine"]
    found = client.search_runs([experiment.experiment_id], max_results=100)
    (parent,) = [each for each in found if "mergefront.run" in each.data.tags]
    trials = {each.data.tags["mlflow.runName"]: each for each in found if each is not parent}
    assert len(trials) == 14
    assert parent.info.status == "FINISHED"
    best = run.trials().loc[0, "scores.text"]
    assert trials["trial 0"].data.metrics["scores/text"] == best
    assert trials["trial 0"].data.tags["label"] == "base"
    params = trials["trial 13"].data.params
    assert params["params/method"] == run.trial(13).proposal.recipe.method
    assert "params/weight/a.0" in params


@pytest.mark.slow  # it starts a process of its own
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_wandb_records_a_search_offline(write, config, tmp_path, caplog):
    pytest.importorskip("wandb")
    track = {"type": "wandb", "mode": "offline", "folder": str(tmp_path / "kept")}
    search_with(write, config, track)
    assert list((tmp_path / "kept").rglob("run-*.wandb"))
    assert "does not record" not in caplog.text


class Broken:
    """A tracker whose server has gone."""

    def log(self, trial) -> None:
        raise ConnectionError("the server has gone")

    def close(self) -> None:
        raise ConnectionError("it still has")


class Hanging:
    """A tracker whose server does not answer."""

    def log(self, trial) -> None:
        time.sleep(60)

    def close(self) -> None: ...


def trial() -> TrackedTrial:
    return TrackedTrial(1, 1, "scored")


def not_opened():
    raise OSError("no route to the server")


@pytest.mark.parametrize(
    ("opened", "message"),
    [(Broken, "ConnectionError: the server has gone"), (not_opened, "OSError: no route")],
)
def test_the_first_error_of_a_tracker_is_logged_and_no_other(opened, message, caplog):
    with caplog.at_level(logging.WARNING):
        tracker = BackgroundTracker("mlflow", opened)
        for _ in range(5):
            tracker.log(trial)
        tracker.close()
    (record,) = caplog.records
    assert f"mlflow does not record this search fully: {message}" in record.getMessage()


def test_a_tracker_that_hangs_delays_nothing(monkeypatch, caplog):
    monkeypatch.setattr("search.trackers.background.LAST_WAIT", 0.2)
    tracker = BackgroundTracker("wandb", Hanging)
    began = time.monotonic()
    for _ in range(1000):
        tracker.log(trial)
    tracker.close()
    assert time.monotonic() - began < 10
    assert "wandb is slow" in caplog.text


def test_a_search_ends_as_without_a_tracker_that_fails(write, config, tmp_path, monkeypatch):
    monkeypatch.setattr(settings.TensorboardSettings, "module", "json")  # as if it were installed
    monkeypatch.setattr(settings.TensorboardSettings, "open", lambda *_: Broken())
    run = search_with(write, config, "tensorboard")
    plain = search_with(write, config, None, run=str(tmp_path / "plain"))
    same = ["state", "scores.picks", "scores.text"]
    assert run.trials()[same].sort_index().equals(plain.trials()[same].sort_index())


def test_the_hypervolume_of_the_front_alone_is_that_of_all_trials(write, config):
    run = search_with(write, config, None)
    results = run.results
    course = HypervolumeCourse(results.objectives, [])
    monotone = [course.after(each) for each in results.trials]
    known = [value for value in monotone if value is not None]
    assert known[-1] == pytest.approx(results.history[-1], rel=1e-6)


@pytest.mark.parametrize("tracker", ["mlflow", "wandb", "tensorboard"])
def test_a_missing_extra_is_named_before_the_search_starts(write, config, monkeypatch, tracker):
    monkeypatch.setattr(settings, "find_spec", lambda _: None)
    path = write({**config, "track": tracker})
    for command in ("search", "doctor"):
        done = CliRunner().invoke(app, [command, str(path)], env={"COLUMNS": "200"})
        assert done.exit_code == 2, done.output
        assert f"pip install 'mergefront[{tracker}]'" in " ".join(done.output.split())
    assert not Path(config["run"]).exists()


@pytest.mark.parametrize(
    ("track", "message"),
    [
        ("mlfow", "track.type: unknown type 'mlfow'; did you mean 'mlflow'?"),
        ({"type": "wandb", "projct": "x"}, "projct: unknown key; did you mean 'project'?"),
    ],
)
def test_a_misspelt_tracker_is_an_error_of_the_config(write, config, track, message):
    with pytest.raises(ConfigError) as error:
        make_plan(write({**config, "track": track}))
    assert message in str(error.value)
