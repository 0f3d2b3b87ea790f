"""Every command and every config of the docs is right: they are parsed, checked or run."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import PreTrainedTokenizerFast
from typer.main import get_command
from typer.testing import CliRunner

from search.cli.app import app
from search.config import make_plan
from tests.search.conftest import write_task
from tests.workers.makers import make_adapter, make_model

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
HOW_TO = sorted((ROOT / "docs" / "how-to").glob("*.md"))
COMMANDS = get_command(app).commands
NUMBERS = ("N", "H", "TRIAL")  # what a reader puts a number in place of
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def lines(page: Path) -> Iterator[str]:
    """The commands of a page: of its `sh` blocks, of indented lines, and those within sentences."""
    text = page.read_text()
    for kind, block in FENCED.findall(text):
        if kind in ("sh", "bash"):
            yield from block.splitlines()
    prose = FENCED.sub("", text)
    yield from re.findall(r"^ {4}((?:mergefront|scripts/).*)$", prose, re.MULTILINE)
    yield from (each for each in re.findall(r"`(mergefront [^`]+)`", prose) if is_whole(each))


def is_whole(command: str) -> bool:
    """Whether it is meant to be typed, and not only named: `mergefront init --from`."""
    words = command.split()
    return len(words) > 2 and not words[-1].startswith("-")


def commands(page: Path, *names: str) -> list[list[str]]:
    found = [shlex.split(line, comments=True) for line in lines(page)]
    return [words for words in found if words and words[0] in ("mergefront", *names)]


def parse(words: list[str]) -> None:
    """Fails as the program would on an unknown command or option, or a missing argument."""
    name, *arguments = words[1:]
    if name.startswith("-"):
        assert name in ("--version", "--help", "--install-completion")
        return
    COMMANDS[name].make_context(name, ["1" if each in NUMBERS else each for each in arguments])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_can_be_parsed(page):
    for words in commands(page):
        parse(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_script_of_a_page_is_there(page):
    for words in commands(page):
        assert words[0] == "mergefront" or (ROOT / words[0]).exists()


def test_the_pages_have_commands():
    assert sum(len(commands(page)) for page in PAGES) > 60


@pytest.mark.parametrize(
    "words", [["mergefront", "exprt", "a"], ["mergefront", "front", "a", "--wher"]]
)
def test_a_wrong_command_is_found(words):
    with pytest.raises(Exception, match=r"exprt|No such option"):
        parse(words)


def make_byte_tokenizer(folder: Path) -> None:
    """One token for each byte: what transformers reads for a Qwen2 is byte-level BPE."""
    tokens = ["<s>", "</s>", *sorted(ByteLevel.alphabet())]
    tokenizer = Tokenizer(BPE({token: i for i, token in enumerate(tokens)}, []))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>"
    ).save_pretrained(folder)


def make_models(folder: Path) -> None:
    """What the pages begin with: a base, two fine-tunes, an adapter, and a task for each skill."""
    for seed, name in enumerate(("base", "code", "law")):
        make_model(folder / "models" / name, "qwen2", seed, vocab_size=264)
        make_byte_tokenizer(folder / "models" / name)
    make_adapter(folder / "adapters" / "code", folder / "models" / "base")
    (folder / "tasks").mkdir()
    for step, name in enumerate(("code", "law"), start=5):
        documents = [
            {"q": f"{name} {i * step}", "choices": ["yes", "no"], "gold": i % 2} for i in range(40)
        ]
        write_task(
            folder / "tasks",
            name,
            documents,
            output_type="multiple_choice",
            doc_to_text="{{q}}",
            doc_to_choice="choices",
            doc_to_target="gold",
            metric_list=[{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        )


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


def files(page: Path) -> dict[str, str]:
    """The YAML files of a page, which begin with their names."""
    blocks = [block for kind, block in FENCED.findall(page.read_text()) if kind == "yaml"]
    named = {re.match(r"# (\S+\.yaml)\n", block): block for block in blocks}
    return {found[1]: block for found, block in named.items() if found}


@pytest.mark.parametrize("page", HOW_TO, ids=lambda page: page.stem)
def test_the_files_of_a_how_to_are_right(page, here):
    for name, text in files(page).items():
        (here / name).write_text(text)
        if "objectives:" in text:
            assert make_plan(here / name).objectives
    for words in commands(page):
        if words[1] in ("merge", "doctor") and Path(words[2]).exists():
            done = CliRunner().invoke(app, words[1:])
            assert done.exit_code == 0, done.output


@pytest.mark.slow
def test_the_tutorial_runs(here):
    """On tiny models, in one process: only the workers are others."""
    for words in commands(ROOT / "docs" / "tutorial.md"):
        if not any(placeholder in words for placeholder in ("RUN", "CONFIG")):
            done = CliRunner().invoke(app, words[1:])
            assert done.exit_code == 0, f"{words}\n{done.output[-2000:]}"
            if words[1] == "init":
                config = here / "my-search.yaml"
                config.write_text(config.read_text().replace("trials: 200", "trials: 8"))
    assert (here / "merged" / "model.safetensors").exists()
    assert (here / "runs" / "my-search" / "report.html").exists()
