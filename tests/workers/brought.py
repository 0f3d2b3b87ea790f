"""What people bring: a recipe of small real models for each row of the table in docs/models.md."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch

from tests.workers.makers import WORDS, make_adapter, make_model, make_tokenizer, tensors
from workers.recipe import Group, Recipe, Source

HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"
ROTARY = [f"model.layers.{i}.self_attn.rotary_emb.inv_freq" for i in range(2)]
EXPERT = "model.layers.1.block_sparse_moe.experts.3.w1.weight"
MORE = [*WORDS, *(f"x{i}" for i in range(8)), "<|im_start|>", "<|im_end|>"]
"""50 tokens; a base has 48 rows."""
Change = Callable[[Path], object]


def ties(base: Path | Source, model: Path | Source, tokenizer: str | None = None) -> Recipe:
    sources = [each if isinstance(each, Source) else Source(str(each)) for each in (base, model)]
    group = Group({"weight": 0.6, "density": 0.5})
    return Recipe("ties", {"model": sources[1]}, (group,), sources[0], tokenizer=tokenizer)


def pair(
    architecture: str = "llama", merge: Literal["all"] | None = None, **changes: Any
) -> Callable[[Path], Recipe]:
    """A base and a fine-tune of it; changes are of both."""

    def make(folder: Path) -> Recipe:
        made = (
            make_model(folder / name, architecture, seed=i, **changes)
            for i, name in enumerate(("base", "model"))
        )
        return ties(*(Source(str(each), merge=merge) for each in made))

    return make


def other(tokenizer: str | None = None, **changes: Any) -> Callable[[Path], Recipe]:
    """A base, and a model that is made with changes."""

    def make(folder: Path) -> Recipe:
        base, model = folder / "base", folder / "model"
        return ties(make_model(base), make_model(model, seed=1, **changes), tokenizer)

    return make


def edited(who: str, change: Change, **changes: Any) -> Callable[[Path], Recipe]:
    """A base and a fine-tune of it, of which one has files that were changed."""

    def make(folder: Path) -> Recipe:
        recipe = pair(**changes)(folder)
        change(folder / who)
        return recipe

    return make


def adapted(
    rows: int | None = None, tied: bool = False, **changes: Any
) -> Callable[[Path], Recipe]:
    """A base, and an adapter of it that was trained with that many vocabulary rows."""

    def make(folder: Path) -> Recipe:
        base = make_model(folder / "base", tie_word_embeddings=tied)
        adapter = make_adapter(folder / "adapter", base, rows=rows, **changes)
        if rows:
            make_tokenizer(adapter, MORE)
        model = Source(str(base), adapter=str(adapter))
        return ties(base, model, "union" if rows else None)

    return make


def stacks(folder: Path) -> Recipe:
    models = (make_model(folder / name, seed=i) for i, name in enumerate(("base", "model")))
    return ties(*(Source(str(each), layers=((0, 2), (1, 2))) for each in models))


def config(**changes: Any) -> Change:
    def apply(folder: Path) -> None:
        file = folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return apply


def no_tokenizer(folder: Path) -> None:
    for file in folder.glob("tokenizer*"):
        file.unlink()


CASES: dict[str, Callable[[Path], Recipe]] = {
    "a fine-tune of the base": pair(),
    "a mixture of experts (Mixtral)": pair("mixtral"),
    "a multi-part model (Gemma 3 with its vision tower)": pair("gemma3"),
    "a multi-part model, `merge: all`": pair("gemma3", merge="all"),
    "tensors that transformers renames (GPT-NeoX)": pair("gpt_neox"),
    "tensors that transformers rearranges when it loads them (HRM-Text)": pair("hrm_text"),
    "tensors that transformers ignores": edited(
        "base", tensors(lambda t: t.update({name: torch.rand(2) for name in ROTARY}))
    ),
    "a tied head that is stored all the same": edited(
        "model",
        tensors(lambda t: t.update({HEAD: t[EMBEDDING].clone()})),
        tie_word_embeddings=True,
    ),
    "a base with a head, a model with a tied one": other(tie_word_embeddings=True),
    "another number of padding rows": other(vocab_size=44),
    "added tokens": other(vocab_size=50, words=MORE),
    "added tokens, `tokenizer: union`": other("union", vocab_size=50, words=MORE),
    "a LoRA adapter": adapted(),
    "a LoRA adapter on the head of a tied model": adapted(tied=True, target_modules=["lm_head"]),
    "a LoRA adapter trained with added tokens, `tokenizer: union`": adapted(
        50, modules_to_save=["embed_tokens", "lm_head"]
    ),
    "layers 0, 1, 1 of each (`layers: [[0, 2], [1, 2]]`)": stacks,
    "a base without tokenizer files": edited("base", no_tokenizer),
    "a model of another shape": other(intermediate_size=20),
    "a model that lacks a part of an expert": edited(
        "model", tensors(lambda t: t.pop(EXPERT)), architecture="mixtral"
    ),
    "a tensor that the architecture does not have": edited(
        "model", tensors(lambda t: t.update({"model.extra.weight": torch.zeros(2)}))
    ),
    "a quantised model": edited("model", config(quantization_config={"bits": 4})),
    "a model with its own code": edited("model", config(auto_map={"AutoConfig": "x.Y"})),
}
