"""Whether requests fit into the context of a model: lm-eval would truncate them and only log it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lm_eval.models.utils import normalize_gen_kwargs

from evaluators.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lm_eval.api.instance import Instance
    from lm_eval.api.model import TemplateLM


def request_length(lm: TemplateLM, request: Instance) -> int:
    """The tokens of a request, including its answer or the maximum that it may generate."""
    if request.request_type == "loglikelihood_rolling":
        return 1 + len(lm.tok_encode(request.args[0]))
    context, answer = request.args
    if request.request_type == "generate_until":
        return len(lm.tok_encode(context)) + int(
            normalize_gen_kwargs(answer, lm.max_gen_toks)["max_gen_toks"]
        )
    if context == "":
        return 1 + len(lm.tok_encode(answer, add_special_tokens=False))
    return sum(map(len, lm._encode_pair(context, answer)))


def length_error(
    task: str,
    requests: Sequence[Instance],
    length: Callable[[Instance], int],
    limit: int,
    limits: Mapping[str, int],
) -> str | None:
    """Names the documents that are too long; None if none is.

    Args:
        task: the requests are of.
        requests: of all documents.
        length: the tokens of a request.
        limit: the context of the model, in tokens.
        limits: request type -> another limit. Texts that are scored in windows have none.
    """
    found = {
        request.doc_id: (tokens, most)
        for request in requests
        if request.request_type != "loglikelihood_rolling"
        and (tokens := length(request)) > (most := limits.get(request.request_type, limit))
    }
    if not found:
        return None
    total = len({request.doc_id for request in requests})
    longest, (tokens, most) = max(found.items(), key=lambda item: item[1])
    verb = "is" if len(found) == 1 else "are"
    return (
        f"task {task}: {len(found)} of {counted(total, 'document')} {verb} longer than "
        f"{most} tokens including prompt and answer; the longest is document "
        f"{longest} with {tokens} tokens"
    )
