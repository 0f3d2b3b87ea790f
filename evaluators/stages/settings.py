"""Settings of scoring in stages, and the sizes of the stages that follow from them."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from evaluators.settings import LIMIT, Settings

FIRST = 64
"""Documents of each task in the first stage of `auto`."""
GROWTH = 1.5
"""Of `auto`, from stage to stage. It and LAST are chosen on searches of the demo (honesty.md)."""
ENOUGH = 4 * FIRST
"""Search documents of a task from which `auto` is on: of fewer, most are needed anyway."""
LAST = 0.85
"""Of the documents: a later look could save little, and makes every interval wider."""

FEWEST = 16
"""Documents of each task in a stage; the interval of a mean of fewer would promise too much."""


class StageSettings(Settings):
    """When a candidate that is clearly beaten is not scored any further.

    `off`, `auto` or a list of sizes in a config stands for `sizes` alone.
    """

    sizes: Literal["off", "auto"] | list[int] = "auto"
    """Documents of each task that are scored by the end of each stage but the last."""
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    """That a candidate which nothing on the front beats is scored on all documents."""
    tolerance: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """Objective -> how much better a candidate must be to be scored on, in its own unit."""

    @model_validator(mode="before")
    @classmethod
    def _sizes_alone(cls, given: Any) -> Any:
        return given if isinstance(given, dict | StageSettings) else {"sizes": given}

    @field_validator("sizes", mode="before")
    @classmethod
    def _valid_sizes(cls, given: Any) -> Any:
        if given is False:  # YAML reads `off` as a boolean
            return "off"
        if given in ("off", "auto"):
            return given
        if not isinstance(given, list) or not given:
            raise ValueError(
                f"{given!r} is neither `off`, `auto` nor a list such as [64, 128, 256]"
            )
        for size in given:
            if not isinstance(size, int) or not FEWEST <= size < LIMIT:
                raise ValueError(f"{size!r} is no size of a stage; give {FEWEST} documents or more")
        if given != sorted(set(given)):
            raise ValueError(f"the sizes {given} must rise from stage to stage")
        return given

    def sizes_for(
        self, documents: Collection[int], sampled: Collection[str] = ()
    ) -> tuple[int, ...]:
        """The sizes of all stages but the last, which has every document; none means no stages.

        Args:
            documents: how many search documents each task (or group of tasks) has.
            sampled: tasks whose score is the same only if all documents are scored at once.

        Raises:
            ValueError: if sizes are given, and some task is sampled or none has more documents
                than the smallest of them.
        """
        most = max(documents, default=0)
        if isinstance(self.sizes, list):
            if sampled:
                raise ValueError(
                    f"sizes: {', '.join(sorted(sampled))} draws tokens at random, so scores of a "
                    "part of the documents are of other draws and compare with none; use `off`, "
                    "or generate the likeliest tokens (do_sample: false)"
                )
            if self.sizes[0] >= most:
                raise ValueError(
                    f"sizes: the first stage has {self.sizes[0]} documents of each task, and no "
                    f"task has more than {most} search documents; use smaller stages, or `off`"
                )
            return tuple(size for size in self.sizes if size < most)
        if self.sizes == "off" or most < ENOUGH or sampled:
            return ()
        looks = 1 + int(math.log(LAST * most / FIRST, GROWTH))
        return tuple(int(FIRST * GROWTH**i) for i in range(looks))
