"""Reads a file with several recipes, some of which merge the results of others (mergekit-multi)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from workers.checkpoint import Checkpoint, align, open_headers, stack
from workers.mergekit.document import Document
from workers.mergekit.parser import parse
from workers.mergekit.reader import OpenModel, read, read_document
from workers.mergekit.yaml_nodes import Errors
from workers.recipe import Recipe, Source

Documents = Mapping[str, Document]


def read_chain(
    text: str, where: str, *, seed: int = 0, open_model: OpenModel = open_headers
) -> dict[str, Recipe]:
    """The recipes of a file by name, each after those whose results it merges.

    The last one is the file's own. The path of a model that is a result is the recipe's name.

    Raises:
        ValueError: as `read`; if names are missing, given twice or unknown; if recipes need each
            other; or if several results are merged no further.
    """
    documents = parse(text, where)
    if len(documents) == 1:
        return {documents[0].name or "": read(text, where, seed=seed, open_model=open_model)}
    errors = Errors(where)
    by_name = _by_name(documents, errors)
    _check_models(by_name, errors)
    errors.raise_any()
    order = _order(by_name, errors)
    errors.raise_any()
    results: dict[str, Checkpoint] = {}

    def opened(source: Source) -> Checkpoint:
        """A model by its headers; of a result, those that it will have."""
        if source.path not in results:
            return open_model(source)
        found = results[source.path]
        return stack(found, source.layers) if source.layers else found

    recipes = {}
    for name in order:
        recipe = recipes[name] = read_document(by_name[name], where, seed, opened)
        results[name], *_ = align({n: opened(s) for n, s in recipe.sources.items()}).values()
    return recipes


def _by_name(documents: Sequence[Document], errors: Errors) -> Documents:
    """The documents by name; one of them, the file's result, may have none."""
    found: dict[str, Document] = {}
    for document in documents:
        name = document.name or ""
        if name in found:
            before = f"as the one in line {found[name].line}"
            given = f"has the same name {name!r} {before}" if name else f"has no `name`, {before}"
            errors.add(document.line, f"this document {given}; give each a name of its own")
        found[name] = document
    return found


def _check_models(documents: Documents, errors: Errors) -> None:
    for document in documents.values():
        for path, line in _paths(document):
            if "/" not in path and path not in documents and not Path(path).is_dir():
                names = ", ".join(filter(None, documents))
                errors.add(
                    line, f"{path!r} is neither a document of this file ({names}) nor a directory"
                )


def _order(documents: Documents, errors: Errors) -> list[str]:
    """The names, each after those that it needs; the file's result comes last."""
    needs = {
        name: {path for path, _ in _paths(document) if path in documents}
        for name, document in documents.items()
    }
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        circle = error.args[1]
        errors.add(
            documents[circle[0]].line,
            f"these documents need each other: {' -> '.join(circle)}; change the models of one",
        )
        return []
    used = {each for needed in needs.values() for each in needed}
    ends = sorted((name for name in documents if name not in used), key=bool)  # unnamed first
    for name in ends[1:]:
        errors.add(
            documents[name].line,
            f"no other document merges {name!r}, and a file gives one model, that of "
            f"{repr(ends[0]) if ends[0] else 'the document without a name'}; remove one of them",
        )
    return order


def _paths(document: Document) -> Iterator[tuple[str, int]]:
    """The paths of a document's models, with their lines."""
    if document.base:
        yield document.base.path, document.line
    for part in document.slices:
        yield from ((each.model.path, each.line) for each in part.sources)
