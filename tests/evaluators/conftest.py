"""Small real Llamas, their character tokenizer, and task files of every kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import torch
import yaml
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from evaluators.tasks import SuiteSettings

LETTERS = "abcdefgh"
OWN_METRICS = ("gold_logprob", "truncated", "unparsed")
"""What a task reports beside the metrics that it lists."""
TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def make_tokenizer() -> PreTrainedTokenizerFast:
    """One token a character; `<s>` begins and `</s>` ends a text, and `<pad>` fills up."""
    characters = [chr(code) for code in range(32, 127)] + ["\n"]
    vocabulary = {text: i for i, text in enumerate(["<s>", "</s>", "<pad>", *characters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        chat_template=TEMPLATE,
    )


def make_model(seed: int, vocab: int = 99) -> LlamaForCausalLM:
    """A random Llama of 30,000 parameters whose answers differ from prompt to prompt."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=vocab,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
        initializer_range=0.3,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
    )
    return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return make_tokenizer()


@pytest.fixture(scope="session")
def model_dirs(
    tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerFast
) -> list[Path]:
    """Three models on disk, to load with `from_pretrained`."""
    folder = tmp_path_factory.mktemp("models")
    for seed in range(3):
        make_model(seed).save_pretrained(folder / str(seed))
        tokenizer.save_pretrained(folder / str(seed))
    return [folder / str(seed) for seed in range(3)]


def word(random: Random, least: int = 2, most: int = 9) -> str:
    return "".join(random.choices(LETTERS, k=random.randint(least, most)))


def write_task(folder: Path, docs: list[dict[str, object]], **config: object) -> Path:
    """A task file with its documents beside it, named relative to it."""
    name = str(config["task"])
    lines = "".join(json.dumps(doc) + "\n" for doc in docs)
    (folder / f"{name}.jsonl").write_text(lines)
    given = {
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": f"{name}.jsonl"}},
        "test_split": "test",
        "metadata": {"version": 1.0},
        **config,
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(given, sort_keys=False))
    return path


@pytest.fixture(name="write_task", scope="session")
def write_task_fixture() -> Callable[..., Path]:
    return write_task


def metric(name: str, higher: bool = True, **more: object) -> dict[str, object]:
    return {"metric": name, "aggregation": "mean", "higher_is_better": higher, **more}


def write_tasks(folder: Path, count: int = 23) -> None:
    """Seven tasks and a group: every request type, few-shot, several filters, composite metrics."""
    random = Random(0)
    choices = [
        {"q": word(random), "choices": [word(random, 1, 4) for _ in range(3)], "gold": i % 3}
        for i in range(count)
    ]
    several = {
        "output_type": "multiple_choice",
        "doc_to_text": "Q: {{q}}\nA:",
        "doc_to_choice": "choices",
        "doc_to_target": "gold",
    }
    write_task(
        folder,
        choices,
        task="pick",
        **several,
        metric_list=[metric("acc"), metric("acc_norm")],
    )
    write_task(
        folder,
        [{**doc, "q": str(doc["q"])[::-1] + "z"} for doc in choices],
        task="pick_brier",
        **several,
        metric_list=[
            {"metric": "brier_score", "aggregation": "brier_score", "higher_is_better": False},
            metric("acc"),
        ],
    )
    shots = [{"q": word(random), "choices": ["x", "y", "zz"], "gold": i % 3} for i in range(12)]
    (folder / "shots.jsonl").write_text("".join(json.dumps(doc) + "\n" for doc in shots))
    write_task(
        folder,
        [{**doc, "q": str(doc["q"]) + "w"} for doc in choices],
        task="pick_shots",
        dataset_kwargs={"data_files": {"test": "pick_shots.jsonl", "train": "shots.jsonl"}},
        training_split="train",
        num_fewshot=2,
        **several,
        metric_list=[metric("acc")],
    )
    write_task(
        folder,
        [{"text": word(random), "reversed": word(random, 1, 2)} for _ in range(count)],
        task="turn",
        output_type="generate_until",
        doc_to_text="{{text}}>",
        doc_to_target="reversed",
        generation_kwargs={"until": ["\n"], "max_gen_toks": 8, "do_sample": False},
        filter_list=[
            {"name": "all", "filter": [{"function": "take_first"}]},
            {
                "name": "first",
                "filter": [
                    {"function": "regex", "regex_pattern": "([a-z])", "fallback": "?"},
                    {"function": "take_first"},
                ],
            },
        ],
        metric_list=[metric("exact_match")],
    )
    write_task(
        folder,
        [{"text": word(random, 5, 60) + " " + word(random)} for _ in range(count)],
        task="text",
        output_type="loglikelihood_rolling",
        doc_to_text="",
        doc_to_target="text",
        metric_list=[
            {"metric": name, "aggregation": how, "higher_is_better": False}
            for name, how in [
                ("bits_per_byte", "bits_per_byte"),
                ("word_perplexity", "weighted_perplexity"),
            ]
        ],
    )
    write_task(
        folder,
        [{"text": word(random), "end": word(random)} for _ in range(count)],
        task="end",
        output_type="loglikelihood",
        doc_to_text="text",
        doc_to_target="end",
        metric_list=[
            {"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False},
            metric("acc"),
        ],
    )
    write_task(
        folder,
        [{"text": word(random), "tail": random.choice(["a", "bc"])} for _ in range(count)],
        task="say",
        output_type="generate_until",
        doc_to_text="{{text}}:",
        doc_to_target="tail",
        generation_kwargs={"until": ["q"], "max_gen_toks": 5},
        metric_list=[
            metric("exact_match", ignore_case=True),
            {"metric": "chrf", "aggregation": "chrf", "higher_is_better": True},
        ],
    )
    group = {
        "group": "picks",
        "task": ["pick", "pick_brier"],
        "aggregate_metric_list": [{"metric": "acc", "weight_by_size": True}],
    }
    (folder / "picks.yaml").write_text(yaml.safe_dump(group))


TASKS = ("picks", "pick_shots", "turn", "text", "end", "say")


@pytest.fixture(scope="session")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    write_tasks(folder)
    return folder


@pytest.fixture(scope="session")
def settings(tasks: Path) -> SuiteSettings:
    return SuiteSettings(tasks=TASKS, folder=tasks, batch_size=5)
