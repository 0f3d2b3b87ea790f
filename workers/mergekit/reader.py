"""Reads a mergekit file as a recipe; resolves every tensor's parameters as mergekit does."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from workers.checkpoint import Checkpoint, open_headers, template_of
from workers.mergekit.checks import check_filters, check_models, check_parameters
from workers.mergekit.document import Document, SourceModel
from workers.mergekit.groups import to_groups
from workers.mergekit.parser import parse
from workers.mergekit.positions import Position, check_ends, positions
from workers.mergekit.recipe_comment import embedded_recipe, verified
from workers.mergekit.stacks import check_layers, slice_ranges, stacks
from workers.mergekit.tokenizer import to_choice
from workers.mergekit.yaml_nodes import Errors
from workers.methods import METHODS, Parameter
from workers.recipe import Recipe, Source, Value

OpenModel = Callable[[Source], Checkpoint]

_DEFAULTS: Mapping[str, float] = {"density": 1.0}  # mergekit's, where ours are required
# methods that merge the base like any other model
_BASE_AS_MODEL = (
    "linear",
    "slerp",
    "karcher",
    "passthrough",
)


def read(text: str, where: str, *, seed: int = 0, open_model: OpenModel = open_headers) -> Recipe:
    """Reads a mergekit recipe; the tensors' names come from the models' headers.

    Raises:
        ValueError: with the line of every key that is unknown, ignored by mergekit or not
            supported; if a model cannot be read; or if the file has several documents.
    """
    document, *more = parse(text, where)
    if more:
        raise ValueError(f"{where}: has several documents (mergekit-multi); expected one recipe")
    if native := embedded_recipe(text, where):
        return verified(native, text, where, open_model)
    return read_document(document, where, seed, open_model)


def read_document(document: Document, where: str, seed: int, open_model: OpenModel) -> Recipe:
    """The recipe of one document.

    Raises:
        ValueError: as `read`.
    """
    reader = _Reader(document, where, open_model)
    try:
        return reader.recipe(seed)
    except ValueError as error:
        message = str(error)
        message = message if message.startswith(where) else f"{where}: {message}"
        raise ValueError(message) from None


class _Reader:
    def __init__(self, document: Document, where: str, open_model: OpenModel) -> None:
        self.document = document
        self.method = METHODS[document.method]
        self.aliases: Mapping[str, str] = {}
        if _is_weighted_sum(document):
            self.method, self.aliases = METHODS["linear"], {"weight": "scale"}
        self.errors = Errors(where)
        self.names = dict(self._names())
        self.open_model = open_model
        self.opened = {source: open_model(source) for source in self._sources()}

    def recipe(self, seed: int) -> Recipe:
        document = self.document
        known = ["scale"] if document.method == "passthrough" else list(self.method.parameters)
        check_parameters(document, known, self.errors)
        check_models(document, self.names, self.errors)
        check_ends(document, self.errors)
        check_layers(document, self.opened, self.errors)
        tokenizer = to_choice(document.tokenizer, self.names, document.base, self.errors)
        self.errors.raise_any()
        stacked = self._stacked()
        tensors = dict.fromkeys(
            name for source in stacked.values() for name in self.open_model(source).tensors
        )
        found = positions(document, tensors, slice_ranges(document, self.opened))
        check_filters(document, list(found), self.errors)
        table = {tensor: self._parameters(tensor, position) for tensor, position in found.items()}
        self.errors.raise_any()
        return Recipe(
            method=self.method.name,
            models={name: stacked[source] for source, name in self.names.items()},
            groups=to_groups(table),
            base=stacked[document.base] if document.base else None,
            seed=seed,
            dtype=document.dtype,
            compat="mergekit",
            tokenizer=tokenizer,
            chat_template=self._chat_template(),
        )

    def _stacked(self) -> dict[Source, Source]:
        """The models of the file, and the same ones with the layers that the slices take."""
        return {
            source: replace(source, layers=layers)
            for source, layers in stacks(self.document, self.opened).items()
        }

    def _chat_template(self) -> str | None:
        given = self.document.chat_template
        if given != "auto":
            return given
        found = Counter(template_of(each.tokenizer_path) for each in self.opened.values())
        found.pop(None, None)
        return found.most_common(1)[0][0] if found else None

    def _sources(self) -> list[Source]:
        base = [self.document.base] if self.document.base else []
        return list(dict.fromkeys([*base, *self.names]))

    def _names(self) -> Iterator[tuple[Source, str]]:
        """Each model once, with a unique name; for slerp the base comes first."""
        document, taken = self.document, {"base"}
        listed = dict.fromkeys(each.model for part in document.slices for each in part.sources)
        unlisted = document.method == "slerp" or (
            document.method == "karcher" and document.is_whole
        )
        if (
            document.base
            and document.method in _BASE_AS_MODEL
            and (document.base in listed or unlisted)
        ):
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

    def _parameters(self, tensor: str, position: Position) -> dict[str, Value]:
        values: dict[str, Value] = {}
        sources = {each.model: each for each in position.slice.sources}
        for name, parameter in self.method.parameters.items():
            if not parameter.per_model:
                number = self._value(parameter, tensor, position, None)
                if number is not None:
                    values[name] = bool(number) if parameter.range is None else number
                continue
            values[name] = {
                model: number
                for source, model in self.names.items()
                if (
                    number := self._model_value(
                        parameter, tensor, position, sources.get(source), source
                    )
                )
                is not None
            }
        return values

    def _model_value(
        self,
        parameter: Parameter,
        tensor: str,
        position: Position,
        listed: SourceModel | None,
        source: Source,
    ) -> float | None:
        if listed is not None or source == self.document.base:
            return self._value(parameter, tensor, position, listed)
        if parameter.name == "weight":  # a slice merges only the models that it lists
            return 0.0
        return parameter.default if isinstance(parameter.default, float) else 1.0

    def _value(
        self, parameter: Parameter, tensor: str, position: Position, listed: SourceModel | None
    ) -> float | None:
        """The value from the first of: model, slice, file, default."""
        name = parameter.name
        key_in_file = self.aliases.get(name, name)
        for settings in (
            listed.parameters if listed else {},
            position.slice.parameters,
            self.document.parameters,
        ):
            if key_in_file in settings:
                found = settings[key_in_file].of(tensor, position.t)
                if found is not None:
                    return found
        if self.aliases:  # passthrough: each model unchanged
            return 1.0 if name == "weight" else 0.0
        default = parameter.default if parameter.default is not None else _DEFAULTS.get(name)
        if default is None:
            who = f" of {listed.model}" if listed else ""
            self.errors.add(
                listed.line if listed else position.slice.line,
                f"{name}{who} is not given for {tensor}; end a list of filters with `- value: ...`",
            )
        return None if default is None else float(default)


def _is_weighted_sum(document: Document) -> bool:
    """Whether passthrough has several models or a scale; then it is read as `linear`."""
    models = {each.model for part in document.slices for each in part.sources}
    scaled = [document.parameters, *(part.parameters for part in document.slices)]
    scaled += [each.parameters for part in document.slices for each in part.sources]
    return document.method == "passthrough" and (
        len(models) > 1 or any("scale" in settings for settings in scaled)
    )
