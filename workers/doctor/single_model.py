"""Checks of a single model: tensors against the config, dtypes, tokens, adapter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from workers.checkpoint import (
    SPECIAL_IDS,
    Checkpoint,
    MetaModel,
    TensorInfo,
    Vocabulary,
    meta_model,
    vocabulary,
)
from workers.doctor.finding import Finding
from workers.recipe import module_of


def check_model(name: str, checkpoint: Checkpoint, *, live: bool) -> Iterator[Finding]:
    """Findings about one model."""
    where = checkpoint.path / "config.json"
    refused = False
    for key, why in (
        ("quantization_config", "is quantised; merge the original weights instead"),
        (
            "auto_map",
            "runs code of its own (auto_map), which is not supported",
        ),
    ):
        if checkpoint.config.get(key):
            refused = True
            yield Finding("error", name, f"{where}: {why}")
    if refused:
        return
    try:
        expected = meta_model(checkpoint)
    except ValueError as error:
        yield Finding("error", name, str(error))
        return
    yield from _names(name, checkpoint, expected, live)
    yield from _dtypes(name, checkpoint)
    yield from _tokens(name, checkpoint, live)
    yield from _adapter(name, checkpoint)


def _names(name: str, checkpoint: Checkpoint, expected: MetaModel, live: bool) -> Iterator[Finding]:
    """Differences between the tensors in the config and those in the files."""
    where = checkpoint.path
    if not expected.same_names:
        if live:
            kind = checkpoint.config.get("model_type")
            yield Finding(
                "error",
                name,
                f"{where / 'config.json'}: model_type {kind!r} has other tensors live than in its "
                "files (fused experts or renamed ones), which a search cannot merge in memory; "
                "`mergefront merge` can merge its files",
            )
        return
    known = {_live(tensor, expected): info for tensor, info in checkpoint.tensors.items()}
    missing = [n for n in expected.shapes if n not in known and module_of(n) != "head"]
    if not checkpoint.tied:
        missing += [n for n in expected.shapes if n not in known and module_of(n) == "head"]
    for tensor in missing[:1]:
        others = f" and {len(missing) - 1} others" if len(missing) > 1 else ""
        yield Finding(
            "error",
            name,
            f"{where}: has no tensor {tensor}{others}, which its config.json requires; "
            "download it again",
        )
    yield from _shapes(name, known, expected)
    unknown = [n for n in known if n not in expected.shapes and module_of(n) != "head"]
    for tensor in unknown[:1]:
        others = f" and {len(unknown) - 1} others" if len(unknown) > 1 else ""
        yield Finding(
            "error",
            name,
            f"{known[tensor].file}: {tensor}{others} is not a tensor of a "
            f"{checkpoint.config.get('model_type')} with this config.json",
        )


def _shapes(name: str, tensors: Mapping[str, TensorInfo], expected: MetaModel) -> Iterator[Finding]:
    for tensor, info in tensors.items():
        shape = expected.shapes.get(tensor)
        if shape and shape != info.shape:
            yield Finding(
                "error",
                name,
                f"{info.file}: {tensor} is {list(info.shape)}, but config.json requires "
                f"{list(shape)}; config and weights are from different models",
            )
            return


def _live(tensor: str, expected: MetaModel) -> str:
    prefixed = f"{expected.prefix}{tensor}"
    return prefixed if tensor not in expected.shapes and prefixed in expected.shapes else tensor


def _dtypes(name: str, checkpoint: Checkpoint) -> Iterator[Finding]:
    for tensor, info in checkpoint.tensors.items():
        if info.dtype != checkpoint.dtype:
            yield Finding(
                "warning",
                name,
                f"{info.file}: {tensor} is {info.dtype}, most of them are {checkpoint.dtype}; the "
                "merged model has one dtype",
            )
            return


def _tokens(name: str, checkpoint: Checkpoint, live: bool) -> Iterator[Finding]:
    """Tokens without an embedding row, and end tokens that config and tokenizer disagree on."""
    rows = checkpoint.vocabulary_rows
    try:
        words = vocabulary(checkpoint)
    except ValueError as error:
        yield Finding("error", name, str(error))
        return
    if words is None:
        if name == "base" and live:
            yield Finding(
                "warning",
                name,
                f"{checkpoint.path}: has no tokenizer.json, but scoring needs a tokenizer; copy "
                "it there",
            )
        return
    if rows is not None and words.size > rows:
        yield Finding(
            "error",
            name,
            f"{words.file}: has {words.size} tokens, but the embedding has {rows} rows; "
            "tokenizer and weights are from different models",
        )
    yield from _special(name, checkpoint, words, rows)


def _special(
    name: str, checkpoint: Checkpoint, words: Vocabulary, rows: int | None
) -> Iterator[Finding]:
    where: Path = checkpoint.path / "config.json"
    for key in SPECIAL_IDS:
        given = checkpoint.config.get(key)
        ids = given if isinstance(given, list) else [given]
        for number in ids:
            if isinstance(number, int) and rows is not None and number >= rows:
                yield Finding(
                    "error", name, f"{where}: {key} is {number}, but there are {rows} rows"
                )
    eos, given = words.special.get("eos_token"), checkpoint.config.get("eos_token_id")
    known = words.ids.get(eos) if eos else None
    if (
        known is not None
        and given is not None
        and known not in (given if isinstance(given, list) else [given])
    ):
        yield Finding(
            "warning",
            name,
            f"{where}: eos_token_id is {given}, but the tokenizer's {eos!r} is {known}; "
            "generation may not stop",
        )


def _adapter(name: str, checkpoint: Checkpoint) -> Iterator[Finding]:
    if checkpoint.adapter is None:
        return
    trained = str(checkpoint.adapter.config.get("base_model_name_or_path") or "")
    same = Path(trained).name == checkpoint.path.name or _from_hub(checkpoint, trained)
    if trained and not same:
        yield Finding(
            "warning",
            name,
            f"{checkpoint.adapter.path}: was trained on {trained}, and is applied to "
            f"{checkpoint.path}; the shapes agree",
        )


def _from_hub(checkpoint: Checkpoint, trained: str) -> bool:
    """Whether the checkpoint is in the hub's cache under the name in the adapter's config."""
    return "models--" + trained.replace("/", "--") in checkpoint.path.parts
