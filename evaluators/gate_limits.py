"""The limits of the gate: how far a candidate may be from the input models."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from statistics import fmean
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from evaluators.settings import Count, Settings

if TYPE_CHECKING:
    from collections.abc import Sequence


Share = Annotated[float, Field(gt=0, le=1)]


class GateSettings(Settings):
    """What the gate measures, and how far from the input models a candidate may be.

    The defaults let every model pass that may still score well: scoring a bad model costs time, but
    rejecting a good one loses it. Use tighter limits if too many bad candidates are scored.
    """

    enabled: bool = True
    texts: Count = 8
    tokens: Count = 256  # maximum per text
    prompts: Count = 4
    new_tokens: Count = 16  # generated per prompt
    perplexity: Annotated[float, Field(gt=1)] = 2.0
    """Maximum factor between the perplexity and the worst input model's, compared per text."""
    perplexity_p95: Annotated[float, Field(gt=1)] = 100.0
    """The same for the 95th percentile over tokens, which is sensitive to a few bad tokens."""
    certainty: Annotated[float, Field(gt=1)] = 3.0
    """Maximum factor by which the entropy may be below the lowest input model's."""
    doubt: Share = 0.75
    """Maximum entropy: this share of the way from the highest input model's to log(vocabulary)."""
    repetition: Share = 0.5
    """Maximum repetition: this share of the way from the most repetitive input model's to 1."""


@dataclass(frozen=True)
class Probes:
    """The inputs of the gate: texts to compute losses on, and prompts to generate from."""

    texts: tuple[str, ...]
    prompts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measurements:
    """What the gate measured of a model, or the error that made measuring impossible."""

    error: str | None = None
    nll: tuple[float, ...] = ()  # per text, mean over its tokens, nats
    nll_p95: float = 0.0  # over all tokens
    entropy: float = 0.0  # of the next token, mean over all tokens, nats
    max_entropy: float = 0.0  # of a uniform prediction: log of the vocabulary size
    repetition: float | None = None  # share of repeated 4-grams in generated text, 0 to 1


def violation(
    measured: Measurements, inputs: Sequence[Measurements], settings: GateSettings
) -> str | None:
    """The first limit that a model violates, compared with the input models; None if it passes."""
    return measured.error or next(filter(None, _violations(measured, inputs, settings)), None)


def _violations(
    m: Measurements, inputs: Sequence[Measurements], settings: GateSettings
) -> list[str | None]:
    worst = [max(losses) for losses in zip(*(each.nll for each in inputs), strict=True)]
    excess = fmean(max(0.0, nll - limit) for nll, limit in zip(m.nll, worst, strict=True))
    p95 = max(each.nll_p95 for each in inputs)
    low, high = min(each.entropy for each in inputs), max(each.entropy for each in inputs)
    return [
        _above("perplexity", _exp(fmean(worst) + excess), _exp(fmean(worst)), settings.perplexity),
        _above(
            "95th percentile of perplexity", _exp(m.nll_p95), _exp(p95), settings.perplexity_p95
        ),
        _below("entropy", m.entropy, low, settings.certainty),
        _above_entropy(m, high, settings.doubt),
        _above_repetition(m, inputs, settings),
    ]


def _exp(nll: float) -> float:
    return exp(min(nll, 700.0))  # a broken model may have any loss, and e^710 overflows


def _above(what: str, value: float, worst: float, factor: float) -> str | None:
    if value <= worst * factor:
        return None
    return f"{what} {value:.3g}, over {factor:g} times the input models' highest {worst:.3g}"


def _below(what: str, value: float, least: float, factor: float) -> str | None:
    if value >= least / factor:
        return None
    return f"{what} {value:.3g}, under 1/{factor:g} of the input models' lowest {least:.3g}"


def _above_entropy(m: Measurements, high: float, share: float) -> str | None:
    limit = high + share * (m.max_entropy - high)
    if m.entropy <= limit:
        return None
    return (
        f"entropy {m.entropy:.3g}, over {limit:.3g}; the input models' highest is {high:.3g}, "
        f"a uniform prediction has {m.max_entropy:.3g}"
    )


def _above_repetition(
    m: Measurements, inputs: Sequence[Measurements], settings: GateSettings
) -> str | None:
    if m.repetition is None:
        return None
    worst = max(each.repetition or 0.0 for each in inputs)
    limit = worst + settings.repetition * (1 - worst)
    if m.repetition <= limit:
        return None
    return (
        f"{m.repetition:.0%} of the generated 4-grams are repeated, over {limit:.0%}; "
        f"the input models' highest is {worst:.0%}"
    )
