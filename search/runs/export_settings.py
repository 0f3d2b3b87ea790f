"""How the model of a trial is written, as the command line and the service take it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ValidationError, model_validator

from evaluators.settings import Settings

Dtype = Literal["float32", "float16", "bfloat16"]
UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
MAX_DIGITS = 12


def byte_size(text: str) -> int:
    """The bytes of a size with its unit.

    >>> byte_size("5GB"), byte_size("1.5 kb")
    (5000000000, 1500)

    Raises:
        ValueError: if it is none, or less than a byte.
    """
    number = rf"\d{{1,{MAX_DIGITS}}}(?:\.\d{{1,{MAX_DIGITS}}})?"
    found = re.fullmatch(rf"({number})\s*([KMGT]B)", text.strip().upper(), re.ASCII)
    size = int(float(found[1]) * UNITS[found[2]]) if found else 0
    if not size:
        raise ValueError(f"{text[:80]!r} is not a size; write a number and {', '.join(UNITS)}: 5GB")
    return size


def check_dtype(dtype: str | None, *, adapter: bool) -> None:
    """Checks that the weights can be written in this dtype.

    Raises:
        ValueError: if one is given for an adapter.
    """
    if adapter and dtype:
        raise ValueError(f"dtype {dtype}: an adapter is written in float32; leave it out")


def _as_size(text: str) -> str:
    byte_size(text)
    return text


class ExportSettings(Settings):
    """How a model is written, whether it is scored again, and where else it goes."""

    dtype: Dtype | None = None
    """By default that of the scored weights."""
    max_shard_size: Annotated[str, AfterValidator(_as_size)] = "5GB"
    adapter: bool = False
    verify: bool = False
    push: str | None = None
    """A repository of the hub, OWNER/NAME."""
    public: bool = False
    force: bool = False

    @model_validator(mode="after")
    def _has_its_dtype(self) -> Self:
        check_dtype(self.dtype, adapter=self.adapter)
        return self

    @property
    def shard_bytes(self) -> int:
        """The most bytes of tensors in one file."""
        return byte_size(self.max_shard_size)

    @classmethod
    def of_options(cls, **options: Any) -> Self:
        """The settings that options of the command line describe.

        Raises:
            ValueError: if one is impossible.
        """
        try:
            return cls(**options)
        except ValidationError as error:
            first = error.errors()[0]
            option = "".join(f"--{name}: ".replace("_", "-") for name in map(str, first["loc"]))
            raise ValueError(f"{option}{first.get('ctx', {}).get('error', first['msg'])}") from None
