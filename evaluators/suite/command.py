"""The plain lm-eval command that repeats a scoring."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from evaluators.scores import Conditions
    from evaluators.tasks import SuiteSettings

SOFTMAX_DTYPE = "float32"  # in bfloat16 a log-likelihood moves by 0.1 with the batch it is in


def command(
    settings: SuiteSettings,
    documents: Mapping[str, Sequence[int]],
    path: Path,
    conditions: Conditions | None,
    folder: Path | None,
) -> list[str]:
    """Arguments that make lm-eval score a model directory on these documents.

    `folder` is where data files are named from, where any are named relatively.
    """
    model = {
        "pretrained": path.absolute(),
        "softmax_dtype": SOFTMAX_DTYPE,
        "max_length": settings.max_length,
    }
    batch_size = conditions.batch_size if conditions else settings.batch_size
    optional = {
        "--include_path": settings.folder and settings.folder.absolute(),
        "--num_fewshot": settings.num_fewshot,
        "--gen_kwargs": settings.max_gen_toks and f"max_gen_toks={settings.max_gen_toks}",
        "--device": conditions and conditions.device,
    }
    return [
        *_environment(conditions, folder),
        *("lm_eval", "run", "--model", "hf", "--model_args"),
        ",".join(f"{key}={value}" for key, value in model.items() if value is not None),
        *("--tasks", ",".join(documents), "--batch_size", str(batch_size)),
        *("--samples", json.dumps({name: list(ids) for name, ids in documents.items()})),
        *(
            part
            for key, value in optional.items()
            if value is not None
            for part in (key, str(value))
        ),
        *(["--apply_chat_template"] if settings.apply_chat_template else []),
    ]


def _environment(conditions: Conditions | None, folder: Path | None) -> list[str]:
    place = ["-C", str(folder.absolute())] if folder else []
    threads = [f"OMP_NUM_THREADS={conditions.threads}"] if conditions else []
    return ["env", *place, *threads] if place or threads else []
