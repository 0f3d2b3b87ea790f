"""Makes the models and the tasks of a live family, once, in a folder of its own."""

from __future__ import annotations

import time
from copy import deepcopy
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import torch
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    PretrainedConfig,
    PreTrainedModel,
    Qwen2Config,
)

from evaluators.demo import Row, write_task
from scripts.live import skills
from scripts.live.family import Family, Kind, Training
from workers.demo import END, PAD, new_tokenizer, one_thread, packed, save, train

BASE = "base"
BATCH = 1024  # tokens of a training batch
HEADS = 4
POSITIONS = 128
VOCABULARY = {text: i for i, text in enumerate([PAD, END, *skills.CHARACTERS])}

TASKS: dict[Kind, Row] = {
    "rolling": {
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "text",
        "metric_list": [
            {"metric": "bits_per_byte", "aggregation": "bits_per_byte", "higher_is_better": False}
        ],
    },
    "generate": {
        "output_type": "generate_until",
        "doc_to_text": "prompt",
        "doc_to_target": "answer",
        "generation_kwargs": {
            "until": ["\n"],
            "max_gen_toks": skills.LONGEST + 1,
            "do_sample": False,
        },
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    },
    "choice": {
        "output_type": "multiple_choice",
        "doc_to_text": "prompt",
        "doc_to_choice": "choices",
        "doc_to_target": "gold",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    },
}


def made(family: Family, cache: Path) -> Path:
    """The family's folder with `models`, `tasks` and scores; it is made unless it is there."""
    folder = cache / f"{family.name}-{family.digest}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        with TemporaryDirectory(dir=cache, prefix=".making-") as scratch:
            part = Path(scratch, "made")
            _train_models(family, part / "models")
            part.rename(folder)
        print(f"{family.name}: models made in {time.monotonic() - start:.0f} s", flush=True)
    _write_tasks(family, folder / "tasks")
    return folder


def _write_tasks(family: Family, folder: Path) -> None:
    for task in family.tasks:
        write_task(folder, task.skill, TASKS[task.kind], family.documents[task.skill])


def _train_models(family: Family, folder: Path) -> None:
    secret = skills.held_out([row for rows in family.documents.values() for row in rows])
    tokens = family.row_tokens
    with one_thread():
        base = _learnt(_new_model(family), family.base, tokens, secret, folder / BASE)
        for name, training in family.models.items():
            _learnt(deepcopy(base), training, tokens, secret, folder / name)


def _learnt(
    model: PreTrainedModel, training: Training, tokens: int, secret: frozenset[str], folder: Path
) -> PreTrainedModel:
    texts = skills.training_texts(training.shares, Random(training.seed), secret)
    batches = packed(texts, VOCABULARY, BATCH // tokens, tokens)
    for _ in train(model, batches, training.steps, training.rate):
        pass
    save(model, new_tokenizer(VOCABULARY), folder)
    return model


def _new_model(family: Family) -> PreTrainedModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(_config(family))


def _config(family: Family) -> PretrainedConfig:
    tokens = {
        "vocab_size": len(VOCABULARY),
        "initializer_range": 0.05,
        "bos_token_id": VOCABULARY[END],
        "eos_token_id": VOCABULARY[END],
        "pad_token_id": VOCABULARY[PAD],
    }
    if family.architecture == "gpt2":
        return GPT2Config(
            n_embd=family.width,
            n_layer=family.layers,
            n_head=HEADS,
            n_positions=POSITIONS,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            **tokens,
        )
    config = LlamaConfig if family.architecture == "llama" else Qwen2Config
    return config(
        hidden_size=family.width,
        intermediate_size=2 * family.width,
        num_hidden_layers=family.layers,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS if family.architecture == "llama" else HEADS // 2,
        max_position_embeddings=POSITIONS,
        tie_word_embeddings=family.architecture == "qwen2",
        **tokens,
    )
