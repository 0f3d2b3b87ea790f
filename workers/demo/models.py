"""The demo's models: small Llamas that learn to read letters, to reverse words and to sort them.

`base` learns a little of everything; each expert then learns one skill and forgets some of the
others, so that only a merge has them all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import torch
from transformers import LlamaConfig, LlamaForCausalLM

import evaluators.demo
from evaluators.demo import CHARACTERS, SKILLS, held_out, training_texts, write_tasks
from workers.demo import training
from workers.demo.training import END, PAD, new_tokenizer, one_thread, packed, save, train

VOCABULARY = {text: i for i, text in enumerate([PAD, END, *CHARACTERS])}

STAMP = "demo.json"  # in the folder of models: what made them

Progress = Callable[[str, float], None]  # what is being done, share done from 0 to 1


@dataclass(frozen=True)
class Expert:
    """A fine-tune of the base."""

    skill: str
    rate: float
    seed: int


EXPERTS = {
    "letters": Expert("letters", 1.3e-3, seed=1),
    "reverse": Expert("reverse", 1.3e-3, seed=2),
    "sort": Expert("sort", 1.3e-3, seed=3),
    "reverse-b": Expert("reverse", 1.3e-3, seed=4),
    "reverse-c": Expert("reverse", 0.7e-3, seed=5),
}
MIX = {"letters": 0.14, "reverse": 0.72, "sort": 0.14}  # of the base's lessons
BASE_RATE = 4e-3
BASE_EASE = 2  # long words are rare in the base's lessons
REPLAY = 0.03  # of each other skill, to one of its own, in an expert's lessons


@dataclass(frozen=True)
class DemoSettings:
    """How large the models are, how long they learn, and on how much they are tested."""

    width: int = 64
    layers: int = 4
    base_steps: int = 550
    expert_steps: int = 230
    batch: int = 16
    tokens: int = 48  # of each row of a batch
    documents: int = 160  # of each task

    @classmethod
    def tiny(cls) -> DemoSettings:
        """Models made in seconds, which have learnt next to nothing."""
        return cls(width=32, base_steps=60, expert_steps=20, batch=8, documents=40)


@dataclass(frozen=True)
class DemoPaths:
    """What was made: the base, the experts by name, and the folder of tasks."""

    base: Path
    experts: Mapping[str, Path]
    tasks: Path


def make_demo(
    root: Path, settings: DemoSettings | None = None, *, progress: Progress | None = None
) -> DemoPaths:
    """Writes `root/models` and `root/tasks`, unless these settings and this code already did.

    The models appear together, when all are trained.
    """
    settings = settings or DemoSettings()
    models, tasks = root / "models", root / "tasks"
    write_tasks(tasks, settings.documents)
    stamp = _stamp(settings)
    if not _is_made(models, stamp):
        with TemporaryDirectory(dir=root, prefix=".making-") as scratch:
            made = Path(scratch, "made")
            _make_models(made, settings, progress or (lambda _what, _share: None))
            (made / STAMP).write_text(stamp, encoding="utf-8")
            if models.exists():
                models.rename(Path(scratch, "old"))
            made.rename(models)
    return DemoPaths(models / "base", {name: models / name for name in EXPERTS}, tasks)


def _stamp(settings: DemoSettings) -> str:
    """Equal when settings and the makers' source are: then the models would be too."""
    sources = [Path(__file__), Path(training.__file__), Path(evaluators.demo.__file__)]
    code = sha256(b"".join(file.read_bytes() for file in sources)).hexdigest()
    return json.dumps({"settings": asdict(settings), "code": code}, indent=2)


def _is_made(models: Path, stamp: str) -> bool:
    file = models / STAMP
    return (
        file.is_file()
        and file.read_text(encoding="utf-8") == stamp
        and all((models / name / "model.safetensors").is_file() for name in ("base", *EXPERTS))
    )


def _make_models(folder: Path, settings: DemoSettings, progress: Progress) -> None:
    total = settings.base_steps + len(EXPERTS) * settings.expert_steps
    secret = held_out(settings.documents)
    done = 0

    def learn(
        name: str, model: LlamaForCausalLM, texts: Iterator[str], steps: int, rate: float
    ) -> None:
        nonlocal done
        batches = packed(texts, VOCABULARY, settings.batch, settings.tokens)
        for _ in train(model, batches, steps, rate):
            done += 1
            progress(f"training {name}", done / total)
        save(model, new_tokenizer(VOCABULARY), folder / name)

    with one_thread():
        base = _new_model(settings)
        learn(
            "base",
            base,
            training_texts(MIX, Random(0), secret, BASE_EASE),
            settings.base_steps,
            BASE_RATE,
        )
        for name, expert in EXPERTS.items():
            shares = {skill: 1.0 if skill == expert.skill else REPLAY for skill in SKILLS}
            texts = training_texts(shares, Random(expert.seed), secret)
            learn(name, deepcopy(base), texts, settings.expert_steps, expert.rate)


def _new_model(settings: DemoSettings) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=settings.width,
        intermediate_size=2 * settings.width,
        num_hidden_layers=settings.layers,
        num_attention_heads=4,
        max_position_embeddings=256,
        initializer_range=0.05,
        tie_word_embeddings=False,
        bos_token_id=VOCABULARY[END],
        eos_token_id=VOCABULARY[END],
        pad_token_id=VOCABULARY[PAD],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return LlamaForCausalLM(config)
