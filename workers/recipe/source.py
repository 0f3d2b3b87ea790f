"""A reference to a model: directory or hub id, revision, LoRA adapter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.recipe.mappings import check_keys, without_none

_ADAPTER = re.compile(r"\s*\+\s*")


@dataclass(frozen=True)
class Source:
    """A model to merge: a directory or hub id, optionally with a LoRA adapter."""

    path: str
    revision: str | None = None
    adapter: str | None = None
    """A directory or hub id; a hub id may have its own `@revision`."""
    fingerprint: str | None = None
    """Hex digest of the content; without it, path and revision identify the model."""

    def __str__(self) -> str:
        """The text that `parse` reads."""
        path = f"{self.path}@{self.revision}" if self.revision else self.path
        return f"{path} + {self.adapter}" if self.adapter else path

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

        >>> Source.parse("org/model@v2 + org/lora")
        Source(path='org/model', revision='v2', adapter='org/lora', fingerprint=None)
        """
        if isinstance(given, Mapping):
            allowed = {"path", "revision", "adapter", "fingerprint"}
            check_keys(given, allowed, required={"path"}, where=where)
            for key, value in given.items():
                if value is not None and not isinstance(value, str):
                    raise ValueError(f"{where}: {key}: {value!r} is not text")
            return cls(**given)
        if not isinstance(given, str) or not given.strip():
            raise ValueError(f"{where}: a model is a path or a mapping, not {given!r}")
        path, adapter = _split(given.strip())
        path, revision = _revision(path)
        return cls(path, revision, adapter)

    def identity(self) -> dict[str, str]:
        """The fields that determine the merged bytes."""
        if self.fingerprint:
            return {"fingerprint": self.fingerprint}
        return without_none(path=self.path, revision=self.revision, adapter=self.adapter)

    def to_dict(self) -> dict[str, Any]:
        """JSON values; `parse` reads them."""
        return without_none(
            path=self.path,
            revision=self.revision,
            adapter=self.adapter,
            fingerprint=self.fingerprint,
        )


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
