"""Merges models of 1.5 billion parameters into a directory: memory, and time beside a copy.

    scripts/bench write [--method ties] [--parameters 1.5e9] [--folder /tmp]

Makes four synthetic Llamas in bfloat16 (12 GB, deleted afterwards), merges them as `mergefront
merge` does in a process of its own, and prints its peak of resident memory and its time as a
multiple of reading the same models and writing one of them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from workers.checkpoint.file_writer import write_file
from workers.checkpoint.headers import SINGLE, TensorInfo
from workers.methods import METHODS
from workers.recipe import Group, Recipe, Source

PER_LAYER = 4 * 2048**2 + 3 * 2048 * 5632
LIMIT = 3 * 2**30
BLOCK = 1 << 26


def make(folder: Path, layers: int) -> None:
    """A base and three models near it."""
    config = LlamaConfig(
        hidden_size=2048,
        intermediate_size=5632,
        num_hidden_layers=layers,
        num_attention_heads=16,
        tie_word_embeddings=True,
        dtype="bfloat16",
    )
    with torch.device("meta"):
        shapes = dict(LlamaForCausalLM(config).named_parameters())
    plan = {n: TensorInfo("bfloat16", tuple(p.shape), Path()) for n, p in shapes.items()}
    for number, name in enumerate(("base", "a", "b", "c")):
        (folder / name).mkdir()
        config.save_pretrained(folder / name)
        write_file(folder / name / SINGLE, plan, tensors(plan, number))


def tensors(plan: dict[str, TensorInfo], number: int) -> Iterator[tuple[str, torch.Tensor]]:
    """Values like those of a model; random numbers repeat, because new ones take long."""
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(BLOCK, generator=generator) * 0.02
    moved = torch.randn(BLOCK, generator=generator.manual_seed(number)) * 0.002 * bool(number)
    block = (base + moved).bfloat16()
    for name, info in plan.items():
        count = torch.Size(info.shape).numel()
        whole = block if count <= BLOCK else block.repeat(-(-count // BLOCK))
        yield name, whole[:count].reshape(info.shape)


def copied(folder: Path) -> float:
    """Seconds to read every model and to write one, through to the disk."""
    began = time.perf_counter()
    buffer = bytearray(1 << 24)
    with (folder / "copy").open("wb") as out:
        for name in ("base", "a", "b", "c"):
            with (folder / name / SINGLE).open("rb", buffering=0) as file:
                while count := file.readinto(buffer):
                    if name == "base":
                        out.write(memoryview(buffer)[:count])
        out.flush()
        os.fsync(out.fileno())
    (folder / "copy").unlink()
    return time.perf_counter() - began


def merged(folder: Path, method: str) -> tuple[float, int]:
    """Seconds and peak resident bytes of a merge in a process of its own."""
    parameters = {
        each.name: 0.5
        for each in METHODS[method].parameters.values()
        if each.default is None and each.range
    }
    models = {name: Source(str(folder / name)) for name in "abc"[: METHODS[method].models[1]]}
    recipe = Recipe(method, models, (Group(parameters),), Source(str(folder / "base")))
    (folder / "recipe.json").write_text(json.dumps(recipe.to_dict()))
    command = [sys.executable, "-m", "search.cli.app", "merge", "recipe.json", "merged"]
    code = f"import sys; sys.argv = {command[2:]!r}; from search.cli.app import main; main()"
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    seconds = time.perf_counter() - began
    shutil.rmtree(folder / "merged")
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", action="append", choices=list(METHODS))
    parser.add_argument("--parameters", type=float, default=1.5e9)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=chosen.folder, prefix="bench-write-"))
    os.environ["PYTHONPATH"] = str(Path.cwd())
    try:
        make(folder, max(1, round((chosen.parameters - 32000 * 2048) / PER_LAYER)))
        size = (folder / "base" / SINGLE).stat().st_size
        print(f"4 models of {size / 2e9:.2f} billion parameters, {size / 1e9:.2f} GB each")
        copying = copied(folder)
        print(f"reading them all and writing one: {copying:.1f} s")
        peak = 0
        for method in chosen.method or ["linear", "ties"]:
            seconds, peak = merged(folder, method)
            print(
                f"{method}: {seconds:.1f} s, {seconds / copying:.1f} times the copy; "
                f"peak so far {peak / 2**30:.2f} GiB resident",
                flush=True,
            )
        if peak > LIMIT:
            sys.exit(f"more than {LIMIT / 2**30:.0f} GiB")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
