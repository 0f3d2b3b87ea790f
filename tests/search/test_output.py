"""Where output goes: nothing tears a live view, programs and quiet people get only results."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from evaluators.steps import begin_step
from search.cli import results as results_commands
from search.cli.app import app
from search.cli.errors import input_errors
from search.cli.log_format import set_up_logging
from search.cli.output import messages, set_quiet
from search.cli.progress import ProgressDisplay
from search.config import make_plan
from search.ledger import Ledger, Proposal, Trial
from tests.search.conftest import begin_scored
from tests.search.test_live_view import make_progress

HEAVY = ("torch", "transformers", "ray", "lm_eval", "optuna", "pyarrow", "numpy")
ROOT = Path(__file__).parent.parent.parent


class Terminal:
    """A pseudo-terminal, and what a person would see on it."""

    def __init__(self) -> None:
        self._master, slave = os.openpty()
        self.file = os.fdopen(slave, "w", encoding="utf-8")
        self._read = b""
        self._thread = threading.Thread(target=self._receive)
        self._thread.start()

    def _receive(self) -> None:
        try:
            while data := os.read(self._master, 65536):
                self._read += data
        except OSError:  # closed at the other end
            pass

    def end(self) -> str:
        """All that was written."""
        self.file.close()
        self._thread.join()
        os.close(self._master)
        return self._read.decode()


def screen(text: str) -> list[str]:
    """The lines on an endless terminal; a control sequence that is not known here is an error."""
    lines, row, column = [""], 0, 0
    for piece in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", text):
        if piece == "\r":
            column = 0
        elif piece == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif piece == "\x1b[2K":
            lines[row] = ""
        elif up := re.fullmatch(r"\x1b\[(\d+)A", piece):
            row -= int(up[1])
        elif piece.startswith("\x1b"):
            assert piece in ("\x1b[?25l", "\x1b[?25h") or piece.endswith("m"), repr(piece)
        else:
            before = lines[row].ljust(column)
            lines[row] = before[:column] + piece + before[column + len(piece) :]
            column += len(piece)
    return lines


@pytest.fixture
def make_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Terminal]]:
    """Makes standard error a terminal of 100 columns."""

    def make() -> Terminal:
        terminal = Terminal()
        for name, value in {"COLUMNS": "100", "LINES": "40", "TERM": "xterm"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "stderr", terminal.file)  # pytest sets it anew for each phase
        set_quiet(False)
        return terminal

    yield make
    monkeypatch.undo()
    set_quiet(False)
    set_up_logging("text")


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    return lambda *arguments: CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.fixture
def finished(write, config) -> Ledger:
    """A run whose baselines are scored, written by the ledger alone."""
    return begin_scored(make_plan(write(config)), texts=(3.0, 3.0, 3.0, 3.0, 2.0))


def test_log_lines_and_stray_prints_appear_above_the_live_view_and_never_in_it(make_terminal):
    terminal = make_terminal()
    set_up_logging("text")
    display, long = ProgressDisplay(messages(), "runs/skills"), "perplexity is high " * 12
    with display.shown():
        for i in range(5):
            display.show(make_progress(3, clock=285.0 + i))
            logging.getLogger("search.driver").warning("trial %d broken  %s", i, long)
            print(f"a library says {i}", file=sys.stderr)
            time.sleep(0.3)  # the view is renewed between them
    lines = screen(terminal.end())
    logged = [line for line in lines if long.strip() in line]
    assert [re.search(r"trial \d broken", line)[0] for line in logged] == [
        f"trial {i} broken" for i in range(5)
    ]
    assert [line for line in lines if "library" in line] == [
        f"a library says {i}" for i in range(5)
    ]
    views = [i for i, line in enumerate(lines) if line.startswith("skills: running")]
    assert len(views) == 1
    assert views[0] > max(lines.index(line) for line in logged)
    view = "\n".join(lines[views[0] :])
    for part in ("32 scored", "by knee", "← knee", "uniform soup"):
        assert view.count(part) == 1


def test_a_step_is_replaced_by_the_next_one_and_leaves_nothing_behind(make_terminal):
    terminal = make_terminal()
    with input_errors():
        begin_step("loading the tasks")
        time.sleep(0.3)
        begin_step("starting Ray")
        logging.getLogger("search").warning("no GPU")
        time.sleep(0.3)
    text = terminal.end()
    assert "loading the tasks" in text
    assert "starting Ray" in text
    shown = [line for line in screen(text) if line]
    assert len(shown) == 1
    assert shown[0].endswith("warning: no GPU")


def test_steps_are_shown_before_the_live_view_and_after_it(make_terminal):
    terminal = make_terminal()
    with input_errors():
        begin_step("checking config.yaml")
        display = ProgressDisplay(messages(), "runs/skills", front_follows=True)
        with display.shown():
            begin_step("starting Ray")
            time.sleep(0.3)
            display.show(make_progress(1))
            begin_step("the view says it by itself")
        begin_step("merging")
        time.sleep(0.3)
    text = terminal.end()
    order = ["checking config.yaml", "starting Ray", "skills: running", "merging"]
    assert sorted(order, key=text.index) == order
    lines = [line for line in screen(text) if line]
    assert lines[0].startswith("skills: running")
    assert lines[-1].startswith("         memory")  # the front follows as a result


def test_every_slow_command_says_what_it_does_before_anything_heavy_is_imported():
    code = f"""
import sys
from typer.testing import CliRunner
from evaluators import steps
from search.cli.app import app

def stop(what):
    raise SystemExit(f"{{what}}|{{[m for m in {HEAVY} if m in sys.modules]}}")

steps.STEPS.info = lambda _, what: stop(what)
for line in sys.argv[1:]:
    print(CliRunner().invoke(app, line.split()).exception)
"""
    lines = [
        "search c.yaml",
        "resume run",
        "doctor c.yaml",
        "verdict run",
        "export run out",
        "merge r.yaml out",
        "report run",
        "init a b --tasks x",
        "demo folder",
        "status run --follow",
    ]
    done = subprocess.run(
        [sys.executable, "-c", code, *lines], capture_output=True, text=True, cwd=ROOT, check=True
    )
    said = done.stdout.splitlines()
    assert [line.partition("|")[2] for line in said] == ["[]"] * len(lines)
    assert said[0] == "checking c.yaml|[]"


def test_steps_are_plain_lines_on_standard_error_without_a_terminal(run, write, config):
    done = run("doctor", write(config), "--json")
    steps = [line for line in done.stderr.splitlines() if line.endswith(" ...")]
    assert [step.partition("/")[0] for step in steps[:8]] == [
        "checking ",
        "reading the models ...",
        *(f"reading model {number} of 4 ..." for number in (1, 2, 3, 4)),
        "comparing the models ...",
        "loading the tasks ...",
    ]
    assert json.loads(done.stdout)["errors"] == []


def test_quiet_prints_nothing_but_the_result_and_errors(run, write, config, finished, tmp_path):
    for arguments in (
        ["doctor", write(config)],
        ["front", finished.root, "--importance"],
        ["resume", finished.root, "--trials", "5"],
    ):
        loud, quiet = run(*arguments), run(*arguments, "--quiet")
        assert loud.stderr
        assert (quiet.exit_code, quiet.stderr, quiet.stdout) == (0, "", loud.stdout)
    wrong = run("status", tmp_path, "-q")
    assert wrong.exit_code == 2
    assert "is not a run" in wrong.stderr


def test_a_search_as_json_prints_the_contract_of_the_front(run, finished):
    done = run("resume", finished.root, "--trials", "5", "--json")
    assert done.stdout == run("front", finished.root, "--json").stdout
    assert json.loads(done.stdout)["version"] == 1


@pytest.mark.parametrize("is_help", [False, True])
def test_no_color_means_no_escape_codes_on_a_terminal(finished, is_help):
    for no_color, is_plain in (("1", True), ("", False)):
        terminal = Terminal()
        environment = {**os.environ, "TERM": "xterm-256color", "NO_COLOR": no_color}
        command = [sys.executable, "-m", "search", "front", "--help" if is_help else finished.root]
        subprocess.run(command, stdout=terminal.file, env=environment, cwd=ROOT, check=True)
        text = terminal.end()
        assert ("╭" if is_help else "┃") in text
        assert ("\x1b" not in text) == is_plain


@pytest.mark.parametrize("as_json", [False, True])
def test_follow_ends_when_the_run_ends(run, finished, monkeypatch, as_json):
    monkeypatch.setattr(results_commands, "FOLLOW_INTERVAL", 0.05)
    monkeypatch.setattr("search.cli.progress.PLAIN_INTERVAL", 0.0)
    inside = threading.Event()

    def drive() -> None:
        ledger = Ledger(finished.root)
        with ledger.driving() as lease:
            states = [{"name": "host:1", "stage": "busy", "trial": 5, "seconds": 1.0}]
            lease.report({"running": [5], "workers": 1, "busy": 1, "starting": 0, "states": states})
            lease._renew()
            inside.set()
            time.sleep(0.5)
            first = ledger.trials()[0].proposal
            proposal = Proposal.create(5, first.recipe)
            ledger.propose(proposal)
            ledger.finish(Trial(proposal, "scored", 5, {"picks": 0.9, "text": 1.0}))
            time.sleep(0.5)

    driver = threading.Thread(target=drive)
    driver.start()
    assert inside.wait(10)
    done = run("status", finished.root, "--follow", *(["--json"] if as_json else []))
    driver.join()
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    if as_json:
        states = [json.loads(line)["state"] for line in lines]
        assert (states[0], states[-1]) == ("running", "stopped")
    else:
        assert lines[0].startswith("5/12 trials · 1 running · front 1")
        assert lines[-1].startswith("6/12 trials · 0 running · front 1")
        assert "(trial 5)" in lines[-1]


def complete(words: str) -> list[str]:
    """What the shell is offered after these words."""
    code = "import sys; sys.argv[0] = 'mergefront'; from search.cli import main; main()"
    environment = {
        **os.environ,
        "_MERGEFRONT_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT, check=False
    )
    return done.stdout.split()


def test_a_shell_completes_commands_and_options_and_leaves_files_to_itself():
    assert complete("mergefront rep") == ["report"]
    assert "--quiet" in complete("mergefront front --")
    assert complete("mergefront search --log-format ") == ["text", "json"]
    assert complete("mergefront status run") == []  # then the shell completes files
