"""YAML with the line of every value, and faults that are collected and said at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from workers.recipe.plain import nearest


@dataclass(frozen=True)
class Item:
    """A value of the file: a scalar, a list of items, or a mapping of names to items."""

    value: Any
    line: int

    def plain(self) -> Any:
        """The value without lines."""
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        return self.value


@dataclass
class Faults:
    """What is wrong with a file, by line."""

    where: str
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, message: str) -> None:
        """Notes a fault."""
        if (line, message) not in self.found:
            self.found.append((line, message))

    def stop(self) -> None:
        """Ends here if anything was wrong.

        Raises:
            ValueError: naming every fault and its line.
        """
        if not self.found:
            return
        count = f"{len(self.found)} fault{'s' if len(self.found) > 1 else ''}"
        lines = [f"  line {line}: {message}" for line, message in sorted(self.found)]
        raise ValueError("\n".join([f"{self.where}: {count}", *lines]))

    def mapping(self, item: Item | None, what: str) -> dict[str, Item]:
        """An item that must be a mapping; nothing at all is an empty one."""
        if item is None or item.value is None:
            return {}
        if not isinstance(item.value, dict):
            self.add(item.line, f"{what}: expected a mapping, got {item.plain()!r}")
            return {}
        return item.value

    def items(self, item: Item | None, what: str) -> list[Item]:
        """An item that must be a list."""
        if item is None or item.value is None:
            return []
        if not isinstance(item.value, list):
            self.add(item.line, f"{what}: expected a list, got {item.plain()!r}")
            return []
        return item.value

    def known(
        self,
        given: Mapping[str, Item],
        allowed: Iterable[str],
        refused: Mapping[str, str] | None = None,
    ) -> None:
        """Notes keys that are not allowed; `refused` says why some are not."""
        names = list(allowed)
        for key, item in given.items():
            if key in names:
                continue
            why = (refused or {}).get(key)
            self.add(
                item.line, f"{key}: {why}" if why else f"unknown key {key!r}; {nearest(key, names)}"
            )


def load(text: str, where: str) -> Item:
    """Reads one YAML document.

    Raises:
        ValueError: if it is not YAML, holds several documents, or a key twice.
    """
    loader = yaml.SafeLoader(text)
    faults = Faults(where)
    try:
        node = loader.get_single_node()
        if node is None:
            raise ValueError(f"{where}: is empty")
        item = _item(loader, node, faults)
    except yaml.YAMLError as error:
        raise ValueError(f"{where}: {_reason(error)}") from None
    finally:
        loader.dispose()
    faults.stop()
    return item


def _item(loader: yaml.SafeLoader, node: yaml.Node, faults: Faults) -> Item:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return Item([_item(loader, each, faults) for each in node.value], line)
    if isinstance(node, yaml.MappingNode):
        _refuse_twice(node, faults)
        loader.flatten_mapping(node)
        return Item(dict(_pairs(loader, node, faults)), line)
    return Item(loader.construct_object(node), line)


def _pairs(
    loader: yaml.SafeLoader, node: yaml.MappingNode, faults: Faults
) -> Iterator[tuple[str, Item]]:
    for key, value in node.value:
        item = _item(loader, value, faults)
        yield str(key.value), Item(item.value, key.start_mark.line + 1)


def _refuse_twice(node: yaml.MappingNode, faults: Faults) -> None:
    first: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if key.value in first and key.value != "<<":
            faults.add(line, f"key {key.value!r} is given twice, first in line {first[key.value]}")
        first.setdefault(key.value, line)


def _reason(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.composer.ComposerError) and "single document" in str(error):
        return "several documents (mergekit-multi); merge them one after another, a file each"
    return f"not valid YAML: {error}"
