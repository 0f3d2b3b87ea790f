"""Checks and measures merges and scoring on a GPU; needs only torch, transformers and pydantic.

    scripts/bench gpu                       # with the machine's own python3 if that has them
    scripts/bench gpu --sizes 400M --methods ties dare_ties

Every method must give the bytes that a CPU gives; the exit status is 1 if one does not. Merges go
into a live model of bf16, Llama-shaped; `7B` has the tensors of a 7B model in fewer layers. Their
gigabytes per second are compared with a copy on the device in the same run. `busy` is the share
of a merge in which a kernel or a transfer runs: the rest is Python. The live model then answers as
the harness asks it: log-likelihoods and greedy generation.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers

from scripts.bench_merge import (
    PARAMETERS,
    llama_of,
    make_models,
    model_size,
    note,
    recipe_of,
)
from workers.checkpoint import Checkpoint
from workers.merging import Engine, MergeSettings

BYTES_SIZE = "10M"
LAYERS = 8
"""Of a measured model, at most: the tensors are those of the full size, and the files are small."""
PLACEMENTS = ("device", "pinned", "mapped")
BATCH, PROMPT, NEW_TOKENS = 32, 256, 64


def main() -> None:
    """Runs all of it and prints one table."""
    options = _options()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        sys.exit("bench gpu: torch finds no CUDA device; `--device cpu` only tries out the script")
    with tempfile.TemporaryDirectory(prefix="mergefront-bench-", dir=options.folder) as folder:
        result = measure(options, device, Path(folder))
    print(json.dumps(result, indent=2) if options.json else _table(result))
    if different := [row["method"] for row in result["bytes"] if not row["equal"]]:
        sys.exit(f"bench gpu: other bytes than on a CPU: {', '.join(different)}")


def measure(options: argparse.Namespace, device: torch.device, folder: Path) -> dict[str, Any]:
    """Equality of bytes, then the merges of each size and placement, then the scoring."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    equal = compare_bytes(options.methods, device, folder / "bytes")
    merges: list[dict[str, Any]] = []
    scoring = []
    for wanted in options.sizes:
        config = llama_of(wanted)
        config.num_hidden_layers = min(config.num_hidden_layers, LAYERS)
        checkpoints = make_models(folder / wanted, config)
        live = load(checkpoints["base"].path, device)
        for placement in PLACEMENTS if device.type == "cuda" else ("mapped",):
            rows = merge_rows(options, checkpoints, live, placement, folder / wanted)
            merges += [{"size": wanted, "placement": placement, **row} for row in rows]
        scoring.append({"size": wanted, **scoring_speed(live)})
    return {
        "version": 1,
        "device": name,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "copy_gigabytes_per_second": copy_speed(device),
        "bytes": equal,
        "merges": merges,
        "scoring": scoring,
    }


def compare_bytes(methods: list[str], device: torch.device, folder: Path) -> list[dict[str, Any]]:
    """For each method, whether eager and compiled merges on the device give the CPU's bytes."""
    checkpoints = make_models(folder, llama_of(BYTES_SIZE))
    engines = {
        "cpu": engine(checkpoints, "eager", torch.device("cpu"), folder),
        "eager": engine(checkpoints, "eager", device, folder),
        "compiled": engine(checkpoints, "compiled", device, folder),
    }
    rows = []
    for method in methods:
        note(f"bytes of {method}")
        digests = {name: digest(each, method, folder) for name, each in engines.items()}
        rows.append({"method": method, "equal": len(set(digests.values())) == 1, **digests})
    return rows


def digest(merges: Engine, method: str, folder: Path) -> str:
    """Of every merged tensor's bytes."""
    found = hashlib.sha256()
    for name, tensor in merges.stream(recipe_of(method, folder)):
        found.update(name.encode() + tensor.cpu().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:12]


def merge_rows(
    options: argparse.Namespace,
    checkpoints: Mapping[str, Checkpoint],
    live: Any,
    placement: str,
    folder: Path,
) -> list[dict[str, Any]]:
    """Seconds, gigabytes per second and busy share of each method's merge into the live model."""
    merges = engine(checkpoints, "auto", live.device, folder, placement)
    rows = []
    for method in options.methods:
        note(f"{folder.name} {placement} {method}")
        merge = partial(merges.apply, recipe_of(method, folder), live)
        merge()  # compiles
        runs = [merge() for _ in range(options.repeat)]
        seconds = min(run.seconds for run in runs)
        speed = runs[0].bytes / seconds / 1e9
        busy = busy_seconds(merge) / seconds if live.device.type == "cuda" else None
        rows.append(
            {"method": method, "seconds": seconds, "gigabytes_per_second": speed, "busy": busy}
        )
    merges.close()
    return rows


def engine(
    checkpoints: Mapping[str, Checkpoint],
    mode: Any,
    device: torch.device,
    folder: Path,
    placement: Any = "auto",
) -> Engine:
    """An engine over the base and the models, with its statistics."""
    models = dict(checkpoints)
    base = models.pop("base")
    settings = MergeSettings(mode=mode, placement=placement, cache=folder / "cache")
    made = Engine(models, base, settings=settings, device=device)
    made.prepare()
    return made


def load(path: Path, device: torch.device) -> Any:
    """The model in bf16 on the device."""
    live = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.bfloat16)
    return live.eval().to(device)


def busy_seconds(run: Callable[[], Any]) -> float:
    """Seconds in which the device computes or receives, while something runs once."""
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profiler:
        run()
        torch.cuda.synchronize()
    spans = sorted(
        (e.time_range.start, e.time_range.end)
        for e in profiler.events()
        if e.device_type.name == "CUDA"  # others are calls of Python's side, waiting included
    )
    busy, until = 0.0, 0.0
    for start, end in spans:  # transfers and kernels overlap
        busy += max(0.0, end - max(start, until))
        until = max(until, end)
    return busy / 1e6  # from microseconds


def copy_speed(device: torch.device) -> float:
    """Gigabytes per second, read and written, of a copy of 1 GB on the device."""
    source = torch.zeros(1 << 28, dtype=torch.int32, device=device)
    target = torch.empty_like(source)
    seconds = best(lambda: target.copy_(source), device)
    return 2 * source.nbytes / seconds / 1e9


@torch.inference_mode()
def scoring_speed(live: Any) -> dict[str, float]:
    """Tokens per second of log-likelihoods and of greedy generation, by the live model."""
    tokens = torch.randint(0, live.config.vocab_size, (BATCH, PROMPT), device=live.device)

    mask = torch.ones_like(tokens)

    def loglikelihood() -> None:
        live(tokens, use_cache=False).logits.float().log_softmax(-1)

    def generate() -> None:
        limits = {"min_new_tokens": NEW_TOKENS, "max_new_tokens": NEW_TOKENS}
        live.generate(tokens, attention_mask=mask, pad_token_id=0, do_sample=False, **limits)

    note("scoring")
    return {
        "loglikelihood_tokens_per_second": tokens.numel() / best(loglikelihood, live.device),
        "generated_tokens_per_second": BATCH * NEW_TOKENS / best(generate, live.device),
    }


def best(run: Callable[[], Any], device: torch.device, repeat: int = 3) -> float:
    """The least seconds of a few runs, after one that is not counted."""
    found = []
    for _ in range(repeat + 1):
        began = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        found.append(time.perf_counter() - began)
    return min(found[1:])


def _table(result: Mapping[str, Any]) -> str:
    copy = result["copy_gigabytes_per_second"]
    equal = {row["method"]: row["equal"] for row in result["bytes"]}
    lines = [
        f"{result['device']}, torch {result['torch']}, transformers {result['transformers']}; "
        f"a copy on the device: {copy:.0f} GB/s",
        f"{'method':<17}{'size':<6}{'placement':<10}{'s':>8}{'GB/s':>8}{'of copy':>9}{'busy':>7}"
        "  bytes",
    ]
    for row in result["merges"]:
        speed = row["gigabytes_per_second"]
        busy = "-" if row["busy"] is None else f"{row['busy']:.0%}"
        lines.append(
            f"{row['method']:<17}{row['size']:<6}{row['placement']:<10}{row['seconds']:>8.4f}"
            f"{speed:>8.1f}{speed / copy:>9.0%}{busy:>7}"
            f"  {'equal' if equal[row['method']] else 'DIFFERENT'}"
        )
    for row in result["scoring"]:
        lines.append(
            f"{row['size']} (at most {LAYERS} layers): "
            f"{row['loglikelihood_tokens_per_second']:,.0f} tokens/s of log-likelihoods, "
            f"{row['generated_tokens_per_second']:,.0f} generated tokens/s"
        )
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1; cpu to try out the script")
    parser.add_argument("--sizes", nargs="+", type=model_size, default=["400M", "7B"])
    parser.add_argument("--methods", nargs="+", choices=PARAMETERS, default=list(PARAMETERS))
    parser.add_argument("--repeat", type=int, default=5, help="runs, of which the best counts")
    parser.add_argument("--folder", type=Path, help="where models are made; some 20 GB for 7B")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
