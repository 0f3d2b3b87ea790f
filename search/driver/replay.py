"""What a resumed search repeats: the proposals and trials of its ledger, in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from evaluators.scores import count_documents
from search.ledger import Proposal, Trial

if TYPE_CHECKING:
    from search.ledger import Contents, Ledger

FILES_TRIED = 5  # scored trials whose files are read for the size of a full scoring


def replay(contents: Contents) -> Iterator[Proposal | Trial]:
    """The events of a ledger in the order in which they happened.

    A trial finished before a proposal was asked for if the proposal had seen it.
    """
    finished = deque(contents.trials)
    for proposal in _without_gaps(contents.proposals).values():
        while finished and finished[0].order < proposal.seen:
            yield finished.popleft()
        yield proposal
    yield from finished


def full_scoring(ledger: Ledger, scored: Sequence[Trial]) -> int:
    """Documents of a full scoring; 0 if it is not known."""
    for trial in scored[-FILES_TRIED:]:
        try:
            if documents := trial.documents or count_documents(ledger.documents(trial.number)):
                return documents
        except ValueError:  # a damaged file, of which `contents.damage` has warned
            continue
    return 0


def _without_gaps(proposals: Mapping[int, Proposal]) -> dict[int, Proposal]:
    """The proposals by number; a lost one becomes a copy of its neighbour."""
    found: dict[int, Proposal] = {}
    for number in range(max(proposals, default=-1) + 1):
        near = proposals.get(number) or found.get(number - 1) or proposals[min(proposals)]
        is_lost = number not in proposals
        copy = replace(near, number=number, params_json=None, label=None, notes={})
        found[number] = copy if is_lost else near
    return found
