"""What must be allowed by name: tasks that run code, and searching on public test sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evaluators.tasks import Function

if TYPE_CHECKING:
    from evaluators.tasks import TaskFile

# Data set -> the splits by which models are compared in public. Old names of a set lie beside new
# ones; a copy under another name is not recognised.
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
    """The public test set that a task scores, as `data set, split`; None if it is none."""
    path = str(file.config.get("dataset_path") or "")
    split = str(file.config.get("test_split") or file.config.get("validation_split") or "")
    plain = split.partition("[")[0]  # `test[:100]` is still the test set
    return f"{path}, {plain}" if plain in PUBLIC_TESTS.get(path.lower(), ()) else None


def benchmark_problem(file: TaskFile) -> str | None:
    """Why a search must not be scored on a task without being told so; None if it may."""
    found = public_test(file)
    return found and (
        f"task {file.name}: scores the public test set {found}; models tuned on it can't be "
        "compared by it, so say `scoring: {allow_benchmark_tuning: true}` if you mean it"
    )


def code_problem(file: TaskFile) -> str | None:
    """What code a task brings, and how to allow it; None if it brings none."""
    found = ", ".join(dict.fromkeys(_code(file.config)))
    return found and (
        f"task {file.name}: {file.path} runs code ({found}); if you trust it, say "
        f"`scoring: {{allow_code: [{file.name}]}}`"
    )


def strings(value: Any) -> Iterator[str]:
    """Every string in a nested value of YAML: a task's templates are among them."""
    if isinstance(value, str):
        yield value
    for inner in _inner(value):
        yield from strings(inner)


def _code(value: Any) -> Iterator[str]:
    if isinstance(value, Function):
        yield f"!function {value}"
    if isinstance(value, Mapping):
        yield from (key for key in ("class", "unsafe_code", "hf_evaluate") if value.get(key))
    for inner in _inner(value):
        yield from _code(inner)


def _inner(value: Any) -> Sequence[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list) else ()
