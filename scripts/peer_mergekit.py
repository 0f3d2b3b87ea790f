"""Times one in-memory merge of mergekit's. Runs in mergekit's environment, for scripts/bench merge.

Times what a search that keeps mergekit in its process would wait for: plan, run, and the copy into
a live model. Its imports and the start of its process are left out.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch
from mergekit.architecture import arch_info_for_config
from mergekit.config import MergeConfiguration
from mergekit.graph import Executor
from mergekit.options import MergeOptions
from mergekit.plan import MergePlanner
from transformers import AutoConfig

folder, method, setting = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
torch.set_num_threads(setting["threads"])
clock = time.perf_counter if setting["clock"] == "wall" else time.process_time

parameters = setting["parameters"]
names = ("x", "y") if method == "slerp" else ("x", "y", "z")
per_model = {
    name: {k: v[name] for k, v in parameters.items() if isinstance(v, dict)} for name in names
}
config = MergeConfiguration.model_validate(
    {
        "merge_method": method,
        "base_model": str(folder / ("x" if method == "slerp" else "base")),
        "models": [{"model": str(folder / n), "parameters": per_model[n]} for n in names],
        "parameters": {k: v for k, v in parameters.items() if not isinstance(v, dict)},
        "dtype": "bfloat16",
    }
    if method != "linear"
    else {
        "merge_method": method,
        "models": [{"model": str(folder / n), "parameters": per_model[n]} for n in names],
        "dtype": "bfloat16",
    }
)
donor = AutoConfig.from_pretrained(folder / "base")
architecture = arch_info_for_config(donor)


def merge() -> float:
    """Seconds of one merge into tensors that are there already."""
    live: dict[str, torch.Tensor] = {}
    began = clock()
    planner = MergePlanner(config, architecture, MergeOptions(), donor)
    copied = 0.0
    planner._plan()  # plan_in_memory wraps these in tasks that pydantic 2.10 and newer refuse
    names = {task: weight.name for weight, task in planner._tensors}
    for task, value in Executor(list(names)).run():
        name = names[task]
        made = clock()
        live.setdefault(name, torch.empty_like(value))  # the live model's memory is not its work
        copied += clock() - made
        live[name].copy_(value)
    return clock() - began - copied


print(json.dumps({"seconds": min(merge() for _ in range(2 if method == "linear" else 1))}))
