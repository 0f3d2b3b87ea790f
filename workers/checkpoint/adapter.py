"""LoRA adapters: `path + adapter` reads as the model that peft would make of the two.

Plain LoRA and rsLoRA are added here, W + s·B·A in float32, rounded as `merge_and_unload` rounds.
Every other kind goes through peft itself. Either way the tensors that change are written once
into a file of the cache, named by content, and memory-mapped from there by every process.
"""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workers.checkpoint.headers import TensorInfo, read_header, read_json
from workers.checkpoint.location import ADAPTER, ADAPTER_CONFIG, adapter_folder, cache_folder

if TYPE_CHECKING:
    import torch

    from workers.checkpoint.reading import Checkpoint

_PREFIX = "base_model.model."
_A, _B = ".lora_A.weight", ".lora_B.weight"
_NEUTRAL = {  # settings that change nothing in a merge, or that are read here
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
VERSION = 1
"""Of the files in the cache; another version is computed anew."""


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter's directory, checked against the model it is read with."""

    path: Path
    config: Mapping[str, Any]
    tensors: Mapping[str, TensorInfo]
    changes: Mapping[str, str]
    """Checkpoint tensor -> the adapter's name for it, without `.lora_A.weight` and the like."""

    @property
    def plain(self) -> bool:
        """Whether it is W + s·B·A for some weight matrices and nothing else."""
        odd = [k for k, v in self.config.items() if v and k not in _NEUTRAL and v != "none"]
        weights = self.config.get("init_lora_weights", True)
        started_plain = isinstance(weights, bool) or weights == "gaussian"
        return not odd and started_plain and all(n.endswith((_A, _B)) for n in self.tensors)

    @property
    def scale(self) -> float:
        """What B·A is multiplied by: alpha / r, or alpha / √r for rsLoRA."""
        alpha, rank = self.config["lora_alpha"], self.config["r"]
        return float(alpha / math.sqrt(rank) if self.config.get("use_rslora") else alpha / rank)

    @cached_property
    def fingerprint(self) -> bytes:
        """Digest of its files."""
        digest = hashlib.blake2b(digest_size=16)
        for name in (ADAPTER, ADAPTER_CONFIG):
            digest.update((self.path / name).read_bytes())
        return digest.digest()

    def applied(self, model: Checkpoint) -> Path:
        """The file with the tensors that it changes; made when it is not in the cache yet."""
        folder = cache_folder() / "adapters"
        file = folder / f"{model.fingerprint}-{VERSION}.safetensors"
        if not file.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            self._write(model.unadapted(), file)
        return file

    def _write(self, model: Checkpoint, file: Path) -> None:
        from workers.checkpoint.stream import write_file  # noqa: PLC0415 - brings torch

        plan = {name: model.tensors[name] for name in self.changes}
        made = self._added(model) if self.plain else self._by_peft(model)
        handle, beside = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        os.close(handle)
        try:
            write_file(Path(beside), plan, made)
            Path(beside).replace(file)
        finally:
            Path(beside).unlink(missing_ok=True)

    def _added(self, model: Checkpoint) -> Iterator[tuple[str, torch.Tensor]]:
        from safetensors import safe_open  # noqa: PLC0415 - brings torch

        with safe_open(self.path / ADAPTER, framework="pt") as file:
            for name, module in self.changes.items():
                a = file.get_tensor(_PREFIX + module + _A).float()
                b = file.get_tensor(_PREFIX + module + _B).float()
                weight = model.tensor(name)
                yield name, weight + ((b @ a) * self.scale).to(weight.dtype)

    def _by_peft(self, model: Checkpoint) -> Iterator[tuple[str, torch.Tensor]]:
        from workers.checkpoint.live import adapted_tensors  # noqa: PLC0415 - brings torch, peft

        yield from adapted_tensors(model, self.path, list(self.changes))


def open_adapter(place: str, tensors: Mapping[str, TensorInfo]) -> Adapter:
    """Opens an adapter by its header and checks it against a model's tensors.

    Raises:
        ValueError: if it is not there, damaged, of another kind than LoRA, or was made for
            another model.
    """
    path = adapter_folder(place)
    if not (path / ADAPTER_CONFIG).is_file():
        raise ValueError(f"{path}: no {ADAPTER_CONFIG}; is this a LoRA adapter?")
    if not (path / ADAPTER).is_file() and (path / "adapter_model.bin").is_file():
        raise ValueError(
            f"{path / 'adapter_model.bin'}: pickled weights are not read; load the adapter with "
            "peft and save_pretrained() it, which writes safetensors"
        )
    config, found = read_json(path / ADAPTER_CONFIG), read_header(path / ADAPTER)
    if config.get("peft_type") != "LORA":
        raise ValueError(
            f"{path / ADAPTER_CONFIG}: peft_type is {config.get('peft_type')!r}; only LORA can be "
            "merged into a model's weights"
        )
    missing = [key for key in ("r", "lora_alpha") if not config.get(key)]
    if missing:
        raise ValueError(f"{path / ADAPTER_CONFIG}: {missing[0]} is missing")
    if config.get("target_parameters"):
        raise ValueError(f"{path / ADAPTER_CONFIG}: target_parameters (experts) cannot be merged")
    return Adapter(path, config, found, _changes(path, config, found, tensors))


def _changes(
    path: Path,
    config: Mapping[str, Any],
    found: Mapping[str, TensorInfo],
    tensors: Mapping[str, TensorInfo],
) -> dict[str, str]:
    changes: dict[str, str] = {}
    for key, info in found.items():
        module, part = _module(key)
        name = _tensor_of(module, part, tensors)
        if name is None:
            raise ValueError(
                f"{path / ADAPTER}: {key} has no counterpart in the model, which has no "
                f"{module}.weight; the adapter was made for {_trained_on(config)}"
            )
        wrong = _misfit(part, info.shape, tensors[name].shape)
        if wrong:
            raise ValueError(
                f"{path / ADAPTER}: {key} is {list(info.shape)}, but {name} of the model is "
                f"{list(tensors[name].shape)}; the adapter was made for {_trained_on(config)}"
            )
        changes[name] = module
    order = {name: i for i, name in enumerate(tensors)}
    return dict(sorted(changes.items(), key=lambda item: order[item[0]]))


def _module(key: str) -> tuple[str, str]:
    """The module that a tensor of the adapter changes, and which part of the change it is."""
    name = key.removeprefix(_PREFIX)
    for sign in (".lora_A", ".lora_B", ".lora_embedding_", ".lora_magnitude_vector"):
        if sign in name:
            head, _, rest = name.partition(sign)
            return head, sign + rest
    head, _, leaf = name.rpartition(".")
    return head.removesuffix(".base_layer"), leaf


def _tensor_of(module: str, part: str, tensors: Mapping[str, TensorInfo]) -> str | None:
    """The checkpoint's name: the module's, or without the prefix that old files leave out."""
    leaf = "bias" if part in ("bias", ".lora_B.bias") else "weight"
    candidates = (f"{module}.{leaf}", f"{module.partition('.')[2]}.{leaf}")
    return next((name for name in candidates if name in tensors), None)


def _misfit(part: str, shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    if part == ".lora_A.weight":
        return shape[-1] not in target
    if part == ".lora_B.weight":
        return shape[0] not in target
    return part in ("weight", "bias") and shape != target


def _trained_on(config: Mapping[str, Any]) -> str:
    return str(config.get("base_model_name_or_path") or "another model")
