"""A group of tensors that share parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from workers.methods import as_float
from workers.recipe.mappings import check_keys, without_none
from workers.recipe.tensors import ALL_MODULES, classes_of

Value = float | bool | Mapping[str, float]


@dataclass(frozen=True)
class Group:
    """Tensors that share parameters: some module classes in a range of layers, or by name."""

    parameters: Mapping[str, Value]
    layers: tuple[int, int] | None = None
    """First layer and the one after the last; None means all layers."""
    modules: tuple[str, ...] | None = None
    """Some of `ALL_MODULES`; None means all of them."""
    names: tuple[str, ...] | None = None
    """Parts of tensor names, one of which must occur; None means all names."""

    def covers(self, depth: int, module: str, name: str) -> bool:
        """Whether the group includes a tensor of this layer, module class and name."""
        return (
            (self.layers is None or self.layers[0] <= depth < self.layers[1])
            and (self.modules is None or any(each in self.modules for each in classes_of(module)))
            and (self.names is None or any(text in name for text in self.names))
        )

    def errors(self) -> Iterator[str]:
        """The errors in layers, modules and names."""
        if self.layers is not None and not 0 <= self.layers[0] < self.layers[1]:
            yield f"layers: {list(self.layers)} is empty or negative"
        if unknown := set(self.modules or ()) - set(ALL_MODULES):
            yield f"modules: {sorted(unknown)} not among {', '.join(ALL_MODULES)}"
        if self.names is not None and not all(self.names):
            yield f"names: {list(self.names)} has an empty text, which would match every name"

    def frozen(self) -> Group:
        """A copy with immutable parameters; integers become floats."""
        values = {name: _frozen(value) for name, value in self.parameters.items()}
        return replace(self, parameters=MappingProxyType(values))

    def to_dict(self) -> dict[str, Any]:
        """JSON values; `from_dict` reads them."""
        parameters = {
            name: dict(value) if isinstance(value, Mapping) else value
            for name, value in self.parameters.items()
        }
        where = without_none(
            layers=list(self.layers) if self.layers else None,
            modules=list(self.modules) if self.modules is not None else None,
            names=list(self.names) if self.names is not None else None,
        )
        return {**where, "parameters": parameters}

    @classmethod
    def from_dict(cls, value: Any, index: int) -> Group:
        """Reads the output of `to_dict`; `index` is the group's position in the recipe.

        Raises:
            ValueError: if it is not a group.
        """
        where = f"recipe: groups.{index}"
        if not isinstance(value, Mapping):
            raise ValueError(f"{where}: a group is a mapping, not {value!r}")
        allowed = {"parameters", "layers", "modules", "names"}
        check_keys(value, allowed, required=set(), where=where)
        return cls(
            parameters=value.get("parameters") or {},
            layers=_layers(value.get("layers"), where),
            modules=_texts(value.get("modules"), f"{where}.modules"),
            names=_texts(value.get("names"), f"{where}.names"),
        )


def _layers(given: Any, where: str) -> tuple[int, int] | None:
    if given is None:
        return None
    if not (isinstance(given, list | tuple) and len(given) == 2):
        raise ValueError(f"{where}.layers: {given!r} is not a pair [first, one after the last]")
    first, end = given
    if not all(isinstance(each, int) and not isinstance(each, bool) for each in given):
        raise ValueError(f"{where}.layers: {list(given)} are not whole numbers")
    return first, end


def _texts(given: Any, where: str) -> tuple[str, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list | tuple) or not all(isinstance(each, str) for each in given):
        raise ValueError(f"{where}: {given!r} is not a list of names")
    return tuple(given)


def _frozen(value: Any) -> Any:
    """Integers as floats, so that 1 and 1.0 have the same digest; other types are unchanged."""
    if isinstance(value, int | float):
        return value if isinstance(value, bool) else as_float(value)
    if isinstance(value, Mapping):
        return MappingProxyType({name: _frozen(each) for name, each in value.items()})
    return value
