"""Several faults found at once, kept apart until they are shown."""

from __future__ import annotations

from collections.abc import Iterable


class FaultsError(ValueError):
    """What a person wrote cannot be used; `problems` has every reason, each with its place."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))
