"""The plain lm-eval command that repeats a scoring."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from evaluators.tasks import SuiteSettings


def command(
    settings: SuiteSettings,
    documents: Mapping[str, Sequence[int]],
    path: Path,
    device: str | None,
) -> list[str]:
    """Arguments that make lm-eval score a model directory on these documents.

    Its values equal ours bit for bit on the same device with the same number of threads.
    """
    optional = {
        "--include_path": settings.folder,
        "--num_fewshot": settings.num_fewshot,
        "--device": device,
    }
    return [
        *("lm_eval", "run", "--model", "hf", "--model_args", f"pretrained={path}"),
        *("--tasks", ",".join(documents), "--batch_size", str(settings.batch_size)),
        *("--samples", json.dumps({name: list(ids) for name, ids in documents.items()})),
        *(
            text
            for key, value in optional.items()
            if value is not None
            for text in (key, str(value))
        ),
        *(["--apply_chat_template"] if settings.apply_chat_template else []),
    ]
