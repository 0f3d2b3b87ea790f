"""The entropy of a prediction of which only the likeliest tokens are known."""

from __future__ import annotations

from collections.abc import Iterable
from math import exp, log


def entropy_bound(log_probabilities: Iterable[float], size: int) -> float:
    """The largest entropy, in nats, that a prediction over `size` tokens can have.

    Args:
        log_probabilities: of some of the tokens; all others share what is left equally.
        size: of the vocabulary.

    >>> round(entropy_bound([log(0.5), log(0.5)], 1000), 6) == round(log(2), 6)
    True
    >>> round(entropy_bound([log(0.25)] * 2, 4), 6) == round(log(4), 6)
    True
    """
    known = list(log_probabilities)
    rest, others = max(0.0, 1.0 - sum(map(exp, known))), size - len(known)
    entropy = -sum(exp(each) * each for each in known if each > -float("inf"))
    return entropy + (rest * (log(others) - log(rest)) if rest > 0 and others > 0 else 0.0)
