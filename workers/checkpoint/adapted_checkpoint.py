"""A model with a LoRA adapter applied: the tensors that the live peft model computes with.

Plain LoRA and rsLoRA are computed here: W + s·B·A in float32, rounded as peft rounds. All other
kinds are merged by peft. The changed tensors are in a file of the cache that every process
memory-maps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from workers.checkpoint.adapter import LORA_A, LORA_B, Adapter, open_adapter
from workers.checkpoint.adapter_fit import adapted_config, adapted_tensors, changed_tensors
from workers.checkpoint.cached_tensors import cached_tensors
from workers.checkpoint.checkpoint import Checkpoint, DerivedCheckpoint, embedding_of, read_tensor

if TYPE_CHECKING:
    import torch

VERSION = 2
"""Of the cached files; increase it when their content changes."""


@dataclass(frozen=True, kw_only=True)
class AdaptedCheckpoint(DerivedCheckpoint):
    """A checkpoint whose tensors are read with its adapter applied."""

    adapter: Adapter

    @property
    def tokenizer_path(self) -> Path:
        """The adapter's directory if tokens were added in training, else the model's."""
        added = (self.vocabulary_rows or 0) > (self.original.vocabulary_rows or 0)
        return self.adapter.path if added else super().tokenizer_path

    @cached_property
    def fingerprint(self) -> str:
        """Hex digest of the bytes of the model's files and of the adapter's."""
        return self.digest_of_files(self.adapter.fingerprint)

    def tensor(self, name: str) -> torch.Tensor:
        """One tensor, memory-mapped, with the adapter applied."""
        if name not in self.changes:
            return super().tensor(name)
        plan = {each: self.tensors[each] for each in self.changes}
        make = self._added if self.adapter.is_plain else self._merged_by_peft
        file = cached_tensors(f"adapters/{self.fingerprint}-{VERSION}", plan, make)
        return read_tensor(file, name)

    def _added(self) -> Iterator[tuple[str, torch.Tensor]]:
        for name, target in self.changes.items():
            parts = self.adapter.targets[target]
            a, b = (
                read_tensor(self.adapter.file, parts[part]).float() for part in (LORA_A, LORA_B)
            )
            tied = name not in self.original.tensors
            weight = self.original.tensor(embedding_of(self.original) if tied else name)
            yield name, weight + ((b @ a) * self.adapter.scale).to(weight.dtype)

    def _merged_by_peft(self) -> Iterator[tuple[str, torch.Tensor]]:
        from workers.checkpoint.adapter_merge import merged_by_peft  # noqa: PLC0415 - imports torch

        return merged_by_peft(self)


def adapted(model: Checkpoint, location: str) -> AdaptedCheckpoint:
    """A model with the LoRA adapter in `location`, a directory or `hub/id@revision`.

    Raises:
        ValueError: if the adapter does not exist, is damaged, or does not fit the model.
    """
    adapter = open_adapter(location)
    tensors = adapted_tensors(adapter, model)
    changes = changed_tensors(adapter, model, tensors)
    config = adapted_config(model, tensors)
    return AdaptedCheckpoint.of(
        model, tensors=tensors, config=config, adapter=adapter, changes=changes
    )
