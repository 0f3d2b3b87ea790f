"""How a LoRA adapter fits a model: which tensors it changes, and which the adapted model has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from workers.checkpoint.adapter import EMBEDDING_A, EMBEDDING_B, LORA_A, LORA_B, Adapter
from workers.checkpoint.checkpoint import Checkpoint, embedding_of, heads
from workers.checkpoint.headers import TensorInfo
from workers.checkpoint.location import ADAPTER_CONFIG
from workers.checkpoint.parts import with_language_config
from workers.recipe import is_vocabulary, module_of

MERGE_ELSEWHERE = (
    "load model and adapter with peft as in training, and save the model that merge_and_unload() "
    "returns"
)


def adapted_tensors(adapter: Adapter, model: Checkpoint) -> dict[str, TensorInfo]:
    """The tensors of the adapted model.

    Those of the model; a tied model gets a head of its own if head and embedding differ once
    adapted, and the vocabulary has the rows of an embedding that the adapter contains.

    Raises:
        ValueError: if tokens were added in training and their rows are not in the adapter.
    """
    tensors = dict(model.tensors)
    if _separates_head(adapter, model):
        tensors[_head_of(model)] = model.tensors[embedding_of(model)]
    rows = _rows(adapter, model)
    _check_tokens(adapter, model, rows or model.vocabulary_rows)
    if rows is None:
        return tensors
    return {
        name: replace(info, shape=(rows, *info.shape[1:])) if is_vocabulary(name) else info
        for name, info in tensors.items()
    }


def adapted_config(model: Checkpoint, tensors: Mapping[str, TensorInfo]) -> dict[str, Any]:
    """The config of the adapted model, which has these tensors."""
    config = dict(model.config)
    if heads(tensors) != heads(model.tensors):
        config["tie_word_embeddings"] = False
    rows = Checkpoint(model.path, tensors, {}).vocabulary_rows
    if rows != model.vocabulary_rows:
        config = with_language_config(config, {"vocab_size": rows})
    return config


def changed_tensors(
    adapter: Adapter, model: Checkpoint, tensors: Mapping[str, TensorInfo]
) -> dict[str, str]:
    """The tensors of the adapted model that are not the model's.

    Args:
        adapter: checked against `tensors`.
        model: the one it is applied to.
        tensors: of the adapted model.

    Returns:
        Tensor -> its name in the adapter, in the order of `tensors`.

    Raises:
        ValueError: if the adapter changes a tensor that does not exist or has another shape.
    """
    same = {name for name, info in tensors.items() if model.tensors.get(name) == info}
    changes = {name: name for name in tensors if name not in same}
    stored = _stored_names(model)
    for target, parts in adapter.targets.items():
        name = _tensor_name(stored.get(target, target), tensors)
        if name is None:
            changed = f"{adapter.file}: {next(iter(parts.values()))} changes {target}"
            raise ValueError(_not_merged(adapter, model, changed, stored.get(target)))
        for key in _misfits(adapter, parts, tensors[name].shape):
            raise ValueError(_misfit(adapter, model, key, name, tensors[name].shape))
        changes[name] = target
    return {name: changes[name] for name in tensors if name in changes}


def _separates_head(adapter: Adapter, model: Checkpoint) -> bool:
    """Whether head and embedding of a tied model differ in the live adapted model."""
    if not model.tied or adapter.config.get("ensure_weight_tying"):
        return False
    saved = {str(each).split(".")[-1] for each in adapter.config.get("modules_to_save") or ()}
    for target, parts in adapter.targets.items():
        module = target.rpartition(".")[0].split(".")[-1]
        trained = any(part.startswith("lora_") for part in parts) or module in saved
        if is_vocabulary(target) and trained:
            return True
    return _tokens_differ(adapter.config.get("trainable_token_indices"))


def _tokens_differ(given: object) -> bool:
    """Whether tokens are trained in the head alone, or others than in the embedding."""
    if not isinstance(given, Mapping):
        return False
    of = {module_of(f"{module}.weight"): tokens for module, tokens in given.items()}
    return "head" in of and of["head"] != of.get("embed")


def _head_of(model: Checkpoint) -> str:
    """The name that the head of a tied model has once it is separate."""
    from workers.checkpoint.live import meta_model  # noqa: PLC0415 - imports torch

    untied = replace(model, config={**model.config, "tie_word_embeddings": False})
    return next(name for name in meta_model(untied).shapes if module_of(name) == "head")


def _rows(adapter: Adapter, model: Checkpoint) -> int | None:
    """Vocabulary rows of the adapted model, if the adapter contains another number."""
    saved = {
        (module_of(target), part): adapter.tensors[key].shape[0]
        for target, parts in adapter.targets.items()
        for part, key in parts.items()
        if is_vocabulary(target) and part.endswith("weight") and "lora_" not in part
    }
    rows, known = max(saved.values(), default=None), model.vocabulary_rows
    if rows is None or known is None or rows == known:
        return None
    contained = {where for where, part in saved}
    if model.tied and ("head", "base_layer.weight") in saved:
        contained.add("embed")  # one tensor in training
    for name in model.tensors:
        if rows > known and is_vocabulary(name) and module_of(name) not in contained:
            raise ValueError(
                f"{adapter.file}: contains a vocabulary of {rows} rows, and {name} of {model.path} "
                f"has {known}, but it lacks the rows that were added to {name} in training; "
                f"{MERGE_ELSEWHERE}"
            )
    return rows


def _check_tokens(adapter: Adapter, model: Checkpoint, rows: int | None) -> None:
    given = adapter.config.get("trainable_token_indices") or []
    tokens = [i for each in given.values() for i in each] if isinstance(given, Mapping) else given
    last = max(tokens, default=0)
    if rows is not None and last >= rows:
        raise ValueError(
            f"{adapter.path / ADAPTER_CONFIG}: trainable_token_indices contains {last}, but the "
            f"embedding of {model.path} has {rows} rows; it was trained with added tokens whose "
            f"rows it does not contain: {MERGE_ELSEWHERE}"
        )


def _stored_names(model: Checkpoint) -> dict[str | None, str]:
    """Live name -> the one in the files, where a multi-part model may have another."""
    if not model.towers:
        return {}
    from workers.checkpoint.live import meta_model  # noqa: PLC0415 - imports torch

    names = meta_model(model).file_names
    return {names.live_name(name): name for name in (*model.tensors, *model.towers)}


def _not_merged(adapter: Adapter, model: Checkpoint, changed: str, stored: str | None) -> str:
    """Why the adapter's change of a tensor cannot be applied."""
    if stored in model.towers:
        return (
            f"{changed}, which is outside the language model of {model.path}; only the language "
            f"model of several parts is merged: {MERGE_ELSEWHERE}, and merge that"
        )
    return f"{changed}, but {model.path} has no such tensor; {_origin(adapter, model)}"


def _tensor_name(target: str, tensors: Mapping[str, TensorInfo]) -> str | None:
    """The checkpoint's name of a tensor; old files omit the first part of the name."""
    found = next((n for n in (target, target.partition(".")[2]) if n in tensors), None)
    if found is None and module_of(target) == "head":  # tied
        return next((n for n in tensors if module_of(n) == "embed" and is_vocabulary(n)), None)
    return found


def _misfits(adapter: Adapter, parts: Mapping[str, str], target: tuple[int, ...]) -> Iterator[str]:
    """The adapter's tensors that do not fit a tensor of this shape."""
    shapes = {part: adapter.tensors[key].shape for part, key in parts.items()}
    for part, shape in shapes.items():
        if "lora_" not in part and part.endswith(("weight", "bias")) and shape != target:
            yield parts[part]
        if part.endswith("trainable_tokens_delta") and shape[1:] != target[1:]:
            yield parts[part]
        if part.startswith("lora_magnitude_vector") and max(shape) not in target:
            yield parts[part]
    if LORA_A in shapes and len(target) == 2:
        outer = (shapes[LORA_B][0], shapes[LORA_A][1])
        if outer not in (target, target[::-1]):  # Conv1D of GPT-2 is transposed
            yield parts[LORA_A if outer[0] in target else LORA_B]
    if EMBEDDING_A in shapes and shapes[EMBEDDING_A][1] != target[0]:
        yield parts[EMBEDDING_A]
    if EMBEDDING_B in shapes and shapes[EMBEDDING_B][0] != target[1]:
        yield parts[EMBEDDING_B]


def _misfit(
    adapter: Adapter, model: Checkpoint, key: str, name: str, target: tuple[int, ...]
) -> str:
    shape = adapter.tensors[key].shape
    said = f"{adapter.file}: {key} is {list(shape)}, but {name} of the model is {list(target)}; "
    rows = max(shape)
    if is_vocabulary(name) and rows > target[0] and rows not in target:
        added = rows - target[0]
        return (
            f"{said}it may have been trained with {added} added tokens, whose rows it does not "
            f"contain: {MERGE_ELSEWHERE}"
        )
    return said + _origin(adapter, model)


def _origin(adapter: Adapter, model: Checkpoint) -> str:
    if not adapter.trained_on:
        return "apply the adapter to the model that it was trained on"
    if adapter.was_trained_on(model.path):
        return f"{model.path} is not as it was when the adapter was trained on it"
    return f"it was trained on {adapter.trained_on}: apply it to that model"
