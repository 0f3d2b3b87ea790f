"""LoRA adapters on disk: their headers and settings, checked against a model."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from workers.checkpoint.headers import TensorInfo, read_header, read_json
from workers.checkpoint.location import ADAPTER, ADAPTER_CONFIG, adapter_folder

PREFIX = "base_model.model."
LORA_A, LORA_B = ".lora_A.weight", ".lora_B.weight"
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
    """A LoRA adapter's directory, checked against the model that it is applied to."""

    path: Path
    config: Mapping[str, Any]
    tensors: Mapping[str, TensorInfo]
    changes: Mapping[str, str]
    """Checkpoint tensor -> the adapter's module name, without suffixes such as `.lora_A.weight`."""

    @property
    def is_plain(self) -> bool:
        """Whether it only adds s·B·A to weight matrices W."""
        special = [k for k, v in self.config.items() if v and k not in _NEUTRAL and v != "none"]
        init = self.config.get("init_lora_weights", True)
        plain_init = isinstance(init, bool) or init == "gaussian"
        return (
            not special and plain_init and all(n.endswith((LORA_A, LORA_B)) for n in self.tensors)
        )

    @property
    def scale(self) -> float:
        """The factor s of B·A: alpha / r, or alpha / √r for rsLoRA."""
        alpha, rank = self.config["lora_alpha"], self.config["r"]
        return float(alpha / math.sqrt(rank) if self.config.get("use_rslora") else alpha / rank)

    @cached_property
    def fingerprint(self) -> bytes:
        """Digest of its files."""
        digest = hashlib.blake2b(digest_size=16)
        for name in (ADAPTER, ADAPTER_CONFIG):
            digest.update((self.path / name).read_bytes())
        return digest.digest()


def open_adapter(location: str, tensors: Mapping[str, TensorInfo]) -> Adapter:
    """Opens an adapter by its header and checks it against a model's tensors.

    Raises:
        ValueError: if it does not exist, is damaged, is not LoRA, or was made for another model.
    """
    path = adapter_folder(location)
    if not (path / ADAPTER_CONFIG).is_file():
        raise ValueError(f"{path}: no {ADAPTER_CONFIG}; is this a LoRA adapter?")
    if not (path / ADAPTER).is_file() and (path / "adapter_model.bin").is_file():
        raise ValueError(
            f"{path / 'adapter_model.bin'}: pickled weights are not read; load the adapter with "
            "peft and call save_pretrained(), which writes safetensors"
        )
    config, header = read_json(path / ADAPTER_CONFIG), read_header(path / ADAPTER)
    _check_config(path / ADAPTER_CONFIG, config)
    return Adapter(path, config, header, _changes(path, config, header, tensors))


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


def _changes(
    path: Path,
    config: Mapping[str, Any],
    header: Mapping[str, TensorInfo],
    tensors: Mapping[str, TensorInfo],
) -> dict[str, str]:
    changes: dict[str, str] = {}
    for key, info in header.items():
        module, part = _module_and_part(key)
        name = _tensor_name(module, part, tensors)
        if name is None:
            raise ValueError(
                f"{path / ADAPTER}: {key} has no counterpart in the model, which has no "
                f"{module}.weight; the adapter was made for {_trained_on(config)}"
            )
        if _shape_differs(part, info.shape, tensors[name].shape):
            raise ValueError(
                f"{path / ADAPTER}: {key} is {list(info.shape)}, but {name} of the model is "
                f"{list(tensors[name].shape)}; the adapter was made for {_trained_on(config)}"
            )
        changes[name] = module
    order = {name: i for i, name in enumerate(tensors)}
    return dict(sorted(changes.items(), key=lambda item: order[item[0]]))


def _module_and_part(key: str) -> tuple[str, str]:
    """The module that an adapter's tensor changes, and the rest of the tensor's name."""
    name = key.removeprefix(PREFIX)
    for suffix in (".lora_A", ".lora_B", ".lora_embedding_", ".lora_magnitude_vector"):
        if suffix in name:
            module, _, rest = name.partition(suffix)
            return module, suffix + rest
    module, _, leaf = name.rpartition(".")
    return module.removesuffix(".base_layer"), leaf


def _tensor_name(module: str, part: str, tensors: Mapping[str, TensorInfo]) -> str | None:
    """The checkpoint tensor that is changed; old files omit the first part of the name."""
    leaf = "bias" if part in ("bias", ".lora_B.bias") else "weight"
    candidates = (f"{module}.{leaf}", f"{module.partition('.')[2]}.{leaf}")
    return next((name for name in candidates if name in tensors), None)


def _shape_differs(part: str, shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    if part == ".lora_A.weight":
        return shape[-1] not in target
    if part == ".lora_B.weight":
        return shape[0] not in target
    return part in ("weight", "bias") and shape != target


def _trained_on(config: Mapping[str, Any]) -> str:
    return str(config.get("base_model_name_or_path") or "another model")
