"""Settings of scoring in stages, and the sizes of the stages that follow from them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from evaluators.settings import LIMIT, Settings

FIRST = 64
"""Documents of each task in the first stage of `auto`; each further stage has twice as many."""
ENOUGH = 4 * FIRST
"""Search documents of a task from which `auto` is on: of fewer, most are needed anyway."""
LAST = 0.75
"""Of the documents: a later look could save little, and makes every interval wider."""

Size = Annotated[int, Field(ge=16, lt=LIMIT)]
"""Documents of each task; the interval of a mean of fewer would promise too much."""


class StageSettings(Settings):
    """When a candidate that is clearly beaten is not scored any further.

    `off`, `auto` or a list of sizes in a config stands for `sizes` alone.
    """

    sizes: Literal["off", "auto"] | Annotated[list[Size], Field(min_length=1)] = "auto"
    """Documents of each task that are scored by the end of each stage but the last."""
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    """That a candidate which nothing on the front beats is scored on all documents."""
    tolerance: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """Objective -> how much better a candidate must be to be scored on, in its own unit."""

    @model_validator(mode="before")
    @classmethod
    def _sizes_alone(cls, given: Any) -> Any:
        if given is False:  # YAML reads `off` as a boolean
            return {"sizes": "off"}
        return {"sizes": given} if isinstance(given, str | list) else given

    @field_validator("sizes", mode="before")
    @classmethod
    def _off(cls, given: Any) -> Any:
        return "off" if given is False else given

    @field_validator("sizes")
    @classmethod
    def _ascending(cls, sizes: Any) -> Any:
        if isinstance(sizes, list) and sizes != sorted(set(sizes)):
            raise ValueError("the sizes must rise from stage to stage")
        return sizes

    def sizes_for(self, documents: Collection[int], *, exact: bool = False) -> tuple[int, ...]:
        """The sizes of all stages but the last, which has every document; none means no stages.

        Args:
            documents: how many search documents each task (or group of tasks) has.
            exact: whether a score is the same only if all its documents are scored at once.

        Raises:
            ValueError: if no task has more documents than the smallest of the given sizes.
        """
        most = max(documents, default=0)
        if isinstance(self.sizes, list):
            if self.sizes[0] >= most:
                raise ValueError(
                    f"sizes: the first stage has {self.sizes[0]} documents of each task, and no "
                    f"task has more than {most} search documents; use smaller stages, or `off`"
                )
            return tuple(size for size in self.sizes if size < most)
        if self.sizes == "off" or most < ENOUGH or exact:
            return ()
        return tuple(FIRST << i for i in range(32) if FIRST << i <= LAST * most)
