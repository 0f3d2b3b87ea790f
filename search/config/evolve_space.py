"""The space of a config of mergekit-evolve, as the section `space` of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from search.config.draft_text import Line, yaml_text

if TYPE_CHECKING:
    from search.config.evolve import Genome
    from search.config.evolve_notes import EvolveNotes
    from workers.recipe import Source

WITH_BASE = ("task_arithmetic", "ties", "dare_ties")
WHOLE = {"groups": 1}
"""A depth that does not vary."""

NORMALIZED = {"linear": True, "ties": True, "task_arithmetic": False, "dare_ties": False}
"""Whether a search divides weights by their sum, which it does not vary."""

MODULES = {
    "self_attn": "self_attn",
    "attn": "self_attn",
    "attention": "self_attn",
    "mlp": "mlp",
    "norm": "norm",
    "layernorm": "norm",
    "input_layernorm": "norm",
    "post_attention_layernorm": "norm",
    "embed_tokens": "embed",
    "embed": "embed",
    "lm_head": "head",
    "experts": "experts",
    "router": "router",
}
"""A filter of mergekit's -> the class of modules that it means."""


def space_lines(genome: Genome, root: Source, notes: EvolveNotes) -> list[Line]:
    """The lines of the section: ranges of layers, module classes, and what is not searched."""
    depth, comment = _depth(genome, root)
    modules = _modules(notes, genome.filters or ())
    lines = [(f"depth: {yaml_text(depth)}", comment)]
    if modules:
        lines.append((f"modules: {yaml_text(modules)}", "separate values for these and the rest"))
    if genome.merge_method in WITH_BASE:
        lines.append(
            (
                "lambda: 1.0",
                "a factor on all changes of the base; without this line it is searched too",
            )
        )
    if genome.merge_method in ("ties", "dare_ties") and (modules or depth != WHOLE):
        varying = yaml_text({"depth": depth, "modules": modules})
        lines.append((f"density: {varying}", "without this line, one for each model"))
    _note_weights(notes, genome)
    return lines


def _depth(genome: Genome, root: Source) -> tuple[dict[str, Any], str]:
    """`layer_granularity` layers share their values; here the number of such ranges is given."""
    from workers.checkpoint import open_headers

    size, layers = genome.layer_granularity, open_headers(root).n_layers
    if not size or size >= layers:
        return WHOLE, "one value for all layers"
    count, rest = divmod(layers, size)
    if genome.smooth and count > 1:
        return {"curve": count}, "values between these points are interpolated"
    if not rest:
        return {"groups": count}, f"of {size} layers each"
    ranges = [[first, min(first + size, layers)] for first in range(0, layers, size)]
    return {"layers": ranges}, f"{layers} layers are no multiple of {size}"


def _modules(notes: EvolveNotes, filters: Sequence[str]) -> list[str]:
    for each in filters:
        if each not in MODULES:
            known = ", ".join(dict.fromkeys(MODULES.values()))
            notes.lacks("genome.filters", f"{each!r} is no class of modules: {known}")
    return list(dict.fromkeys(MODULES[each] for each in filters if each in MODULES))


def _note_weights(notes: EvolveNotes, genome: Genome) -> None:
    method, wanted = genome.merge_method, genome.normalize
    if genome.allow_negative_weights and method != "slerp":
        notes.lacks("genome.allow_negative_weights", "weights are searched from 0 to 2")
    if wanted is not None and method in NORMALIZED and wanted != NORMALIZED[method]:
        does = "divides weights by their sum" if NORMALIZED[method] else "keeps weights as they are"
        notes.lacks("genome.normalize", f"a search with {method} {does}")
