"""Checkpoints of a tensor or two, written and opened as real ones are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.workers.makers import make_model
from workers.checkpoint import Checkpoint, open_checkpoint
from workers.merging import Engine, MergeSettings
from workers.recipe import Source


@pytest.fixture
def checkpoint_of(tmp_path: Path) -> Callable[..., Checkpoint]:
    """Writes tensors as a model directory; one tensor given as a list is called `weight`."""

    def write(name: str, tensors, **config) -> Checkpoint:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        if not isinstance(tensors, dict):
            tensors = {"weight": torch.as_tensor(tensors, dtype=torch.float32)}
        save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "model.safetensors")
        text = json.dumps({"model_type": "none", "num_hidden_layers": 2, **config})
        (folder / "config.json").write_text(text)
        return open_checkpoint(Source(str(folder)))

    return write


@pytest.fixture
def source_of(tmp_path: Path) -> Callable[[str], Source]:
    """The source of a checkpoint that `checkpoint_of` wrote."""
    return lambda name: Source(str(tmp_path / name))


@pytest.fixture
def engine_of(tmp_path: Path, checkpoint_of) -> Callable[..., Engine]:
    """An engine over models given as tensors, with statistics of its own."""

    def build(models, base=None, settings: MergeSettings | None = None, **config) -> Engine:
        settings = settings or MergeSettings(mode="eager")
        object.__setattr__(settings, "cache", settings.cache or tmp_path / "cache")
        return Engine(
            {name: checkpoint_of(name, tensors, **config) for name, tensors in models.items()},
            checkpoint_of("base", base, **config) if base is not None else None,
            settings=settings,
        )

    return build


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Real small models, each made once: `zoo("llama", 1)`."""
    root, made = tmp_path_factory.mktemp("zoo"), {}

    def of(architecture: str = "llama", seed: int = 0, **changes) -> Path:
        key = (architecture, seed, *sorted(map(str, changes.items())))
        if key not in made:
            made[key] = make_model(
                root / f"{architecture}-{len(made)}", architecture, seed, **changes
            )
        return made[key]

    return of


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache directory in place of the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mergefront"
