"""Questions about the front: `general >= 0.98 * base.general and reverse > letters.reverse`.

Read with Python's own grammar and walked node by node; nothing is ever evaluated as code.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from evaluators.settings import suggestion

Scores = Mapping[str, float]

_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_ALLOWED = (
    "numbers, objectives, base.OBJECTIVE, MODEL.OBJECTIVE, + - * /, comparisons, and, or, not"
)
_DASHED = re.compile(r"[A-Za-z_]\w*(?:-(?=\w*[A-Za-z_])\w+)+")  # my-model, model-7b


class WhereExpression:
    """A condition on the scores of a trial.

    A name may be written with its dashes (`my-model.maths`); a minus between names needs spaces.

    Raises:
        ValueError: if the text is no such expression.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self._tree = ast.parse(
                _DASHED.sub(lambda found: _plain(found[0]), text.strip()), mode="eval"
            ).body
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            raise ValueError(f"--where {text!r} is not an expression of {_ALLOWED}") from None
        if not _is_yes_or_no(self._tree):
            raise self._error(self._tree, "is a number; expected a comparison")

    def __call__(
        self, scores: Scores, others: Mapping[str, Scores], objectives: Collection[str]
    ) -> bool:
        """Whether a trial satisfies it.

        Args:
            scores: of the trial, by objective.
            others: of what it may be compared with, by name.
            objectives: all their names.

        Raises:
            ValueError: if it names what is not there, divides by 0, or has too large a number.
        """
        names = {
            **{_plain(name): scores[name] for name in objectives},
            **{
                f"{_plain(other)}.{_plain(name)}": values[name]
                for other, values in others.items()
                for name in objectives
            },
        }
        try:
            return bool(self._value(self._tree, names))
        except ZeroDivisionError:
            raise ValueError(f"--where {self.text!r} divides by 0") from None
        except OverflowError:
            raise ValueError(f"--where {self.text[:40]!r}... has too large a number") from None
        except RecursionError:
            raise ValueError(f"--where {self.text[:40]!r}... is nested too deeply") from None

    def _value(self, node: ast.expr, names: Mapping[str, float]) -> float | bool:
        match node:
            case ast.BoolOp(op=op, values=parts) if all(map(_is_yes_or_no, parts)):
                truths = [self._value(part, names) for part in parts]
                return all(truths) if isinstance(op, ast.And) else any(truths)
            case ast.UnaryOp(op=ast.Not(), operand=part) if _is_yes_or_no(part):
                return not self._value(part, names)
            case ast.UnaryOp(op=ast.USub(), operand=part):
                return -self._number(part, names)
            case ast.Compare(left=left, ops=ops, comparators=rights):
                values = [self._number(part, names) for part in (left, *rights)]
                return all(
                    self._of(_COMPARISONS, op, node)(a, b)
                    for op, a, b in zip(ops, values, values[1:], strict=False)
                )
            case ast.BinOp(left=left, op=op, right=right):
                apply = self._of(_ARITHMETIC, op, node)
                return float(apply(self._number(left, names), self._number(right, names)))
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return number
            case ast.Name() | ast.Attribute(value=ast.Name()):
                return self._named(ast.unparse(node), names)
        raise self._error(node, f"is not allowed; there are {_ALLOWED}")

    def _number(self, node: ast.expr, names: Mapping[str, float]) -> float:
        if _is_yes_or_no(node):
            raise self._error(node, "is a comparison; expected a number")
        return self._value(node, names)

    def _named(self, name: str, names: Mapping[str, float]) -> float:
        if name not in names:
            raise ValueError(f"--where: unknown name {name!r}; {suggestion(name, names)}")
        return names[name]

    def _of(self, known: Mapping[Any, Any], op: ast.AST, node: ast.expr) -> Any:
        if type(op) not in known:
            raise self._error(node, f"is not allowed; there are {_ALLOWED}")
        return known[type(op)]

    def _error(self, node: ast.expr, what: str) -> ValueError:
        return ValueError(f"--where {self.text!r}: {ast.unparse(node)!r} {what}")


def _is_yes_or_no(node: ast.expr) -> bool:
    return isinstance(node, ast.BoolOp | ast.Compare) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    )


def _plain(name: str) -> str:
    return name.replace("-", "_")
