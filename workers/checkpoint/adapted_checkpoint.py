"""A model with a LoRA adapter applied: the tensors that peft's `merge_and_unload` gives.

Plain LoRA and rsLoRA are computed here: W + s·B·A in float32, rounded as peft rounds. All other
kinds are merged by peft. The changed tensors are written once to a file in the cache, named by
content, and every process memory-maps that file.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workers.checkpoint.adapter import LORA_A, LORA_B, PREFIX, Adapter
from workers.checkpoint.checkpoint import Checkpoint, read_tensor
from workers.checkpoint.location import ADAPTER, cache_folder

if TYPE_CHECKING:
    import torch

VERSION = 1
"""Of the cached files; increase it when their content changes."""


@dataclass(frozen=True)
class AdaptedCheckpoint(Checkpoint):
    """A checkpoint whose tensors are read with its adapter applied."""

    adapter: Adapter

    def tensor(self, name: str) -> torch.Tensor:
        """One tensor, memory-mapped, with the adapter applied."""
        if name not in self.adapter.changes:
            return super().tensor(name)
        return read_tensor(self._changed_tensors(), name)

    def without_adapter(self) -> Checkpoint:
        """The model itself."""
        return Checkpoint(self.path, self.tensors, self.config)

    def _changed_tensors(self) -> Path:
        """The cached file of the changed tensors, written if it does not exist yet."""
        file = cache_folder() / "adapters" / f"{self.fingerprint}-{VERSION}.safetensors"
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            self._write(file)
        return file

    def _write(self, file: Path) -> None:
        from workers.checkpoint.file_writer import write_file  # noqa: PLC0415 - imports torch

        plan = {name: self.tensors[name] for name in self.adapter.changes}
        tensors = self._added() if self.adapter.is_plain else self._merged_by_peft()
        handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        os.close(handle)
        try:
            write_file(Path(temporary), plan, tensors)
            Path(temporary).replace(file)
        finally:
            Path(temporary).unlink(missing_ok=True)

    def _added(self) -> Iterator[tuple[str, torch.Tensor]]:
        for name, module in self.adapter.changes.items():
            a, b = (
                read_tensor(self.adapter.path / ADAPTER, PREFIX + module + part).float()
                for part in (LORA_A, LORA_B)
            )
            weight = super().tensor(name)
            yield name, weight + ((b @ a) * self.adapter.scale).to(weight.dtype)

    def _merged_by_peft(self) -> Iterator[tuple[str, torch.Tensor]]:
        import peft  # noqa: PLC0415 - rarely needed, and slow to import

        from workers.checkpoint.live_model import live_name, load_model  # noqa: PLC0415 - imports torch

        model = load_model(self.without_adapter())
        live = {name: live_name(model, name) for name in self.adapter.changes}
        merged = peft.PeftModel.from_pretrained(model, self.adapter.path)
        merged = merged.merge_and_unload(safe_merge=True)
        parameters = dict(merged.named_parameters(remove_duplicate=False))
        for name in self.adapter.changes:
            yield name, parameters[live[name]].detach()
