"""What to show a model to see whether it is broken, taken from the tasks it is to be scored on."""

from __future__ import annotations

from functools import partial
from itertools import chain, islice, zip_longest
from typing import TYPE_CHECKING

from evaluators.vitals import Probes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lm_eval.api.task import Task

    from evaluators.suite.answers import Prompted


def probes(
    tasks: Mapping[str, Task],
    prompted: Mapping[str, Sequence[Prompted]],
    ids: Mapping[str, Sequence[int]],
    texts: int,
    prompts: int,
) -> Probes:
    """Right texts of all tasks in turn, and prompts of those that generate."""
    chosen = {name: [prompted[name][i] for i in ids[name]] for name in ids}
    right = [map(partial(text, tasks[name]), docs) for name, docs in chosen.items()]
    open_ended = [
        (str(doc.requests[0].args[0]) for doc in docs)
        for name, docs in chosen.items()
        if tasks[name].OUTPUT_TYPE == "generate_until"
    ]
    return Probes(
        tuple(islice(_in_turn(right), texts)), tuple(islice(_in_turn(open_ended), prompts))
    )


def text(task: Task, doc: Prompted) -> str:
    """A document's prompt with the right answer, as a model would read it."""
    request = doc.requests[doc.gold.right[0] if doc.gold else 0]
    if request.request_type == "generate_until":
        target = task.doc_to_target(doc.doc)
        first = target[0] if isinstance(target, list) else target
        return f"{request.args[0]}{task.config.target_delimiter}{first}"
    return "".join(request.args)


def _in_turn(sources: Iterable[Iterator[str]]) -> Iterator[str]:
    return filter(None, chain.from_iterable(zip_longest(*sources)))
