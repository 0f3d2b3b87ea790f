"""Every command and every config of the docs is right; tests/test_docs_run.py runs them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from search.cli.app import app
from search.config import make_plan
from tests.docs_pages import HOW_TO, PAGES, ROOT, Command, commands, files, make_models

COMMANDS = get_command(app).commands
NUMBERS = ("N", "H", "TRIAL")  # what a reader puts a number in place of


def parse(command: Command) -> None:
    """Fails as the program would on an unknown command or option, or a missing argument."""
    program, name, *arguments = command.words
    assert program == "mergefront"
    if name.startswith("-"):
        assert name in ("--version", "--help", "--install-completion")
        return
    COMMANDS[name].make_context(name, ["1" if each in NUMBERS else each for each in arguments])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_can_be_parsed(page):
    for command in commands(page):
        if command.words[0] == "mergefront":
            parse(command)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_script_of_a_page_is_there(page):
    for command in commands(page):
        program = command.words[0]
        assert not program.startswith("scripts/") or (ROOT / program).exists()


def test_the_pages_have_commands():
    assert sum(len(commands(page)) for page in PAGES) > 60


@pytest.mark.parametrize(
    "words", [("mergefront", "exprt", "a"), ("mergefront", "front", "a", "--wher")]
)
def test_a_wrong_command_is_found(words):
    with pytest.raises(Exception, match=r"exprt|No such option"):
        parse(Command(words))


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("docs")
    make_models(root)
    return root


@pytest.fixture
def here(start, tmp_path, monkeypatch) -> Path:
    shutil.copytree(start, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.stem)
def test_the_files_of_a_how_to_are_right(page, here):
    for file in files(page):
        (here / file.name).write_text(file.text)
        if "objectives:" in file.text:
            assert make_plan(here / file.name).objectives


@pytest.mark.slow
def test_the_tutorial_runs(here):
    """On tiny models, in one process: only the workers are others."""
    for command in commands(ROOT / "docs" / "tutorial.md"):
        if not any(placeholder in command.words for placeholder in ("RUN", "CONFIG")):
            done = CliRunner().invoke(app, command.words[1:])
            assert done.exit_code == 0, f"{command}\n{done.output[-2000:]}"
            if command.words[1] == "init":
                config = here / "my-search.yaml"
                config.write_text(config.read_text().replace("trials: 200", "trials: 8"))
    assert (here / "merged" / "model.safetensors").exists()
    assert (here / "runs" / "my-search" / "report.html").exists()
