"""From a mergekit file to a recipe: every tensor's parameters, worked out as mergekit does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from workers.checkpoint import Checkpoint, open_headers
from workers.mergekit.document import Document, Listed, Setting, Slice, parse
from workers.mergekit.embedded import embedded_recipe, verified
from workers.mergekit.groups import groups_of
from workers.mergekit.nodes import Faults
from workers.methods import METHODS, Parameter
from workers.recipe import Recipe, Source, Value, layer_of, module_of

Look = Callable[[Source], Checkpoint]
"""Begins the line that carries what mergekit's format has no words for."""

_DEFAULTS: Mapping[str, float] = {"density": 1.0}  # mergekit's, where ours must be given
_NEUTRAL: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    # parameters of mergekit's that we have not, and the values at which they change nothing
    "ties": {"rescale": (0.0,)},
    "task_arithmetic": {"rescale": (0.0,)},
    "breadcrumbs": {"rescale": (0.0,)},
    "breadcrumbs_ties": {"rescale": (0.0,)},
    "dare_linear": {"rescale": (1.0,)},
    "dare_ties": {"rescale": (1.0,)},
    "nuslerp": {"nuslerp_flatten": (1.0,), "nuslerp_row_wise": (0.0,)},
    "multislerp": {"eps": (1e-8,)},
    "karcher": {"max_iter": (10.0,), "tol": (1e-5,)},
    "model_stock": {"filter_wise": (0.0,)},
}
_ANYTHING = ("int8_mask",)  # changes how mergekit computes and not what
_ALONE = ("linear", "slerp", "karcher", "passthrough")  # the base is a model like any other here


@dataclass(frozen=True)
class Place:
    """Where a tensor of the merged model takes its parameters from."""

    slice: Slice
    t: float


def read(text: str, where: str, *, seed: int = 0, look_at: Look = open_headers) -> Recipe:
    """Reads a mergekit recipe; the models' headers say what tensors there are.

    Raises:
        ValueError: with the line of every key that is unknown, ignored by mergekit or cannot be
            expressed; or if a model cannot be read.
    """
    document = parse(text, where)
    if native := embedded_recipe(text, where):
        return verified(native, text, where, look_at)
    reading = _Reading(document, where, look_at)
    try:
        return reading.recipe(seed)
    except ValueError as error:
        said = str(error)
        raise ValueError(said if said.startswith(where) else f"{where}: {said}") from None


class _Reading:
    def __init__(self, document: Document, where: str, look_at: Look) -> None:
        self.document = document
        self.method = METHODS[document.method]
        self.spelling: Mapping[str, str] = {}
        if _mixes(document):
            self.method, self.spelling = METHODS["linear"], {"weight": "scale"}
        self.faults = Faults(where)
        self.names = dict(self._names())
        self.checkpoints = [look_at(source) for source in self._sources()]

    def recipe(self, seed: int) -> Recipe:
        self._check_parameters()
        self._check_base()
        self.faults.stop()
        places = self._places()
        self.faults.stop()
        self._check_filters(list(places))
        table = {tensor: self._parameters(tensor, place) for tensor, place in places.items()}
        self.faults.stop()
        document = self.document
        return Recipe(
            method=self.method.name,
            models={name: source for source, name in self.names.items()},
            groups=groups_of(table),
            base=document.base,
            seed=seed,
            dtype=document.dtype,
            compat="mergekit",
            tokenizer=self._tokenizer(),
        )

    def _sources(self) -> list[Source]:
        base = [self.document.base] if self.document.base else []
        return list(dict.fromkeys([*base, *self.names]))

    def _names(self) -> Iterator[tuple[Source, str]]:
        """Each model once, by a name of its own; of slerp's two the base comes first."""
        document, taken = self.document, {"base"}
        listed = dict.fromkeys(each.model for part in document.slices for each in part.sources)
        unlisted = document.method == "slerp" or (document.method == "karcher" and document.whole)
        if document.base and document.method in _ALONE and (document.base in listed or unlisted):
            yield document.base, "base"
        for source in listed:
            if source == document.base:
                continue
            stem = re.sub(r"[^A-Za-z0-9_-]+", "-", source.name).strip("-") or "model"
            name, number = stem, 1
            while name in taken:
                number += 1
                name = f"{stem}-{number}"
            taken.add(name)
            yield source, name

    def _check_base(self) -> None:
        document, first = self.document, self.document.slices[0].line
        listed = {each.model for part in document.slices for each in part.sources}
        if document.method == "slerp" and document.base is None:
            self.faults.add(first, "slerp needs base_model: the model at t = 0")
        if (
            document.method in ("linear", "passthrough")
            and document.base
            and document.base not in listed
        ):
            self.faults.add(
                first,
                f"base_model is not among the models of {document.method}; list it or leave it out",
            )
        for part in document.slices:
            self._check_listing(part)

    def _check_listing(self, part: Slice) -> None:
        document, models = self.document, [each.model for each in part.sources]
        for each in part.sources:
            if models.count(each.model) > 1:
                self.faults.add(each.line, f"{each.model} is listed twice in one slice")
            if each.model == document.base and each.model not in self.names and each.parameters:
                name = min(each.parameters)
                self.faults.add(
                    each.parameters[name].line,
                    f"{name}: {document.method} takes the base as it is; leave out its parameters",
                )
        if document.method == "passthrough" and len(models) != 1:
            self.faults.add(part.line, f"passthrough takes one model, not {len(models)}")
        partial = "weight" in METHODS[document.method].parameters and document.method != "nuslerp"
        if partial or document.method == "passthrough":
            return
        if missing := [
            str(m) for m, name in self.names.items() if m not in models and name != "base"
        ]:
            self.faults.add(
                part.line, f"{document.method} has no weights, so each slice must list {missing[0]}"
            )

    def _check_filters(self, tensors: Sequence[str]) -> None:
        """A filter that matches nothing is a misspelling, but for tensors that may be tied."""
        for settings in self._all_settings():
            for setting in settings.values():
                for each in setting.conditions:
                    optional = each.filter and module_of(each.filter) in ("embed", "head", "norm")
                    if not optional and not any(each.matches(tensor) for tensor in tensors):
                        self.faults.add(setting.line, f"filter {each.filter!r} matches no tensor")

    def _check_parameters(self) -> None:
        """Every parameter that the method does not know, or knows at one value only."""
        document = self.document
        neutral = _NEUTRAL.get(document.method, {})
        known = ["scale"] if document.method == "passthrough" else list(self.method.parameters)
        for settings in self._all_settings():
            for name, setting in settings.items():
                if name == "scale" and any(0.0 in each.values for each in setting.conditions):
                    self.faults.add(setting.line, "scale: 0 leaves nothing of a tensor")
                if name in known or name in _ANYTHING:
                    continue
                allowed = neutral.get(name)
                if allowed is None:
                    self.faults.add(
                        setting.line,
                        f"{document.method} has no parameter {name!r}; "
                        f"it has: {', '.join(known) or 'none'}",
                    )
                elif any(v not in allowed for each in setting.conditions for v in each.values):
                    self.faults.add(setting.line, f"{name}: only {allowed[0]:g} can be expressed")

    def _all_settings(self) -> Iterator[Mapping[str, Setting]]:
        yield self.document.parameters
        for part in self.document.slices:
            yield part.parameters
            for each in part.sources:
                yield each.parameters

    def _places(self) -> dict[str, Place]:
        layers = self.checkpoints[0].n_layers
        ranges = self._ranges(layers)
        tensors = dict.fromkeys(name for each in self.checkpoints for name in each.tensors)
        return {tensor: self._place(tensor, ranges) for tensor in tensors if ranges}

    def _ranges(self, layers: int) -> list[tuple[int, int]]:
        """The layers of each slice; the merged model must be as deep as the models."""
        document, ranges, at = self.document, [], 0
        if document.whole:
            return [(0, layers)]
        for part in document.slices:
            for each in part.sources:
                if each.layers[0] != at:
                    self.faults.add(
                        each.line,
                        f"layer {at} of the merged model would be layer {each.layers[0]} of "
                        f"{each.model}; only merges that keep every layer where it is can be made",
                    )
                    return []
                if each.layers != part.sources[0].layers:
                    self.faults.add(each.line, "the sources of a slice differ in length")
                    return []
            at = part.sources[0].layers[1]
            ranges.append(part.sources[0].layers)
        if at != layers:
            line = document.slices[-1].line
            self.faults.add(
                line, f"the slices end at layer {at}, but the models have {layers} layers"
            )
            return []
        first, last = document.slices[0], document.slices[-1]
        if len(first.sources) != len(last.sources):
            self.faults.add(
                last.line,
                f"the first slice has {len(first.sources)} sources, the last {len(last.sources)}, "
                "and mergekit drops some then: list the same models, with weight 0 for no part",
            )
        return ranges

    def _place(self, tensor: str, ranges: list[tuple[int, int]]) -> Place:
        """Embeddings belong to the first slice, norm and head to the last, all at its beginning."""
        layer, slices = layer_of(tensor), self.document.slices
        if layer is None:
            return Place(slices[0 if module_of(tensor) == "embed" else -1], 0.0)
        i = next(i for i, (_, end) in enumerate(ranges) if layer < end)
        length, at = ranges[i][1] - ranges[i][0], layer - ranges[i][0]
        return Place(slices[i], at / (length - 1) if length > 1 else 1.0)

    def _parameters(self, tensor: str, place: Place) -> dict[str, Value]:
        values: dict[str, Value] = {}
        sources = {each.model: each for each in place.slice.sources}
        for name, parameter in self.method.parameters.items():
            if not parameter.per_model:
                number = self._value(parameter, tensor, place, None)
                if number is not None:
                    values[name] = bool(number) if parameter.range is None else number
                continue
            values[name] = {
                model: number
                for source, model in self.names.items()
                if (number := self._of_model(parameter, tensor, place, sources.get(source), source))
                is not None
            }
        return values

    def _of_model(
        self,
        parameter: Parameter,
        tensor: str,
        place: Place,
        listed: Listed | None,
        source: Source,
    ) -> float | None:
        if listed is not None or source == self.document.base:
            return self._value(parameter, tensor, place, listed)
        if parameter.name == "weight":  # a model that a slice does not list has no part in it
            return 0.0
        return parameter.default if isinstance(parameter.default, float) else 1.0

    def _value(
        self, parameter: Parameter, tensor: str, place: Place, listed: Listed | None
    ) -> float | None:
        """The first that gives a value: model, slice, file, default."""
        name = parameter.name
        spelt = self.spelling.get(name, name)
        for settings in (
            listed.parameters if listed else {},
            place.slice.parameters,
            self.document.parameters,
        ):
            if spelt in settings:
                found = settings[spelt].of(tensor, place.t)
                if found is not None:
                    return found
        if self.spelling:  # passthrough: each model as it is
            return 1.0 if name == "weight" else 0.0
        default = parameter.default if parameter.default is not None else _DEFAULTS.get(name)
        if default is None:
            who = f" of {listed.model}" if listed else ""
            self.faults.add(
                listed.line if listed else place.slice.line,
                f"{name}{who} is not given for {tensor}; end a list of filters with `- value: ...`",
            )
        return None if default is None else float(default)

    def _tokenizer(self) -> str | None:
        wanted = self.document.tokenizer
        if wanted is None or wanted == self.document.base:
            return None
        if wanted == "base":
            return "base" if self.document.base else None
        if wanted not in self.names:
            raise ValueError(
                f"{self.faults.where}: tokenizer_source: {wanted} is none of the merged models"
            )
        return self.names[wanted]


def _mixes(document: Document) -> bool:
    """Whether passthrough takes layers of several models, or scales: a sum with one summand."""
    models = {each.model for part in document.slices for each in part.sources}
    scaled = [document.parameters, *(part.parameters for part in document.slices)]
    scaled += [each.parameters for part in document.slices for each in part.sources]
    return document.method == "passthrough" and (
        len(models) > 1 or any("scale" in settings for settings in scaled)
    )
