"""Measures scoring against the model's own work and against repeated lm-eval, in one run.

    scripts/bench score
    scripts/bench score --layers 12 --width 1024 --device cuda

One live model gets the weights of one demo model after another, as a search does with candidates,
and is scored on all of the demo's documents by the suite and by `lm_eval.simple_evaluate`, which
is handed the same model object and keeps its task manager. Both must agree to the last bit.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch

START = time.perf_counter()

import lm_eval.utils  # noqa: E402 - what follows is part of a worker's start
from lm_eval import simple_evaluate  # noqa: E402
from lm_eval.models.huggingface import HFLM  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig  # noqa: E402

from evaluators.demo import SKILLS  # noqa: E402
from evaluators.suite import Suite  # noqa: E402
from evaluators.suite.templates import TEMPLATES  # noqa: E402
from evaluators.tasks import SuiteSettings  # noqa: E402
from workers.demo import make_demo  # noqa: E402


def main() -> None:
    """Measures what the command line asks for, and prints it."""
    options = _options()
    torch.set_num_threads(options.threads)
    imports = time.perf_counter() - START
    demo = make_demo(options.demo)
    paths = [demo.base, *demo.experts.values()]
    tokenizer = AutoTokenizer.from_pretrained(demo.base)
    model = _model(options, demo.base)
    begin = time.perf_counter()
    suite = Suite(SuiteSettings(tasks=SKILLS, folder=demo.tasks))
    suite.bind(model, tokenizer)
    documents = {
        task: sorted(i for its in suite.documents.values() for i in its[task]) for task in SKILLS
    }
    suite.score(documents)
    first = imports + time.perf_counter() - begin
    assert suite._engine
    rival = Rival(model, tokenizer, demo.tasks, suite._engine.batch_size)
    rounds = []
    for number in range(options.rounds):
        if options.width is None:
            weights = AutoModelForCausalLM.from_pretrained(paths[number % len(paths)])
            model.load_state_dict(weights.state_dict())
        rounds.append(_round(suite, rival, documents))
    result = _summary(rounds[1:], first, suite, options)  # the first round warms up
    print(json.dumps(result, indent=2) if options.json else _text(result))


class Rival:
    """`simple_evaluate` as one would call it again and again."""

    def __init__(self, model: Any, tokenizer: Any, tasks: Path, batch_size: int) -> None:
        with quiet():
            self._lm = HFLM(
                pretrained=model,
                tokenizer=tokenizer,
                batch_size=batch_size,
                softmax_dtype="float32",
            )
        self._manager = TaskManager(include_path=tasks, include_defaults=False)

    def score(self) -> dict[str, dict[str, float]]:
        """Aggregates by task, metric and filter."""
        with quiet(), unchanged_lm_eval():
            result = simple_evaluate(
                self._lm, tasks=list(SKILLS), task_manager=self._manager, bootstrap_iters=0
            )
        return {
            task: {k: v for k, v in its.items() if "," in k and "stderr" not in k}
            for task, its in result["results"].items()
        }


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Progress bars cost lm-eval time on a terminal, so they go nowhere."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        yield


@contextlib.contextmanager
def unchanged_lm_eval() -> Iterator[None]:
    """Without the compiled templates that importing the suite gives to lm-eval too."""
    lm_eval.utils.env = TEMPLATES._plain
    try:
        yield
    finally:
        lm_eval.utils.env = TEMPLATES


@contextlib.contextmanager
def timed(owner: Any, name: str, clock: Callable[[], float]) -> Iterator[list[float]]:
    """The seconds that calls of a method take while in here."""
    inner, seconds = getattr(owner, name), [0.0]

    def call(*args: Any, **kwargs: Any) -> Any:
        begin = clock()
        try:
            return inner(*args, **kwargs)
        finally:
            seconds[0] += clock() - begin

    setattr(owner, name, call)
    try:
        yield seconds
    finally:
        delattr(owner, name)  # the class's own again


def _clock() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def _round(suite: Suite, rival: Rival, documents: Mapping[str, list[int]]) -> dict[str, float]:
    assert suite._engine
    with timed(suite._engine, "respond", _clock) as calls:
        begin = _clock()
        ours = suite.score(documents)
        total = _clock() - begin
    with timed(suite._engine.model, "forward", _clock) as forwards:
        suite.score(documents)
    begin = _clock()
    theirs = rival.score()
    repeated = _clock() - begin
    for task, values in theirs.items():
        assert values.items() <= ours.values[task].items(), (task, values, ours.values[task])
    return {
        "score": total,
        "lm_calls": calls[0],
        "forwards": forwards[0],
        "simple_evaluate": repeated,
    }


def _summary(
    rounds: list[dict[str, float]], first: float, suite: Suite, options: argparse.Namespace
) -> dict[str, Any]:
    seconds = {key: median(each[key] for each in rounds) for key in rounds[0]}
    assert suite._engine
    return {
        "device": str(suite._engine.device),
        "threads": options.threads,
        "cores": os.cpu_count(),
        "parameters": suite._engine.model.num_parameters(),
        "documents": sum(map(len, suite._task_documents.values())),
        "batch_size": suite._engine.batch_size,
        "rounds": len(rounds),
        "seconds": seconds,
        "fixed": seconds["score"] - seconds["lm_calls"],
        "over_lm_calls": median(each["score"] / each["lm_calls"] for each in rounds),
        "over_forwards": median(each["score"] / each["forwards"] for each in rounds),
        "faster_than_simple_evaluate": median(
            each["simple_evaluate"] / each["score"] for each in rounds
        ),
        "first_score": first,
    }


def _text(r: Mapping[str, Any]) -> str:
    s = r["seconds"]
    return "\n".join(
        [
            f"{r['parameters']:,} parameters, {r['documents']} documents, {r['device']}, "
            f"{r['threads']} of {r['cores']} cores, median of {r['rounds']} rounds",
            f"score a candidate     {s['score']:.3f} s",
            f"  of which LM calls   {s['lm_calls']:.3f} s   all else {r['fixed']:.3f} s",
            f"  of which forwards   {s['forwards']:.3f} s",
            f"simple_evaluate       {s['simple_evaluate']:.3f} s",
            f"score / LM calls      {r['over_lm_calls']:.2f}",
            f"score / forwards      {r['over_forwards']:.2f}",
            f"simple_evaluate / score {r['faster_than_simple_evaluate']:.1f}",
            f"from start to first score {r['first_score']:.1f} s (imports included)",
        ]
    )


def _model(options: argparse.Namespace, base: Path) -> Any:
    if options.width is None:
        return AutoModelForCausalLM.from_pretrained(base).to(options.device)
    config = LlamaConfig.from_pretrained(base)
    config.hidden_size, config.intermediate_size = options.width, 3 * options.width
    config.num_attention_heads = config.num_key_value_heads = options.width // 64
    config.head_dim, config.num_hidden_layers = 64, options.layers
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    return model.to(options.device).eval()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--demo", type=Path, default=Path("demo"), help="made here if it is not")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--width", type=int, help="score a random model of this width instead")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
