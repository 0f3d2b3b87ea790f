"""LoRA adapters on disk: their headers and settings, checked against each other."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from workers.checkpoint.headers import TensorInfo, read_header, read_json
from workers.checkpoint.location import ADAPTER, ADAPTER_CONFIG, adapter_folder

PREFIX = "base_model.model."
LORA_A, LORA_B = "lora_A.weight", "lora_B.weight"
EMBEDDING_A, EMBEDDING_B = "lora_embedding_A", "lora_embedding_B"
_RANK = {LORA_A: 0, LORA_B: 1, EMBEDDING_A: 0, EMBEDDING_B: 1}
"""Parts of a low-rank update, and the dimension that is its rank."""
_PARTNER = {LORA_A: LORA_B, LORA_B: LORA_A, EMBEDDING_A: EMBEDDING_B, EMBEDDING_B: EMBEDDING_A}
_PART = re.compile(r"\.(?=lora_|(?:base_layer|token_adapter|modules_to_save|original_module)\.)")
_NEUTRAL = {  # settings that a plain LoRA merge reads or may ignore
    "alora_invocation_tokens",
    "auto_mapping",
    "base_model_name_or_path",
    "eva_config",
    "exclude_modules",
    "inference_mode",
    "init_lora_weights",
    "layers_pattern",
    "layers_to_transform",
    "loftq_config",
    "lora_alpha",
    "lora_dropout",
    "megatron_core",
    "megatron_config",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "r",
    "revision",
    "target_modules",
    "task_type",
    "use_rslora",
}


@dataclass(frozen=True)
class Adapter:
    """The directory of a LoRA adapter."""

    path: Path
    config: Mapping[str, Any]
    tensors: Mapping[str, TensorInfo]

    @property
    def file(self) -> Path:
        """The file of its tensors."""
        return self.path / ADAPTER

    @property
    def is_plain(self) -> bool:
        """Whether it only adds s·B·A to weight matrices W, with one s."""
        return not self.special_settings and self.has_only_products

    @property
    def special_settings(self) -> list[str]:
        """The keys of its config by which it does more than to add s·B·A."""
        keys = [k for k, v in self.config.items() if v and k not in _NEUTRAL and v != "none"]
        init = self.config.get("init_lora_weights", True)
        return (
            keys if isinstance(init, bool) or init == "gaussian" else [*keys, "init_lora_weights"]
        )

    @property
    def has_only_products(self) -> bool:
        """Whether all its tensors are the A and B of weight matrices."""
        return {part for parts in self.targets.values() for part in parts} <= {LORA_A, LORA_B}

    @property
    def scale(self) -> float:
        """The factor s of B·A, unless it differs between modules."""
        return self.scale_of("")

    def scale_of(self, module: str) -> float:
        """The factor s of a module's B·A: alpha / r, or alpha / √r for rsLoRA."""
        alpha, rank = self.setting_of(module, "lora_alpha"), self.setting_of(module, "r")
        return float(alpha / math.sqrt(rank) if self.config.get("use_rslora") else alpha / rank)

    def setting_of(self, module: str, key: Literal["r", "lora_alpha"]) -> Any:
        """Rank or alpha of a module; some may have their own."""
        patterns = self.config.get("rank_pattern" if key == "r" else "alpha_pattern") or {}
        matching = (v for each, v in patterns.items() if re.match(rf"(.*\.)?({each})$", module))
        return next(matching, self.config[key])

    @cached_property
    def targets(self) -> Mapping[str, Mapping[str, str]]:
        """Tensor that is changed, as the adapter names it -> part of the change -> stored name.

        Parts are `lora_A.weight`, `token_adapter.trainable_tokens_delta`, a saved `weight`, ...
        """
        found: dict[str, dict[str, str]] = {}
        for key in self.tensors:
            module, part = _module_and_part(key.removeprefix(PREFIX))
            leaf = "bias" if part.endswith("bias") else "weight"
            found.setdefault(f"{module}.{leaf}", {})[part] = key
        return found

    @cached_property
    def fingerprint(self) -> bytes:
        """Digest of its files."""
        digest = hashlib.blake2b(digest_size=16)
        for name in (ADAPTER, ADAPTER_CONFIG):
            digest.update((self.path / name).read_bytes())
        return digest.digest()

    @property
    def trained_on(self) -> str:
        """The model that it was trained on, as its config names it; empty if it does not."""
        return str(self.config.get("base_model_name_or_path") or "")

    def was_trained_on(self, model: Path) -> bool:
        """Whether its config names this model directory, or this model of the hub's cache."""
        cached = "models--" + self.trained_on.replace("/", "--") in model.parts
        return Path(self.trained_on).name == model.name or cached


def open_adapter(location: str) -> Adapter:
    """Opens an adapter by its header.

    Raises:
        ValueError: if it does not exist, is damaged, is not LoRA, or its weights and its config
            do not belong together.
    """
    path = adapter_folder(location)
    if not (path / ADAPTER_CONFIG).is_file():
        raise ValueError(f"{path}: no {ADAPTER_CONFIG}; is this a LoRA adapter?")
    if not (path / ADAPTER).is_file() and (path / "adapter_model.bin").is_file():
        raise ValueError(
            f"{path / 'adapter_model.bin'}: pickled weights are not read; load the adapter with "
            "peft and call save_pretrained(), which writes safetensors"
        )
    adapter = Adapter(path, read_json(path / ADAPTER_CONFIG), read_header(path / ADAPTER))
    _check_config(path / ADAPTER_CONFIG, adapter.config)
    for target, parts in adapter.targets.items():
        _check_ranks(adapter, target.rpartition(".")[0], parts)
    return adapter


def _check_config(file: Path, config: Mapping[str, Any]) -> None:
    if config.get("peft_type") != "LORA":
        raise ValueError(
            f"{file}: peft_type is {config.get('peft_type')!r}; only LORA can be merged into a "
            "model's weights"
        )
    missing = [key for key in ("r", "lora_alpha") if not config.get(key)]
    if missing:
        raise ValueError(f"{file}: {missing[0]} is missing")
    if config.get("target_parameters"):
        raise ValueError(f"{file}: target_parameters (experts) cannot be merged")


def _check_ranks(adapter: Adapter, module: str, parts: Mapping[str, str]) -> None:
    """Checks that a low-rank update is complete and has the rank that the config says."""
    rank = adapter.setting_of(module, "r")
    for part, dimension in _RANK.items():
        if part not in parts:
            continue
        key, shape = parts[part], adapter.tensors[parts[part]].shape
        if _PARTNER[part] not in parts:
            raise ValueError(
                f"{adapter.file}: has {key}, but no {_PARTNER[part]} beside it; the file is "
                "incomplete, download it again"
            )
        if shape[dimension] != rank:
            raise ValueError(
                f"{adapter.file}: {key} is {list(shape)}, of rank {shape[dimension]}, but the rank "
                f"in {ADAPTER_CONFIG} is {rank}; the two files are from different adapters"
            )


def _module_and_part(name: str) -> tuple[str, str]:
    """The module that an adapter's tensor changes, and the rest of the tensor's name."""
    if match := _PART.search(name):
        return name[: match.start()], name[match.end() :]
    module, _, leaf = name.rpartition(".")
    return module, leaf
