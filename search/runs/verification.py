"""Whether an exported directory scores as its trial did: it is loaded again from its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evaluators.agreement import ROUNDED, SAME, Agreement, agreement
from evaluators.evaluator import make_evaluator
from evaluators.scores import document_ids
from evaluators.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from evaluators.scores import Conditions
    from search.config import Plan
    from search.ledger import Ledger, Trial
    from search.runs.export import Exported

BLOCK = 64
"""Documents of each task."""
SHOWN = 10
"""Differences that a message names."""


@dataclass(frozen=True)
class Verification:
    """A part of a trial's recorded scores, to which an export is compared.

    Args:
        plan: of the run.
        trial: a scored trial of it.
        recorded: its scores per document.

    Raises:
        ValueError: if there is nothing to compare.
    """

    plan: Plan
    trial: Trial
    recorded: pa.Table

    @classmethod
    def of(cls, plan: Plan, ledger: Ledger, trial: Trial) -> Verification:
        """Of a block of the search documents that the trial was scored on.

        Raises:
            ValueError: if their scores are not in the run, or all tasks draw their answers.
        """
        table = ledger.documents(trial.number)
        sampled = make_evaluator(plan.suite).staged_tasks.sampled
        block = {t: _spread(ids) for t, ids in document_ids(table).items() if t not in sampled}
        if not block:
            why = "all tasks draw their answers at random" if table.num_rows else "there are none"
            raise ValueError(
                f"trial {trial.number} cannot be verified by its scores of documents: {why}; "
                "leave out --verify"
            )
        pairs = zip(table["task"].to_pylist(), table["doc_id"].to_pylist(), strict=True)
        return cls(plan, trial, table.filter([i in block.get(task, ()) for task, i in pairs]))

    def run(self, written: Exported) -> Agreement:
        """Scores the model of an export on the same documents.

        Raises:
            ValueError: if the model cannot be loaded or scored.
        """
        from workers.rescoring import score_files  # imports torch

        settings = self.plan.suite
        documents = document_ids(self.recorded)
        evaluator = make_evaluator(settings)
        now, dtype = score_files(written.source, settings, evaluator, documents)
        same = (
            dtype == "float32"
            and not written.note
            and _is_alike(self.trial.conditions, now.conditions)
        )
        return agreement(self.recorded, now.documents, SAME if same else ROUNDED)


def verified_text(found: Agreement) -> str:
    """What an agreement says, in a sentence."""
    said = f"Loaded again, it scores {counted(found.documents, 'document')} as recorded"
    if found.identical:
        return f"{said}, bit for bit."
    if not found.differences:
        return f"{said}, within {found.tolerance.relative:g} of each value."
    return (
        f"{said}, within {found.tolerance.relative:g} of each value but for "
        f"{len(found.differences)}, as is expected of rounded weights (up to "
        f"{found.tolerance.share:.0%} of a task's documents)."
    )


def refused_text(found: Agreement, folder: Path) -> str:
    """Which documents differ, the first few."""
    failed = [each for each in found.differences if each.task in found.failed_tasks]
    lines = [f"  {each}" for each in failed[:SHOWN]]
    if (more := len(failed) - SHOWN) > 0:
        lines.append(f"  and {more} more")
    return "\n".join(
        [
            f"{folder} does not score as recorded: {len(failed)} of "
            f"{counted(found.documents, 'document')} differ by more than "
            f"{found.tolerance.relative:g}. It is kept so that you can look at it.",
            *lines,
        ]
    )


def _spread(ids: Sequence[int]) -> set[int]:
    """All ids if they are few, otherwise evenly distributed ones."""
    return set(ids) if len(ids) <= BLOCK else {ids[i * len(ids) // BLOCK] for i in range(BLOCK)}


def _is_alike(before: Mapping[str, object] | None, now: Conditions) -> bool:
    """Whether device and engine are of the same kind."""
    given = before or {}
    same_device = str(given.get("device")).split(":")[0] == now.device.split(":")[0]
    return same_device and given.get("engine", "hf") == now.engine
