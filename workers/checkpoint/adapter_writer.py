"""Writes a sum of LoRA adapters as one adapter, exactly: ranks are put side by side.

With s·B·A the update of each adapter, Σ cⱼ·sⱼ·Bⱼ·Aⱼ = [c₁s₁B₁ c₂s₂B₂ …]·[A₁; A₂; …]: the rank is
the sum of the ranks. Factors are in B, so that the written adapter has s = 1.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from workers.checkpoint.adapter import LORA_A, LORA_B, PREFIX, Adapter, open_adapter
from workers.checkpoint.atomic_directory import atomic_directory
from workers.checkpoint.checkpoint import Checkpoint, read_tensor
from workers.checkpoint.file_writer import only_finite, write_file
from workers.checkpoint.headers import TensorInfo
from workers.checkpoint.location import ADAPTER, ADAPTER_CONFIG
from workers.checkpoint.writer import copy_tokenizer_files, write_manifest

DTYPE = "float32"
WEIGHT = ".weight"


@dataclass(frozen=True)
class Term:
    """One adapter's update of a tensor, times a factor."""

    adapter: Adapter
    factor: float

    def rank(self, target: str) -> int:
        """Of its update of a tensor."""
        return self.adapter.tensors[self.adapter.targets[target][LORA_A]].shape[0]

    def factors(self, target: str) -> tuple[torch.Tensor, torch.Tensor]:
        """A, (rank, inputs), and B with all factors in it, (outputs, rank)."""
        parts = self.adapter.targets[target]
        a, b = (read_tensor(self.adapter.file, parts[part]).float() for part in (LORA_A, LORA_B))
        return a, b * (self.factor * self.adapter.scale_of(target.removesuffix(WEIGHT)))


Updates = Mapping[str, Sequence[Term]]
"""Tensor that is changed, as adapters name it -> the sum of its updates, at least one."""


def write_adapter(
    out: Path,
    updates: Updates,
    *,
    like: Checkpoint,
    base: str,
    revision: str | None,
    files: Mapping[str, str],
    force: bool,
) -> None:
    """Writes a directory that peft loads.

    Args:
        out: the directory to make; it appears complete or not at all.
        updates: what it changes; their adapters are plain but for ranks and alphas by module.
        like: the model that it is for; the directory has its tokenizer.
        base: the name of that model.
        revision: of that model.
        files: additional text files by name.
        force: replace `out` if it exists.

    Raises:
        ValueError: if `out` exists without `force`, or a factor makes a value infinite.
        OSError: if writing fails.
    """
    plan = dict(_plan(out / ADAPTER, updates))
    nbytes = sum(info.nbytes for info in plan.values())
    with atomic_directory(out, nbytes=nbytes, force=force) as folder:
        digest = write_file(folder / ADAPTER, plan, only_finite(_tensors(updates)))
        copy_tokenizer_files(like.tokenizer_path, folder)
        config = {**_config(updates, like), "base_model_name_or_path": base, "revision": revision}
        for name, text in {**files, ADAPTER_CONFIG: json.dumps(config, indent=2) + "\n"}.items():
            (folder / name).write_text(text, encoding="utf-8")
        open_adapter(str(folder))  # reads ranks and config back
        write_manifest(folder, {ADAPTER: digest})


def _plan(file: Path, updates: Updates) -> Iterator[tuple[str, TensorInfo]]:
    for target, terms in updates.items():
        rank = sum(term.rank(target) for term in terms)
        first = terms[0].adapter
        inputs, outputs = (
            first.tensors[first.targets[target][part]].shape[i]
            for part, i in ((LORA_A, 1), (LORA_B, 0))
        )
        yield _key(target, LORA_A), TensorInfo(DTYPE, (rank, inputs), file)
        yield _key(target, LORA_B), TensorInfo(DTYPE, (outputs, rank), file)


def _tensors(updates: Updates) -> Iterator[tuple[str, torch.Tensor]]:
    for target, terms in updates.items():
        pairs = [term.factors(target) for term in terms]
        yield _key(target, LORA_A), torch.cat([a for a, _ in pairs])
        yield _key(target, LORA_B), torch.cat([b for _, b in pairs], dim=1)


def _key(target: str, part: str) -> str:
    return f"{PREFIX}{target.removesuffix(WEIGHT)}.{part}"


def _config(updates: Updates, like: Checkpoint) -> dict[str, Any]:
    """That of peft; the most common rank is the default, other modules are named with theirs."""
    ranks = {
        target.removesuffix(WEIGHT): sum(term.rank(target) for term in terms)
        for target, terms in updates.items()
    }
    rank = Counter(ranks.values()).most_common(1)[0][0]
    others = {module: each for module, each in ranks.items() if each != rank}
    configs = [term.adapter.config for terms in updates.values() for term in terms]
    task_types = {config.get("task_type") for config in configs}
    return {
        "peft_type": "LORA",
        "task_type": task_types.pop() if len(task_types) == 1 else "CAUSAL_LM",
        "inference_mode": True,
        "r": rank,
        "lora_alpha": rank,
        "rank_pattern": others,
        "alpha_pattern": others,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": _modules(list(ranks), like),
        "fan_in_fan_out": bool(configs[0].get("fan_in_fan_out")),
        "init_lora_weights": True,
    }


def _modules(changed: Sequence[str], like: Checkpoint) -> list[str]:
    """Short names of modules of which all are changed, whole names of the others."""
    names = (name.removesuffix(WEIGHT) for name in (*like.tensors, *like.towers))
    in_model = Counter(name.split(".")[-1] for name in names)
    found = Counter(module.split(".")[-1] for module in changed)
    whole = {name for name, count in found.items() if count == in_model[name]}
    rest = [module for module in changed if module.split(".")[-1] not in whole]
    return [*sorted(whole), *rest]
