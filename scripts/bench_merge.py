"""Measures merges against the memory floor of the same machine in the same run.

    scripts/bench merge --size 400M --threads 1
    scripts/bench merge --mergekit ~/mergekit-venv --methods ties
    CXX=clang++ scripts/bench merge

The floor of a method is a compiled stream that reads the same tensors (as int32, xor) and writes
one, run in turn with it. Models are Llama-shaped, bf16, random with small task vectors, written
as checkpoints and read memory-mapped, warm. Merges go into a live transformers model; statistics
come before, on their own.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file

from workers.checkpoint import Checkpoint, open_checkpoint
from workers.merging import Engine, MergeSettings, every_tenth
from workers.merging.compilation import compiler
from workers.recipe import Group, Recipe, Source

MODELS = ("x", "y", "z")
WEIGHT = {"x": 0.5, "y": 0.4, "z": 0.3}
DENSITY = {"x": 0.5, "y": 0.4, "z": 0.6}
PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "linear": {"weight": WEIGHT},
    "slerp": {"t": 0.4},
    "nuslerp": {"weight": {"x": 0.5, "y": 0.4}},
    "multislerp": {"weight": WEIGHT},
    "karcher": {},
    "task_arithmetic": {"weight": WEIGHT},
    "ties": {"weight": WEIGHT, "density": DENSITY},
    "dare_linear": {"weight": WEIGHT, "density": DENSITY},
    "dare_ties": {"weight": WEIGHT, "density": DENSITY},
    "breadcrumbs": {"weight": WEIGHT, "density": DENSITY},
    "breadcrumbs_ties": {"weight": WEIGHT, "density": DENSITY},
    "model_stock": {},
}
Run = Callable[[], Any]
TWO = ("slerp", "nuslerp")
PEER = ("linear", "slerp", "task_arithmetic", "ties", "dare_linear", "dare_ties", "model_stock")


def main() -> None:
    """Measures what the command line asks for, and prints it."""
    options = _options()
    torch.set_num_threads(options.threads)
    parent = options.folder or Path(tempfile.mkdtemp(prefix="mergefront-bench-"))
    try:
        result = measure(options, parent)
    finally:
        if options.folder is None:
            shutil.rmtree(parent)
    print(json.dumps(result, indent=2) if options.json else _table(result))


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Seconds, bytes and ratios per method, with what they were measured on."""
    checkpoints = make_models(folder, llama_of(options.size))
    base = checkpoints.pop("base")
    device = torch.device(options.device)
    note(f"{base.path.parent}: base + {len(checkpoints)} models of {options.size}")
    live = transformers.AutoModelForCausalLM.from_pretrained(base.path, dtype=torch.bfloat16)
    live = live.eval().to(device)
    settings = {"threads": options.threads, "cache": folder / "cache"}
    began = time.perf_counter()
    engine = Engine(
        checkpoints, base, settings=MergeSettings(mode="eager", **settings), device=device
    )
    engine.prepare(every_tenth(note))
    statistics = time.perf_counter() - began
    peaks = memory(engine, options, folder, live) if "eager" in options.modes else {}
    floors = {n: floor({"base": base, **checkpoints}, n, device) for n in (2, 3, 4)}
    rows = {}
    for mode in options.modes:
        engine = Engine(
            checkpoints, base, settings=MergeSettings(mode=mode, **settings), device=device
        )
        for method in options.methods:
            note(f"{mode} {method}")
            recipe = recipe_of(method, folder)
            first = engine.apply(recipe, live)  # compiles
            read = round(first.bytes / 2 / live.num_parameters()) - 1
            seconds, under = race(partial(engine.apply, recipe, live), floors[read], options)
            rows[f"{method} {mode}"] = {
                "method": method,
                "mode": mode,
                "seconds": seconds,
                "first_seconds": first.seconds,
                "bytes": first.bytes,
                "gigabytes_per_second": first.bytes / seconds / 1e9,
                "floor_seconds": under,
                "ratio_to_floor": seconds / under,
            }
            if mode == "eager":
                rows[f"{method} {mode}"]["peak_private_bytes"] = peaks[method]
    if options.mergekit:
        compare(rows, options, folder)
    return {
        "version": 1,
        "parameters": live.num_parameters(),
        "device": str(device),
        "threads": options.threads,
        "clock": options.clock,
        "compiler": compiler(),
        "statistics_seconds": statistics,
        "largest_tensor_bytes": max(info.nbytes for info in base.tensors.values()),
        "rows": list(rows.values()),
    }


def floor(checkpoints: Mapping[str, Checkpoint], n: int, device: torch.device) -> Run:
    """A compiled stream that reads n models and writes one."""
    names = next(iter(checkpoints.values())).tensors
    read = [
        [
            each.tensor(name).view(-1).view(torch.int32).to(device)
            for each in list(checkpoints.values())[:n]
        ]
        for name in names
    ]
    written = [torch.empty_like(tensors[0]) for tensors in read]

    def stream(tensors: Sequence[torch.Tensor], out: torch.Tensor) -> None:
        total = tensors[0]
        for tensor in tensors[1:]:
            total = total ^ tensor
        out.copy_(total)

    compiled = torch.compile(stream, dynamic=True)

    def once() -> None:
        for tensors, out in zip(read, written, strict=True):
            compiled(tensors, out)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    once()
    return once


def race(merge: Run, under: Run, options: argparse.Namespace) -> tuple[float, float]:
    """Best seconds of a merge and of its floor, taken in turn: both meet the same disturbances."""
    clock = time.perf_counter if options.clock == "wall" else time.process_time
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(options.repeat):
        for run, found in zip((merge, under), seconds, strict=True):
            began = clock()
            run()
            found.append(clock() - began)
    return min(seconds[0]), min(seconds[1])


def memory(engine: Engine, options: argparse.Namespace, folder: Path, live: Any) -> dict[str, int]:
    """Peak of private memory beyond the live model for each method, from the first merge on."""
    with torch.no_grad():
        for parameter in live.parameters():
            parameter.mul_(1)  # as loaded its pages may be the file's; written to, they are its own
    ctypes.CDLL(None).malloc_trim(0)  # or what the statistics freed would hide what merges take
    before = private_bytes()
    return {
        method: peak_of(partial(engine.apply, recipe_of(method, folder), live)) - before
        for method in options.methods
    }


def peak_of(run: Run) -> int:
    """Most private bytes while something runs, looked at every millisecond."""
    found = [private_bytes()]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.001):
            found[0] = max(found[0], private_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        run()
    finally:
        over.set()
        watcher.join()
    return found[0]


def private_bytes() -> int:
    """Memory of this process that no other shares."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(status.partition("RssAnon:")[2].split()[0])


def recipe_of(method: str, folder: Path) -> Recipe:
    """The method over the bench's models, with the parameters above."""
    names = MODELS[:2] if method in TWO else MODELS
    return Recipe(
        method=method,
        models={name: Source(str(folder / name)) for name in names},
        base=Source(str(folder / "base")),
        groups=(Group(PARAMETERS[method]),),
    )


def make_models(folder: Path, config: transformers.LlamaConfig) -> dict[str, Checkpoint]:
    """Base and models as checkpoints; those that lie there already are taken."""
    shapes = {
        name: tuple(tensor.shape)
        for name, tensor in on_meta(config).state_dict().items()
        if not (config.tie_word_embeddings and name == "lm_head.weight")
    }
    for i, name in enumerate(("base", *MODELS)):
        if (folder / name / "config.json").is_file():
            continue
        note(f"writing {folder / name}")
        tensors = {key: random_like(shape, key, i) for key, shape in shapes.items()}
        (folder / name).mkdir(parents=True, exist_ok=True)
        save_file(tensors, folder / name / "model.safetensors", metadata={"format": "pt"})
        config.save_pretrained(folder / name)
    return {name: open_checkpoint(Source(str(folder / name))) for name in ("base", *MODELS)}


def random_like(shape: tuple[int, ...], name: str, model: int) -> torch.Tensor:
    """The base's tensor (model 0), or that plus a task vector of a fortieth of its size."""
    entries = torch.Size(shape).numel()
    random = torch.Generator().manual_seed(sum(name.encode()))
    block = min(entries, 1 << 22)  # repeated: the making should not take longer than the bench
    base = torch.randn(block, generator=random).mul_(0.02)
    if model:
        random.manual_seed(sum(name.encode()) + model * 100_003)
        base += torch.randn(block, generator=random).mul_(0.0005)
    repeats = -(-entries // block)
    return base.bfloat16().repeat(repeats)[:entries].reshape(shape).contiguous()


def llama_of(size: str) -> transformers.LlamaConfig:
    """A Llama of about so many parameters: `400M`, `7B`."""
    wanted = float(size[:-1]) * {"M": 1e6, "B": 1e9}[size[-1].upper()]
    hidden = next((h for most, h in ((5e7, 256), (8e8, 1024), (3e9, 2048)) if wanted < most), 4096)
    inner = 11 * hidden // 4
    per_layer = 4 * hidden**2 + 3 * hidden * inner
    layers = max(1, round((wanted - 2 * 32000 * hidden) / per_layer))
    return transformers.LlamaConfig(
        architectures=["LlamaForCausalLM"],
        hidden_size=hidden,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        num_key_value_heads=hidden // 64,
        vocab_size=32000,
        dtype="bfloat16",
    )


def on_meta(config: transformers.LlamaConfig) -> Any:
    """The model without memory, for its names and shapes."""
    with torch.device("meta"):
        return transformers.AutoModelForCausalLM.from_config(config)


def compare(rows: dict[str, Any], options: argparse.Namespace, folder: Path) -> None:
    """Adds mergekit's seconds, taken in its own environment, to each row it has a method for."""
    script = Path(__file__).with_name("peer_mergekit.py")
    for method in options.methods:
        if method not in PEER:
            continue
        note(f"mergekit {method}")
        command = [options.mergekit / "bin" / "python", script, folder, method]
        setting = json.dumps(
            {
                "parameters": PARAMETERS[method],
                "threads": options.threads,
                "clock": options.clock,
            }
        )
        done = subprocess.run([*command, setting], capture_output=True, text=True, check=False)
        if done.returncode:
            note(f"mergekit failed on {method}:\n{done.stderr[-2000:]}")
            continue
        seconds = json.loads(done.stdout.splitlines()[-1])["seconds"]
        for row in rows.values():
            if row["method"] == method:
                row["mergekit_seconds"] = seconds
                row["times_mergekit"] = seconds / row["seconds"]


def note(text: str) -> None:
    """A line of progress, apart from the result."""
    print(text, file=sys.stderr, flush=True)


def _table(result: Mapping[str, Any]) -> str:
    head = (
        f"{result['parameters'] / 1e6:.0f}M parameters, {result['device']}, "
        f"{result['threads']} threads, {result['clock']} seconds, {result['compiler']}; "
        f"statistics {result['statistics_seconds']:.1f} s"
    )
    lines = [head, f"{'method':<17}{'mode':<10}{'s':>7}{'GB/s':>7}{'floor':>7}{'mergekit':>10}"]
    for row in result["rows"]:
        peer = f"{row['times_mergekit']:.0f}x" if "times_mergekit" in row else "-"
        lines.append(
            f"{row['method']:<17}{row['mode']:<10}{row['seconds']:>7.3f}"
            f"{row['gigabytes_per_second']:>7.1f}{row['ratio_to_floor']:>6.2f}x{peer:>10}"
        )
    peaks = {r["method"]: r["peak_private_bytes"] for r in result["rows"] if r["mode"] == "eager"}
    if peaks:
        most = max(peaks, key=lambda method: peaks[method])
        lines.append(
            f"eager: at most {peaks[most] / 1e6:.1f} MB of private memory beyond the live model "
            f"({most}); its largest tensor has {result['largest_tensor_bytes'] / 1e6:.1f} MB"
        )
    return "\n".join(lines)


def model_size(text: str) -> str:
    """A size of a model from the command line."""
    if not re.fullmatch(r"\d+(\.\d+)?[MBmb]", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; give one like 400M or 7B")
    return text


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench merge",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--size", type=model_size, default="400M", help="parameters of a model: 400M, 7B"
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--methods", nargs="+", choices=PARAMETERS, default=list(PARAMETERS))
    modes = ["compiled", "eager"]
    parser.add_argument("--modes", nargs="+", choices=modes, default=modes)
    parser.add_argument("--repeat", type=int, default=5, help="runs, of which the best counts")
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="cpu: seconds of processor time, which others on the machine disturb less",
    )
    parser.add_argument("--folder", type=Path, help="where models are made, and kept for next time")
    parser.add_argument("--mergekit", type=Path, help="a virtual environment with mergekit in it")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
