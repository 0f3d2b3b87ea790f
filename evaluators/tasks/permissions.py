"""What a user must allow explicitly: tasks that run code, and searching on public test sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evaluators.tasks.files import Function

if TYPE_CHECKING:
    from evaluators.tasks.files import TaskFile

# Data set -> the splits that public comparisons of models use. A data set that was renamed is
# listed under both names; a copy under any other name is not recognised.
PUBLIC_TESTS: dict[str, tuple[str, ...]] = {
    "aps/super_glue": ("validation", "test"),
    "super_glue": ("validation", "test"),
    "allenai/ai2_arc": ("test",),
    "ai2_arc": ("test",),
    "allenai/openbookqa": ("test",),
    "openbookqa": ("test",),
    "allenai/sciq": ("test",),
    "sciq": ("test",),
    "allenai/winogrande": ("validation", "test"),
    "winogrande": ("validation", "test"),
    "baber/piqa": ("validation", "test"),
    "ybisk/piqa": ("validation", "test"),
    "piqa": ("validation", "test"),
    "cais/mmlu": ("test",),
    "hails/mmlu_no_train": ("test",),
    "openai/mmmlu": ("test",),
    "coherelabs/global-mmlu": ("test",),
    "cohereforai/global-mmlu": ("test",),
    "tiger-lab/mmlu-pro": ("test",),
    "haonan-li/cmmlu": ("test",),
    "eleutherai/asdiv": ("validation",),
    "eleutherai/coqa": ("validation",),
    "eleutherai/drop": ("validation",),
    "eleutherai/hendrycks_math": ("test",),
    "huggingfaceh4/math-500": ("test",),
    "eleutherai/lambada_openai": ("test",),
    "cimec/lambada": ("test",),
    "eleutherai/logiqa": ("test",),
    "eleutherai/race": ("test",),
    "eleutherai/wikitext_document_level": ("test",),
    "gbaker/medqa-usmle-4-options-hf": ("test",),
    "openlifescienceai/medmcqa": ("validation", "test"),
    "google/boolq": ("validation",),
    "google/ifeval": ("train",),
    "wis-k/instruction-following-eval": ("train",),
    "google-research-datasets/mbpp": ("test",),
    "mbpp": ("test",),
    "evalplus/mbppplus": ("test",),
    "openai/openai_humaneval": ("test",),
    "openai_humaneval": ("test",),
    "evalplus/humanevalplus": ("test",),
    "google-research-datasets/nq_open": ("validation",),
    "mandarjoshi/trivia_qa": ("validation", "test"),
    "idavidrein/gpqa": ("train",),
    "juletxara/mgsm": ("test",),
    "lukaemon/bbh": ("test",),
    "saylortwift/bbh": ("test",),
    "madrylab/gsm8k-platinum": ("test",),
    "openai/gsm8k": ("test",),
    "gsm8k": ("test",),
    "rowan/hellaswag": ("validation", "test"),
    "hellaswag": ("validation", "test"),
    "tau/commonsense_qa": ("validation", "test"),
    "truthfulqa/truthful_qa": ("validation",),
    "truthful_qa": ("validation",),
}


def public_test(file: TaskFile) -> str | None:
    """The public test set that a task uses, as `data set, split`; None if it uses none."""
    path = str(file.config.get("dataset_path") or "")
    split = str(file.config.get("test_split") or file.config.get("validation_split") or "")
    plain = split.partition("[")[0]  # `test[:100]` is still the test set
    return f"{path}, {plain}" if plain in PUBLIC_TESTS.get(path.lower(), ()) else None


def benchmark_error(file: TaskFile) -> str | None:
    """Why a search on this task needs permission; None if it does not."""
    found = public_test(file)
    return found and (
        f"task {file.name}: uses the public test set {found}; models tuned on it cannot be "
        "compared on it; to allow this, set `scoring: {allow_benchmark_tuning: true}`"
    )


def code_error(file: TaskFile) -> str | None:
    """The code that a task would run, and how to allow it; None if it runs no code."""
    found = ", ".join(dict.fromkeys(_code(file.config)))
    return found and (
        f"task {file.name}: {file.path} runs code ({found}); if you trust it, set "
        f"`scoring: {{allow_code: [{file.name}]}}`"
    )


def strings(value: Any) -> Iterator[str]:
    """Every string in a nested YAML value, which includes all templates of a task."""
    if isinstance(value, str):
        yield value
    for child in _children(value):
        yield from strings(child)


def _code(value: Any) -> Iterator[str]:
    if isinstance(value, Function):
        yield f"!function {value}"
    if isinstance(value, Mapping):
        yield from (key for key in ("class", "unsafe_code", "hf_evaluate") if value.get(key))
    for child in _children(value):
        yield from _code(child)


def _children(value: Any) -> Sequence[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list) else ()
