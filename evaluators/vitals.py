"""How a model's vital signs are judged: always against the models that went in."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from statistics import fmean
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, PositiveInt

from evaluators.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence


Share = Annotated[float, Field(gt=0, le=1)]


class GateSettings(Settings):
    """What is probed, and how far from the input models a candidate may be.

    The defaults let through whatever might still score: scoring a bad model costs time, refusing a
    good one costs the model. Tighten them if too many candidates are scored in vain.
    """

    enabled: bool = True
    texts: PositiveInt = 8
    tokens: PositiveInt = 256  # of a text, at most
    prompts: PositiveInt = 4
    new_tokens: PositiveInt = 16  # after a prompt
    perplexity: Annotated[float, Field(gt=1)] = 2.0
    """Factor by which the perplexity may exceed the worst input model's, text by text."""
    perplexity_p95: Annotated[float, Field(gt=1)] = 100.0
    """The same for the perplexity that 5 % of the tokens exceed: it heeds single bad tokens."""
    certainty: Annotated[float, Field(gt=1)] = 3.0
    """Factor by which the entropy may fall short of the surest input model's."""
    doubt: Share = 0.75
    """Share of the way from the least sure input model's entropy to knowing nothing."""
    repetition: Share = 0.5
    """Share of the way from the most repetitive input model to pure repetition."""


@dataclass(frozen=True)
class Probes:
    """What a gate shows a model: texts to read, and prompts to go on from if tasks generate."""

    texts: tuple[str, ...]
    prompts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Vitals:
    """A model's vital signs on fixed texts, or the fault that left it without."""

    fault: str | None = None
    nll: tuple[float, ...] = ()  # per text, mean over its tokens, nats
    nll_p95: float = 0.0  # over all tokens
    entropy: float = 0.0  # of the next token, mean over all tokens, nats
    ignorance: float = 0.0  # the entropy of a model that knows nothing: log of the vocabulary
    repetition: float | None = None  # share of repeated 4-grams in greedy text, 0 to 1


def judge(vitals: Vitals, references: Sequence[Vitals], settings: GateSettings) -> str | None:
    """Why a model is broken, measured against the input models; None if it isn't."""
    if vitals.fault:
        return vitals.fault
    return next(filter(None, _faults(vitals, references, settings)), None)


def _faults(v: Vitals, references: Sequence[Vitals], settings: GateSettings) -> list[str | None]:
    worst = [max(losses) for losses in zip(*(r.nll for r in references), strict=True)]
    excess = fmean(max(0.0, own - its) for own, its in zip(v.nll, worst, strict=True))
    p95 = max(r.nll_p95 for r in references)
    low, high = min(r.entropy for r in references), max(r.entropy for r in references)
    return [
        _above("perplexity", _exp(fmean(worst) + excess), _exp(fmean(worst)), settings.perplexity),
        _above(
            "perplexity of 5 % of the tokens", _exp(v.nll_p95), _exp(p95), settings.perplexity_p95
        ),
        _below("entropy", v.entropy, low, settings.certainty),
        _doubts(v, high, settings.doubt),
        _repeats(v, references, settings),
    ]


def _exp(nll: float) -> float:
    return exp(min(nll, 700.0))  # the loss of a broken model may be anything; e^710 overflows


def _above(what: str, value: float, worst: float, factor: float) -> str | None:
    if value <= worst * factor:
        return None
    return f"{what} {value:.3g}, over {factor:g} times the input models' highest {worst:.3g}"


def _below(what: str, value: float, least: float, factor: float) -> str | None:
    if value >= least / factor:
        return None
    return f"{what} {value:.3g}, under 1/{factor:g} of the input models' lowest {least:.3g}"


def _doubts(v: Vitals, high: float, share: float) -> str | None:
    limit = high + share * (v.ignorance - high)
    if v.entropy <= limit:
        return None
    return (
        f"entropy {v.entropy:.3g}, over {limit:.3g}; the input models' highest is {high:.3g}, "
        f"and {v.ignorance:.3g} is to know nothing"
    )


def _repeats(v: Vitals, references: Sequence[Vitals], settings: GateSettings) -> str | None:
    if v.repetition is None:
        return None
    worst = max(r.repetition or 0.0 for r in references)
    limit = worst + settings.repetition * (1 - worst)
    if v.repetition <= limit:
        return None
    return (
        f"{v.repetition:.0%} of its text repeats itself, over {limit:.0%}; "
        f"the input models' most is {worst:.0%}"
    )
