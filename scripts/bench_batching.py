"""Measures two ways to score faster with transformers that are not built in, and why.

    scripts/bench batching
    PYTHONPATH=. python3 scripts/bench_batching.py --size 400M --device cuda

`candidates at once`: the log-likelihood forward of k models of one architecture as one vmap over
their stacked weights, against the same forwards one after another. `continuous batching`:
transformers' `generate_batch` against `generate` in padded batches, on prompts of mixed lengths.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

import torch
import transformers
from torch.func import functional_call, stack_module_state, vmap

from scripts.bench_gpu import best
from scripts.bench_merge import llama_of, model_size, note

TOKENS, NEW_TOKENS, PROMPTS = 64, 32, 24
REPEAT = 6


def main() -> None:
    """Measures both, and prints what came out."""
    options = _options()
    torch.set_num_threads(options.threads)
    config = llama_of(options.size)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model = model.eval().to(options.device)
    result = {
        "parameters": model.num_parameters(),
        "device": options.device,
        "at_once": {k: candidates_at_once(model, k, options) for k in options.candidates},
        "continuous": continuous(model),
    }
    print(json.dumps(result, indent=2) if options.json else _text(result))


@torch.inference_mode()
def candidates_at_once(model: Any, k: int, options: argparse.Namespace) -> float:
    """How many times faster one forward of k models is than k forwards."""
    note(f"{k} candidates at once")
    models = [copy.deepcopy(model) for _ in range(k)]
    stacked, buffers = stack_module_state(models)
    skeleton = copy.deepcopy(model).to("meta")
    tokens = torch.randint(0, model.config.vocab_size, (options.batch, TOKENS), device=model.device)

    def forward(parameters: Any, state: Any) -> torch.Tensor:
        mask = torch.ones_like(tokens)
        given = {"attention_mask": mask, "use_cache": False}
        logits: torch.Tensor = functional_call(skeleton, (parameters, state), tokens, given).logits
        return logits

    def together() -> None:
        vmap(forward)(stacked, buffers)

    def in_turn() -> None:
        for each in models:
            each(tokens, use_cache=False)

    return ratio(in_turn, together, model.device)


@torch.no_grad()
def continuous(model: Any) -> Mapping[str, Any]:
    """How many times faster it is, and whether both ways generate the same tokens."""
    note("continuous batching")
    random = torch.Generator().manual_seed(0)
    lengths = torch.randint(8, TOKENS, (PROMPTS,), generator=random).tolist()
    prompts = [
        torch.randint(2, model.config.vocab_size, (n,), generator=random).tolist() for n in lengths
    ]
    limits = transformers.GenerationConfig(
        max_new_tokens=NEW_TOKENS, do_sample=False, eos_token_id=-1, pad_token_id=0
    )
    found: dict[str, Any] = {}

    def padded() -> None:
        longest = max(lengths)
        rows = [[0] * (longest - len(p)) + p for p in prompts]
        mask = [[0] * (longest - len(p)) + [1] * len(p) for p in prompts]
        ids, masks = (torch.tensor(each, device=model.device) for each in (rows, mask))
        out = model.generate(ids, attention_mask=masks, generation_config=limits)
        found["padded"] = out[:, longest:].tolist()

    def batched() -> None:
        outputs = model.generate_batch(
            prompts, generation_config=limits, progress_bar=False, persistent_manager=True
        )
        found["batched"] = [each.generated_tokens for each in outputs.values()]

    try:
        gain = ratio(padded, batched, model.device)
    except (AttributeError, ImportError, NotImplementedError, RuntimeError, ValueError) as error:
        return {"error": (str(error).strip().splitlines() or [type(error).__name__])[0]}
    same = sorted(found["padded"]) == sorted(found.get("batched", []))
    return {"ratio": gain, "same_tokens": same}


def ratio(one: Callable[[], Any], other: Callable[[], Any], device: torch.device) -> float:
    """How many times faster the other way is: both in turn, so that they meet the same load."""
    runs = [(best(one, device, 1), best(other, device, 1)) for _ in range(REPEAT)]
    return min(seconds for seconds, _ in runs) / min(seconds for _, seconds in runs)


def _text(result: Mapping[str, Any]) -> str:
    lines = [f"{result['parameters'] / 1e6:.0f}M parameters, {result['device']}"]
    for k, ratio in result["at_once"].items():
        lines.append(f"{k} candidates at once: {ratio:.2f} times as fast as one after another")
    lines.append(f"continuous batching: {_continuous_text(result['continuous'])}")
    return "\n".join(lines)


def _continuous_text(result: Mapping[str, Any]) -> str:
    if "error" in result:
        return f"does not run here: {result['error']}"
    tokens = "the same" if result["same_tokens"] else "other"
    return f"{result['ratio']:.2f} times as fast as `generate`, {tokens} tokens"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench batching",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--size", type=model_size, default="20M")
    parser.add_argument("--candidates", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
