"""Measures the engines hf and vllm as a search uses them: merge, load, gate and score, in one run.

    scripts/setup --vllm
    PYTHONPATH=. .venv-vllm/bin/python scripts/bench_engines.py --size 150M
    scripts/bench score --engine vllm                  # the same, with the defaults

The models are Llama-shaped, random and bf16, with the demo's tokenizer and tasks. Each engine is a
real worker in this process; the candidates are the same ties merges for both, taken in turn, so
that both meet the same disturbances. `start` is from the worker's making to its readiness, `first`
the whole of its first candidate, which is not counted in the other columns. `merge` alone computes
the tensors and drops them; `load` is merging and writing or reloading them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch
import transformers

from evaluators.demo import SKILLS
from evaluators.tasks import SuiteSettings, VllmSettings
from scripts.bench_merge import MODELS, llama_of, make_models, model_size, note
from workers.candidate import Candidate, Outcome
from workers.demo import make_demo
from workers.recipe import Group, Recipe, Source
from workers.worker import Setup, Worker

COLUMNS = ("start", "first", "merge", "load", "gate", "score")


def main() -> None:
    """Measures what the command line asks for, and prints it."""
    options = _options()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory(prefix="mergefront-bench-") as folder:
        result = measure(options, Path(folder))
    print(json.dumps(result, indent=2) if options.json else _text(result))


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The seconds of each phase, by engine: the median over the candidates."""
    demo = make_demo(options.demo)
    sources = _models(options.size, demo.base, folder)
    base = sources.pop("base")
    workers, starts = {}, {}
    for engine in options.engines:
        note(f"starting {engine}")
        begin = time.perf_counter()
        suite = SuiteSettings(
            tasks=SKILLS,
            folder=demo.tasks,
            engine=engine,
            vllm=VllmSettings(dtype=options.dtype, max_model_len=512, enforce_eager=True),
        )
        workers[engine] = Worker(Setup(base, sources, suite))
        starts[engine] = time.perf_counter() - begin
    outcomes: dict[str, list[Outcome]] = {engine: [] for engine in workers}
    merges: dict[str, list[float]] = {engine: [] for engine in workers}
    for number in range(options.candidates):
        weights = {name: 0.1 + 0.2 * ((number + i) % 4) for i, name in enumerate(sources)}
        group = Group({"weight": weights, "density": 0.5})
        candidate = Candidate(number, Recipe("ties", sources, (group,), base))
        for engine, worker in workers.items():
            note(f"candidate {number} by {engine}")
            merges[engine].append(_merge_alone(worker, candidate.recipe))
            outcomes[engine].append(worker.evaluate(candidate))
            assert outcomes[engine][-1].state == "scored", outcomes[engine][-1].cause
    suite_documents = sum(
        map(len, workers[options.engines[0]]._evaluator.documents["search"].values())
    )
    return {
        "parameters": sum(p.numel() for p in _meta(options.size).parameters()),
        "documents": suite_documents,
        "threads": options.threads,
        "engines": {
            engine: {
                "start": starts[engine],
                "first": sum(found[0].seconds.values()),
                "merge": median(merges[engine][1:]),
                **_phases(found[1:]),
            }
            for engine, found in outcomes.items()
        },
    }


def _models(size: str, like: Path, folder: Path) -> dict[str, Source]:
    """Models of a size with the demo's tokenizer; vocabularies are as large as the models say."""
    make_models(folder, llama_of(size))
    for name in ("base", *MODELS):
        for file in like.glob("token*"):
            shutil.copy(file, folder / name)
    return {name: Source(str(folder / name)) for name in ("base", *MODELS)}


def _meta(size: str) -> Any:
    with torch.device("meta"):
        return transformers.AutoModelForCausalLM.from_config(llama_of(size))


def _merge_alone(worker: Worker, recipe: Recipe) -> float:
    begin = time.perf_counter()
    for _ in worker._engine.stream(recipe):
        pass
    return time.perf_counter() - begin


def _phases(outcomes: list[Outcome]) -> dict[str, float]:
    columns = {"load": "merge", "gate": "gate", "score": "score"}
    return {
        column: median(each.seconds[phase] for each in outcomes)
        for column, phase in columns.items()
    }


def _text(result: Mapping[str, Any]) -> str:
    lines = [
        f"{result['parameters'] / 1e6:.0f}M parameters, {result['documents']} documents, "
        f"{result['threads']} threads; seconds, median of the candidates",
        f"{'engine':<8}" + "".join(f"{column:>8}" for column in (*COLUMNS, "all")),
    ]
    for engine, row in result["engines"].items():
        every = [*(row[column] for column in COLUMNS), row["load"] + row["gate"] + row["score"]]
        lines.append(f"{engine:<8}" + "".join(f"{value:>8.2f}" for value in every))
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench engines",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--size", type=model_size, default="150M")
    parser.add_argument("--engines", nargs="+", choices=("hf", "vllm"), default=["hf", "vllm"])
    parser.add_argument("--dtype", default="bfloat16", help="of vLLM's computation")
    parser.add_argument("--candidates", type=int, default=4, help="the first one is not counted")
    parser.add_argument("--demo", type=Path, default=Path("demo"), help="made here if it is not")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
