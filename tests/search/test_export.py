"""`mergefront export`: dtype, shards and where a model goes. Run, models and tasks are real."""

from __future__ import annotations

import json
import subprocess

import pytest
import torch
from huggingface_hub import ModelCard, constants
from safetensors.torch import load_file
from typer.testing import CliRunner

from search.cli.app import app
from search.config import make_plan
from search.ledger import Ledger
from tests.search.conftest import begin_scored
from workers.checkpoint import read_json


@pytest.fixture
def ledger(write, config) -> Ledger:
    """A run whose baselines are scored; the uniform soup is the only member of the front."""
    return begin_scored(make_plan(write(config)), texts=(3.0, 3.0, 3.0, 3.0, 2.0))


@pytest.fixture
def export(ledger, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    command = ["export", str(ledger.root), str(tmp_path / "out")]
    return lambda *options: CliRunner().invoke(app, [*command, *map(str, options)])


def test_another_dtype_is_written_and_said_to_be_not_what_was_scored(export, tmp_path):
    done = export("--dtype", "bfloat16")
    assert done.exit_code == 0, done.output
    out = tmp_path / "out"
    assert {each.dtype for each in load_file(out / "model.safetensors").values()} == {
        torch.bfloat16
    }
    assert read_json(out / "config.json")["dtype"] == "bfloat16"
    assert read_json(out / "recipe.json")["dtype"] == "bfloat16"
    told = "These weights are in bfloat16, so they are not bit for bit what was scored"
    assert told in done.output
    assert told in ModelCard.load(out / "README.md").text


def test_the_dtype_of_the_scored_weights_changes_nothing(export, ledger, tmp_path):
    done = export("--dtype", "float32")
    assert "not bit for bit" not in done.output
    recipe = ledger.trials()[4].proposal.recipe
    assert json.loads((tmp_path / "out" / "recipe.json").read_text()) == recipe.to_dict()


def test_brackets_of_a_path_are_printed_whatever_the_width(ledger, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    out = tmp_path / "my[bold]model"
    done = CliRunner().invoke(app, ["export", str(ledger.root), str(out)])
    assert f"is exported to {out}\n" in done.output
    script = tmp_path / "my[bold]model.rescore.sh"
    assert f"sh '{script}'" in done.output
    assert f"pretrained={out}" in script.read_text()


def test_a_pick_that_is_no_merge_is_said_to_be_none(export, tmp_path):
    done = export("--trial", "0")
    assert "warning: that is base itself, not a merge" in done.stderr
    card = ModelCard.load(tmp_path / "out" / "README.md").text
    assert "A copy of `base`, made with mergefront." in card
    assert "average change" not in card  # beside base, models and uniform soup only


def test_the_command_that_names_each_document_is_a_script_beside_the_model(export, tmp_path):
    done = export()
    assert done.exit_code == 0, done.output
    script = tmp_path / "out.rescore.sh"
    assert max(map(len, done.stdout.splitlines())) < 100 + len(str(script))
    assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
    assert "lm_eval run --model hf " in script.read_text()


def test_shards_are_as_small_as_asked_and_load_as_one_model(export, tmp_path):
    assert export("--max-shard-size", "10KB").exit_code == 0
    files = sorted((tmp_path / "out").glob("*.safetensors"))
    assert len(files) > 1
    names = read_json(tmp_path / "out" / "model.safetensors.index.json")["weight_map"]
    found = {name: file.name for file in files for name in load_file(file)}
    assert found == names
    sizes = [sum(each.nbytes for each in load_file(file).values()) for file in files]
    assert max(sizes) <= 10_000


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--max-shard-size", "5"], "--max-shard-size: '5' is not a size; write a number and KB"),
        (["--max-shard-size", "0GB"], "--max-shard-size: '0GB' is not a size"),
        (["--dtype", "int8"], "'int8' is not one of 'float32', 'float16', 'bfloat16'"),
    ],
)
def test_a_wrong_option_is_refused(export, tmp_path, options, expected):
    done = export(*options)
    assert done.exit_code == 2
    assert expected in done.output
    assert not (tmp_path / "out").exists()


def test_a_pushed_repository_is_private_and_has_the_files_of_the_directory(export, hub, tmp_path):
    done = export("--push", "team/merged")
    assert done.exit_code == 0, done.output
    assert f"is uploaded to {hub.address}/team/merged" in done.output
    assert hub.private == {"team/merged": True}
    assert hub.repos["team/merged"] == {
        each.name: each.read_bytes() for each in (tmp_path / "out").iterdir()
    }


def test_a_repository_with_files_is_replaced_only_by_force(export, hub, tmp_path):
    hub.repos["me/merged"] = {"model-00001-of-00002.safetensors": b"old"}
    done = export("--push", "me/merged")
    assert done.exit_code == 2
    assert "me/merged has files already; choose another name, or replace them" in done.output
    assert not (tmp_path / "out").exists()
    assert export("--push", "me/merged", "--force").exit_code == 0
    assert "model-00001-of-00002.safetensors" not in hub.repos["me/merged"]
    assert "model.safetensors" in hub.repos["me/merged"]


def test_a_failed_upload_leaves_no_repository_and_says_how_to_try_again(export, hub, tmp_path):
    hub.commit_status = 403
    done = export("--push", "me/merged")
    assert done.exit_code == 2
    assert "me/merged: your token has no permission to write there (no write access)" in done.output
    assert f"hf upload me/merged {tmp_path / 'out'}" in done.output
    assert hub.repos == {}
    assert (tmp_path / "out" / "config.json").exists()


@pytest.mark.parametrize(
    ("repo", "token", "role", "expected"),
    [
        ("merged", "good", "write", "'merged' has no owner; write OWNER/merged"),
        ("me/a b", "good", "write", "'me/a b' is not OWNER/NAME"),
        ("me/merged", "", "write", "there is no token for the hub; run `hf auth login` or set"),
        ("me/merged", "bad", "write", "the hub does not accept your token"),
        ("you/merged", "good", "write", "may not write as you, only as me, team"),
        ("me/merged", "good", "read", "your token may only read; make one that may write"),
    ],
)
def test_a_push_that_cannot_work_is_refused_before_the_merge(
    export, hub, tmp_path, monkeypatch, repo, token, role, expected
):
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    hub.role = role
    done = export("--push", repo)
    assert done.exit_code == 2
    assert expected in done.output
    assert hub.repos == {}
    assert not (tmp_path / "out").exists()


def test_a_hub_that_cannot_be_reached_is_said_before_the_merge(export, hub, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    done = export("--push", "me/merged")
    assert done.exit_code == 1
    assert "me/merged: the hub cannot be reached" in done.output
    assert not (tmp_path / "out").exists()
