"""What samplers of ours have in common: the space is declared, so a point is sampled at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optuna.samplers import BaseSampler

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial


class JointSampler(BaseSampler):
    """Samples all parameters together.

    Args:
        distributions: the space.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        self._distributions = dict(distributions)

    def infer_relative_search_space(
        self,
        study: Study,  # noqa: ARG002 - nothing is discovered while running
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        """The whole space."""
        return self._distributions

    def sample_independent(
        self,
        study: Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
        param_name: str,
        param_distribution: BaseDistribution,  # noqa: ARG002
    ) -> Any:
        """Never needed.

        Raises:
            ValueError: if a study asks for a parameter that the space does not have.
        """
        raise ValueError(f"{param_name} is not in the space of this study")
