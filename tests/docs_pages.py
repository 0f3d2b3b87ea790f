"""The pages of the docs as a reader follows them: files to write and commands to type, in order."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import PreTrainedTokenizerFast

from tests.search.conftest import write_task
from tests.workers.makers import make_adapter, make_model

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
HOW_TO = sorted((ROOT / "docs" / "how-to").glob("*.md"))

_BLOCK = r"^```(?P<kind>\w*)\n(?P<block>.*?)^```"
_INDENTED = r"^ {4}(?P<indented>(?:mergefront|scripts/)[^\n]*)$"
_IN_A_SENTENCE = r"`(?P<inline>mergefront [^`]+)`"
_STEP = re.compile(f"{_BLOCK}|{_INDENTED}|{_IN_A_SENTENCE}", re.DOTALL | re.MULTILINE)
_NAME = re.compile(r"# ([\w./-]+\.yaml)\b")


@dataclass(frozen=True)
class File:
    """A YAML file that a page shows; its first line has its name."""

    name: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command as a shell reads it."""

    words: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(self.words)


def steps(page: Path) -> Iterator[File | Command]:
    """The files and commands of a page: of its blocks, of indented lines, and within sentences."""
    for found in _STEP.finditer(page.read_text()):
        if found["kind"] == "yaml" and (name := _NAME.match(found["block"])):
            yield File(name[1], found["block"])
        elif found["kind"] in ("sh", "bash"):
            yield from _commands(found["block"])
        elif found["indented"]:
            yield from _commands(found["indented"])
        elif found["inline"]:
            yield from filter(_is_whole, _commands(" ".join(found["inline"].split())))


def commands(page: Path) -> list[Command]:
    """The commands of a page."""
    return [each for each in steps(page) if isinstance(each, Command)]


def files(page: Path) -> list[File]:
    """The files of a page."""
    return [each for each in steps(page) if isinstance(each, File)]


def _commands(lines: str) -> list[Command]:
    words = [tuple(shlex.split(line, comments=True)) for line in lines.splitlines()]
    return [Command(each) for each in words if each]


def _is_whole(command: Command) -> bool:
    """Whether it is meant to be typed, and not only named: `mergefront init --from`."""
    return len(command.words) > 2 and not command.words[-1].startswith("-")


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
        model = make_model(folder / "models" / name, "qwen2", seed, vocab_size=264)
        make_byte_tokenizer(model)
        if name != "base":
            (model / "README.md").write_text("---\nbase_model: models/base\n---\n# A fine-tune\n")
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
