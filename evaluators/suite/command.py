"""The lm-eval command that reproduces the scores of a model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from evaluators.scores import Conditions
    from evaluators.tasks import SuiteSettings

SOFTMAX_DTYPE = "float32"  # in bfloat16 a log-likelihood changes by 0.1 with the batch it is in


def command(
    settings: SuiteSettings,
    documents: Mapping[str, Sequence[int]],
    path: Path,
    conditions: Conditions | None,
    folder: Path | None,
) -> list[str]:
    """Arguments that make lm-eval score a model directory on these documents.

    `folder` is the directory that relative data files are relative to, if there are any.
    """
    model, arguments, batch_size = (
        _vllm(settings, conditions)
        if settings.engine == "vllm"
        else _transformers(settings, path, conditions)
    )
    model_args = {"pretrained": path.absolute(), **arguments}
    return [
        *_environment(conditions, folder),
        *("lm_eval", "run", "--model", model, "--model_args", _joined(model_args)),
        *("--tasks", ",".join(documents), "--batch_size", batch_size),
        *("--samples", json.dumps({name: list(ids) for name, ids in documents.items()})),
        *_options(settings, conditions if settings.engine != "vllm" else None),
        *(["--apply_chat_template"] if settings.apply_chat_template else []),
    ]


def _transformers(
    settings: SuiteSettings, path: Path, conditions: Conditions | None
) -> tuple[str, dict[str, Any], str]:
    """lm-eval's model, its arguments and the batch size for the engine `hf`."""
    arguments = {"softmax_dtype": SOFTMAX_DTYPE, "max_length": settings.max_length}
    size = conditions.batch_size if conditions else settings.batch_size
    return _model(path), arguments, str(size)


def _vllm(
    settings: SuiteSettings, conditions: Conditions | None
) -> tuple[str, dict[str, Any], str]:
    """The same for the engine `vllm`."""
    on_cpu = conditions is not None and conditions.device == "cpu"
    return "vllm", settings.vllm.arguments(settings.max_length, on_cpu=on_cpu), "auto"


def _joined(arguments: Mapping[str, Any]) -> str:
    return ",".join(f"{key}={value}" for key, value in arguments.items() if value is not None)


def _model(path: Path) -> str:
    """lm-eval's name for the class that loads a model; `hf` does not load all multi-part models."""
    file = path / "config.json"
    config = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if "vision_config" not in config:
        return "hf"
    from lm_eval.models.huggingface import (  # noqa: PLC0415 - takes 4 s
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    )

    return "hf" if config["model_type"] in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES else "hf-multimodal"


def _environment(conditions: Conditions | None, folder: Path | None) -> list[str]:
    directory = ["-C", str(folder.absolute())] if folder else []
    variables = [f"OMP_NUM_THREADS={conditions.threads}"] if conditions else []
    return ["env", *directory, *variables] if directory or variables else []


def _options(settings: SuiteSettings, conditions: Conditions | None) -> list[str]:
    options = {
        "--include_path": settings.folder and settings.folder.absolute(),
        "--num_fewshot": settings.num_fewshot,
        "--gen_kwargs": settings.max_gen_toks and f"max_gen_toks={settings.max_gen_toks}",
        "--device": conditions and conditions.device,
    }
    given = {key: str(value) for key, value in options.items() if value is not None}
    return [part for option in given.items() for part in option]
