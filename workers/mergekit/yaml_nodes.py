"""YAML values with their line numbers, and a collector of errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from evaluators.settings import suggestion


@dataclass(frozen=True)
class Node:
    """A value of the file: a scalar, a list of nodes, or a mapping of names to nodes."""

    value: Any
    line: int

    def plain(self) -> Any:
        """The value without lines."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


@dataclass
class Errors:
    """The errors in a file, by line."""

    where: str
    found: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, message: str) -> None:
        """Records an error."""
        if (line, message) not in self.found:
            self.found.append((line, message))

    def raise_any(self) -> None:
        """Raises the recorded errors, if there are any.

        Raises:
            ValueError: with every error and its line.
        """
        if not self.found:
            return
        count = f"{len(self.found)} error{'s' if len(self.found) > 1 else ''}"
        lines = [f"  line {line}: {message}" for line, message in sorted(self.found)]
        raise ValueError("\n".join([f"{self.where}: {count}", *lines]))

    def mapping(self, node: Node | None, what: str) -> dict[str, Node]:
        """The content of a node that must be a mapping; empty if there is none."""
        if node is None or node.value is None:
            return {}
        if not isinstance(node.value, dict):
            self.add(node.line, f"{what}: expected a mapping, got {node.plain()!r}")
            return {}
        return node.value

    def items(self, node: Node | None, what: str) -> list[Node]:
        """The content of a node that must be a list; empty if there is none."""
        if node is None or node.value is None:
            return []
        if not isinstance(node.value, list):
            self.add(node.line, f"{what}: expected a list, got {node.plain()!r}")
            return []
        return node.value

    def known(
        self,
        given: Mapping[str, Node],
        allowed: Iterable[str],
        refused: Mapping[str, str] | None = None,
    ) -> None:
        """Records keys that are not allowed; `refused` has explanations for some."""
        names = list(allowed)
        for key, node in given.items():
            if key in names:
                continue
            why = (refused or {}).get(key)
            self.add(
                node.line,
                f"{key}: {why}" if why else f"unknown key {key!r}; {suggestion(key, names)}",
            )


def load(text: str, where: str) -> list[Node]:
    """Reads every YAML document of a file.

    Raises:
        ValueError: if it is not YAML, is empty, or has a key twice.
    """
    loader = yaml.SafeLoader(text)
    errors = Errors(where)
    nodes = []
    try:
        while loader.check_node():
            root = loader.get_node()
            nodes += [_node(loader, root, errors)] if root else []
    except yaml.YAMLError as error:
        raise ValueError(f"{where}: not valid YAML: {error}") from None
    finally:
        loader.dispose()
    errors.raise_any()
    nodes = [node for node in nodes if node.value is not None]
    if not nodes:
        raise ValueError(f"{where}: is empty")
    return nodes


def _node(loader: yaml.SafeLoader, node: yaml.Node, errors: Errors) -> Node:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return Node([_node(loader, each, errors) for each in node.value], line)
    if isinstance(node, yaml.MappingNode):
        _check_unique(node, errors)
        loader.flatten_mapping(node)
        return Node(dict(_pairs(loader, node, errors)), line)
    return Node(loader.construct_object(node), line)


def _pairs(
    loader: yaml.SafeLoader, node: yaml.MappingNode, errors: Errors
) -> Iterator[tuple[str, Node]]:
    for key, value in node.value:
        child = _node(loader, value, errors)
        yield str(key.value), Node(child.value, key.start_mark.line + 1)


def _check_unique(node: yaml.MappingNode, errors: Errors) -> None:
    first: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if key.value in first and key.value != "<<":
            errors.add(line, f"key {key.value!r} is given twice, first in line {first[key.value]}")
        first.setdefault(key.value, line)
