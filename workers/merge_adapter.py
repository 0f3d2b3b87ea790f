"""Merges a recipe of LoRA adapters on one base into one LoRA adapter, where that is exact.

If every merged tensor is b + Σ cⱼ·ΔWⱼ, with b that of one base, the sum of the low-rank updates is
one of higher rank (`workers.checkpoint.write_adapter`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from workers.checkpoint import Checkpoint, Term, retokenize, write_adapter
from workers.evidence import Evidence
from workers.merge import CARD, check, open_verified, recipe_files
from workers.merging import Engine, MergeSettings
from workers.methods import LinearCombination, Pass
from workers.model_card import adapter_card
from workers.recipe import Recipe, Source, is_vocabulary

KNOWN_SETTINGS = {"rank_pattern", "alpha_pattern", "fan_in_fan_out"}
CLOSE = 1e-6
"""Of the sum of a tensor's coefficients to 1."""


class NoAdapterError(ValueError):
    """The merge cannot be written as an adapter; the message has every reason."""

    def __init__(self, reasons: list[str]) -> None:
        lines = [f"  {reason}" for reason in reasons]
        advice = "Leave out --adapter to export the whole model."
        super().__init__("\n".join(["this merge is no LoRA adapter:", *lines, advice]))


def merge_adapter(
    recipe: Recipe,
    out: Path,
    *,
    files: Mapping[str, str] | None = None,
    evidence: Evidence | None = None,
    force: bool = False,
) -> Source:
    """Writes the merge as an adapter directory; returns the base with it.

    Args:
        recipe: what to merge.
        out: the directory to make; it appears complete or not at all.
        files: additional text files by name.
        evidence: how good the model is, for the model card.
        force: replace `out` if it exists.

    Raises:
        NoAdapterError: if a full model is among them, a base differs, an adapter does more than to
            add low-rank updates, or the method is not linear in the updates.
        ValueError: as `workers.merge.merge`.
        OSError: if writing fails.
    """
    if reasons := [*_source_reasons(recipe)]:
        raise NoAdapterError(reasons)
    check(recipe)
    opened = {name: open_verified(source) for name, source in recipe.sources.items()}
    if reasons := [*_adapter_reasons(opened)]:
        raise NoAdapterError(reasons)
    base = Source(_first(recipe).path, _first(recipe).revision)
    like = _original(next(iter(opened.values())))
    templated = retokenize({"base": like, **opened}, None, recipe.chat_template)["base"]
    updates = _updates(recipe, opened)
    write_adapter(
        out,
        updates,
        like=templated,
        base=_trained_on(opened) or base.path,
        revision=base.revision,
        files={
            **recipe_files(recipe),
            CARD: adapter_card(recipe, opened, base, evidence, title=out.resolve().name),
            **(files or {}),
        },
        force=force,
    )
    return Source(base.path, base.revision, adapter=str(out.absolute()))


def _source_reasons(recipe: Recipe) -> Iterator[str]:
    base = recipe.base or _first(recipe)
    where = (base.path, base.revision)
    if recipe.base and recipe.base.adapter:
        yield f"base: {recipe.base} has an adapter itself"
    if recipe.tokenizer is not None:
        yield "tokenizer: is chosen, and an adapter keeps the vocabulary of its base"
    for name, source in recipe.models.items():
        if source.adapter is None and source != recipe.base:
            yield f"{name}: {source} is a whole model, without an adapter"
        elif (source.path, source.revision) != where:
            yield f"{name}: {source} is on another model than {Source(*where)}"
        elif source.layers:
            yield f"{name}: {source} has other layers than its base"


def _adapter_reasons(opened: Mapping[str, Checkpoint]) -> Iterator[str]:
    transposed = set()
    for name, checkpoint in opened.items():
        if (adapter := checkpoint.adapter) is None:
            continue
        special = [key for key in adapter.special_settings if key not in KNOWN_SETTINGS]
        if special:
            yield f"{name}: {adapter.path} is no plain LoRA: its config has {', '.join(special)}"
        elif not adapter.has_only_products:
            yield f"{name}: {adapter.path} has more than low-rank updates of weights"
        elif _original(checkpoint).tied and any(map(is_vocabulary, adapter.targets)):
            yield f"{name}: {adapter.path} changes a head or an embedding that are tied"
        transposed.add(bool(adapter.config.get("fan_in_fan_out")))
    if len(transposed) > 1:
        yield "some adapters are of transposed weights (fan_in_fan_out), others are not"


def _updates(recipe: Recipe, opened: Mapping[str, Checkpoint]) -> dict[str, list[Term]]:
    """Each changed tensor, as the adapters name it, with the adapters' factors."""
    plans = _plans(recipe, opened)
    if reasons := [*_method_reasons(recipe, plans)]:
        raise NoAdapterError(reasons)
    updates: dict[str, list[Term]] = {}
    for tensor, plan in plans.items():
        assert isinstance(plan, LinearCombination)
        for name, factor in zip(recipe.models, plan.coefficients, strict=True):
            checkpoint = opened[name]
            if factor and checkpoint.adapter and tensor in checkpoint.changes:
                term = Term(checkpoint.adapter, factor)
                updates.setdefault(checkpoint.changes[tensor], []).append(term)
    if not updates:
        raise NoAdapterError(["no adapter has a weight: the merge is the base"])
    return updates


def _plans(recipe: Recipe, opened: Mapping[str, Checkpoint]) -> dict[str, Pass]:
    models = dict(opened)
    base = models.pop("base", None) if recipe.base else None
    settings = MergeSettings(mode="eager", placement="mapped", statistics="asked")
    engine = Engine(models, base, settings=settings)
    return engine.plans(recipe, engine.names)


def _method_reasons(recipe: Recipe, plans: Mapping[str, Pass]) -> Iterator[str]:
    for tensor, plan in plans.items():
        if not isinstance(plan, LinearCombination):
            yield (
                f"{recipe.method} chooses single entries of the updates, and what is left of them "
                "has no low rank; linear and task_arithmetic keep them whole"
            )
            return
        if abs((total := plan.base + sum(plan.coefficients)) - 1.0) > CLOSE:
            yield (
                f"{recipe.method} multiplies the base by {total:.6g} in {tensor}, and an adapter "
                "can only add to it; task_arithmetic and normalised weights leave it as it is"
            )
            return


def _trained_on(opened: Mapping[str, Checkpoint]) -> str | None:
    """The base's name in the adapters, if they agree on it."""
    names = {each.adapter.trained_on for each in opened.values() if each.adapter}
    return names.pop() if len(names) == 1 else None


def _original(checkpoint: Checkpoint) -> Checkpoint:
    return getattr(checkpoint, "original", checkpoint) if checkpoint.adapter else checkpoint


def _first(recipe: Recipe) -> Source:
    return next(iter(recipe.models.values()))
