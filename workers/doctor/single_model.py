"""Checks of a single model: tensors against the config, dtypes, tokens, adapter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from evaluators.wording import and_others, counted
from workers.checkpoint import (
    SPECIAL_IDS,
    Checkpoint,
    MetaModel,
    TensorInfo,
    Vocabulary,
    language_config,
    meta_model,
    no_view,
    vocabulary,
    with_prefix,
)
from workers.doctor.finding import Finding
from workers.doctor.tokenizer import check_tokenizer
from workers.doctor.unread_tensors import unread_tensors
from workers.recipe import is_vocabulary


def check_model(
    name: str, checkpoint: Checkpoint, *, live: bool, in_place: bool
) -> Iterator[Finding]:
    """Findings about one model; the last two are as in `examine`."""
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
    yield from _names(name, checkpoint, expected, in_place)
    yield from unread_tensors(name, checkpoint)
    yield from _dtypes(name, checkpoint)
    found = list(_tokens(name, checkpoint))
    yield from found
    if name == "base" and not any(finding.level == "error" for finding in found):
        yield from check_tokenizer(name, checkpoint, live=live)
    yield from _adapter(name, checkpoint)


def _names(
    name: str, checkpoint: Checkpoint, expected: MetaModel, in_place: bool
) -> Iterator[Finding]:
    """Differences between the tensors in the config and those in the files."""
    where = checkpoint.path
    towers = expected.towers if checkpoint.towers else frozenset[str]()
    computed = [n for n in expected.computed if expected.file_names.live_name(n) not in towers]
    if in_place and computed:
        yield Finding(
            "error",
            name,
            f"{where / 'config.json'}: {computed[0]}: {no_view(checkpoint.config['model_type'])}",
        )
    tensors = {**checkpoint.tensors, **checkpoint.towers}
    unknown = [n for n in tensors if not _is_known(n, expected)]
    for tensor in unknown[:1]:
        others = and_others(len(unknown) - 1)
        what = "are not tensors" if others else "is not a tensor"
        yield Finding(
            "error",
            name,
            f"{tensors[tensor].file}: {tensor}{others} {what} of a "
            f"{checkpoint.config.get('model_type')} with this config.json",
        )
    known = {_live(tensor, expected): info for tensor, info in tensors.items()}
    missing = [n for n in expected.shapes if n not in known]
    for tensor in missing[:1]:
        others = and_others(len(missing) - 1)
        yield Finding(
            "error",
            name,
            f"{where}: has no tensor {tensor}{others}, which its config.json requires; "
            "download it again",
        )
    yield from _shapes(name, known, expected)


def _shapes(name: str, tensors: Mapping[str, TensorInfo], expected: MetaModel) -> Iterator[Finding]:
    for tensor, info in tensors.items():
        shape = expected.shapes.get(expected.ties.get(tensor, tensor))
        if shape and shape != info.shape:
            yield Finding(
                "error",
                name,
                f"{info.file}: {tensor} is {list(info.shape)}, but config.json requires "
                f"{list(shape)}; config and weights are from different models",
            )
            return


def _is_known(tensor: str, expected: MetaModel) -> bool:
    """Whether transformers loads it, whole or as the part of a tensor that it is in the files."""
    return _live(tensor, expected) in expected.shapes or expected.file_names.is_renamed(tensor)


def _live(tensor: str, expected: MetaModel) -> str:
    return with_prefix(tensor, expected.shapes, expected.prefix)


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


def _tokens(name: str, checkpoint: Checkpoint) -> Iterator[Finding]:
    """Tokens without an embedding row, and end tokens that config and tokenizer disagree on."""
    rows = checkpoint.vocabulary_rows
    lengths = {n: info.shape[0] for n, info in checkpoint.tensors.items() if is_vocabulary(n)}
    if len(set(lengths.values())) > 1:
        found = " and ".join(f"{name} {length} rows" for name, length in lengths.items())
        yield Finding(
            "error",
            name,
            f"{checkpoint.path}: has {found}; an embedding with other rows than the head (as in "
            "Llama 3.2 Vision) cannot be merged",
        )
        return
    try:
        words = vocabulary(checkpoint)
    except ValueError as error:
        yield Finding("error", name, str(error))
        return
    if words is None:
        return
    if rows is not None and words.size > rows:
        yield Finding(
            "error",
            name,
            f"{words.file}: has {counted(words.size, 'token')}, but the embedding has {rows} rows; "
            "tokenizer and weights are from different models",
        )
    yield from _special(name, checkpoint, words, rows)


def _special(
    name: str, checkpoint: Checkpoint, words: Vocabulary, rows: int | None
) -> Iterator[Finding]:
    where: Path = checkpoint.path / "config.json"
    settings = {**language_config(checkpoint.config), **checkpoint.config}
    for key in SPECIAL_IDS:
        given = settings.get(key)
        ids = given if isinstance(given, list) else [given]
        for number in ids:
            if isinstance(number, int) and rows is not None and number >= rows:
                yield Finding(
                    "error", name, f"{where}: {key} is {number}, but there are {rows} rows"
                )
    eos, given = words.special.get("eos_token"), settings.get("eos_token_id")
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
    trained = checkpoint.adapter.trained_on
    if trained and not checkpoint.adapter.was_trained_on(checkpoint.path):
        yield Finding(
            "warning",
            name,
            f"{checkpoint.adapter.path}: was trained on {trained}, and is applied to "
            f"{checkpoint.path}; the shapes agree",
        )
