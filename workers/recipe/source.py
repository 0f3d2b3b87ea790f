"""A reference to a model: directory or hub id, revision, LoRA adapter, layers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from workers.recipe.mappings import check_keys, without_none

Layers = tuple[tuple[int, int], ...]
"""Ranges of layers, each the first one and the one after the last."""

_ADAPTER = re.compile(r"\s*\+\s*")


@dataclass(frozen=True)
class Source:
    """A model to merge: a directory or hub id, optionally with a LoRA adapter.

    Raises:
        ValueError: if `layers` is empty or a range of it is.
    """

    path: str
    revision: str | None = None
    adapter: str | None = None
    """A directory or hub id; a hub id may have its own `@revision`."""
    fingerprint: str | None = None
    """Hex digest of the content; without it, path and revision identify the model."""
    layers: Layers | None = None
    """The model's layers, stacked in this order, instead of all of them once."""
    merge: Literal["all"] | None = None
    """`all`: every part of a multi-part model is merged, not only its language model."""

    def __post_init__(self) -> None:
        if self.layers is not None and not (
            self.layers and all(0 <= first < end for first, end in self.layers)
        ):
            raise ValueError(
                f"{self.path}: layers {ranges_text(self.layers)} are not a stack; write at least "
                "one range [first, one after the last]"
            )

    def __str__(self) -> str:
        """The text that `parse` reads, and the layers, which only a mapping can give."""
        path = f"{self.path}@{self.revision}" if self.revision else self.path
        text = f"{path} + {self.adapter}" if self.adapter else path
        return f"{text} (layers {ranges_text(self.layers)})" if self.layers else text

    @property
    def name(self) -> str:
        """The last part of the path, and the adapter's."""
        parts = [self.path, *([self.adapter] if self.adapter else [])]
        return "+".join(Path(part.rstrip("/")).name for part in parts)

    @classmethod
    def parse(cls, given: str | Mapping[str, Any], where: str = "model") -> Source:
        """Reads `path`, `path@revision`, `path + adapter`, or a mapping of these fields.

        The path of an existing directory may contain `@` and `+`.

        Raises:
            ValueError: if it is none of these, or a field of the mapping is unknown.

        >>> Source.parse("org/model@v2 + org/lora")  # doctest: +ELLIPSIS
        Source(path='org/model', revision='v2', adapter='org/lora', fingerprint=None, ...)
        """
        if isinstance(given, Mapping):
            allowed = {"path", "revision", "adapter", "fingerprint", "layers", "merge"}
            check_keys(given, allowed, required={"path"}, where=where)
            texts = {key: value for key, value in given.items() if key != "layers"}
            for key, value in texts.items():
                if value is not None and not isinstance(value, str):
                    raise ValueError(f"{where}: {key}: {value!r} is not text")
            if texts.get("merge") not in (None, "all"):
                raise ValueError(f"{where}: merge: {texts['merge']!r} is not `all`; leave it out")
            return cls(**texts, layers=_layers(given.get("layers"), where))
        if not isinstance(given, str) or not given.strip():
            raise ValueError(f"{where}: a model is a path or a mapping, not {given!r}")
        path, adapter = _split(given.strip())
        path, revision = _revision(path)
        return cls(path, revision, adapter)

    def identity(self) -> dict[str, str]:
        """The fields that determine the merged bytes."""
        if self.fingerprint:
            return without_none(fingerprint=self.fingerprint, merge=self.merge)
        return without_none(**{**vars(self), "layers": ranges_text(self.layers)})

    def to_dict(self) -> dict[str, Any]:
        """JSON values; `parse` reads them."""
        layers = [list(each) for each in self.layers] if self.layers else None
        return without_none(**{**vars(self), "layers": layers})


def stack_of(source: Source, layers: Layers | None) -> Source:
    """The stack of a model's layers; its fingerprint follows from the model's."""
    whole = source.fingerprint
    return replace(
        source,
        layers=layers,
        fingerprint=stacked_fingerprint(whole, layers) if whole and layers else whole,
    )


def stacked_fingerprint(fingerprint: str, layers: Layers) -> str:
    """Hex digest of a model's content and of the layers that it is stacked of."""
    return hashlib.blake2b(f"{fingerprint} {layers}".encode(), digest_size=16).hexdigest()


def ranges_text(layers: Layers | None) -> str | None:
    """Ranges of layers as they are written in a recipe.

    >>> ranges_text(((0, 2), (1, 3)))
    '[[0, 2], [1, 3]]'
    """
    return None if layers is None else str([list(each) for each in layers])


def _layers(given: Any, where: str) -> Layers | None:
    if given is None:
        return None
    if not isinstance(given, list | tuple) or not all(map(_is_range, given)):
        raise ValueError(
            f"{where}: layers: expected ranges [[first, one after the last], ...], got {given!r}"
        )
    return tuple((first, end) for first, end in given)


def _is_range(given: Any) -> bool:
    whole = isinstance(given, list | tuple) and all(type(each) is int for each in given)
    return whole and len(given) == 2


def _split(given: str) -> tuple[str, str | None]:
    if "+" not in given or Path(given).expanduser().is_dir():
        return given, None
    head, *tail = given.split(" + ") if " + " in given else _ADAPTER.split(given)
    if len(tail) != 1 or not head or not tail[0]:
        raise ValueError(
            f"model {given!r}: expected `path + adapter`; write a path that contains a + as a "
            "mapping: {path: ..., adapter: ...}"
        )
    return head.strip(), tail[0].strip()


def _revision(path: str) -> tuple[str, str | None]:
    if "@" not in path or Path(path).expanduser().is_dir():
        return path, None
    head, _, revision = path.rpartition("@")
    return (head, revision) if head and revision and "/" not in revision else (path, None)
