"""Questions about the front: what they may say, and that nothing else ever runs."""

from __future__ import annotations

import pytest

from search.results.where_expression import WhereExpression

SCORES = {"general": 0.7, "reverse": 0.9}
OTHERS = {
    "base": {"general": 0.7, "reverse": 0.1},
    "my-letters": {"general": 0.2, "reverse": 0.5},
}


def ask(text: str) -> bool:
    return WhereExpression(text)(SCORES, OTHERS, list(SCORES))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("general >= 0.98 * base.general and reverse > my-letters.reverse", True),
        ("general >= 0.98 * base.general and reverse > 2 * my_letters.reverse", False),
        ("general > base.general or reverse > 0.5", True),
        ("not (general > base.general)", True),
        ("0.1 < general - base.general + 0.5 <= reverse / 1.5", True),
        ("-reverse < 0", True),
        ("reverse == 9e-1", True),
        ("reverse-0.5 > 0", True),
    ],
)
def test_a_question_is_answered(text, expected):
    assert ask(text) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("genral > 0.5", "unknown name 'genral'; did you mean 'general'"),
        ("general > bse.general", "unknown name 'bse.general'; did you mean 'base.general'"),
        ("general", "is a number; expected a comparison"),
        ("general > (reverse > 1)", "is a comparison; expected a number"),
        ("general > 1 / 0", "divides by 0"),
        (f"general * 1{'0' * 400} > 0", "has too large a number"),
        (f"1{'0' * 200} * 1{'0' * 200} > general", "has too large a number"),
        ("general >", "is not an expression"),
        ("", "is not an expression"),
        ("general > 0.5 and reverse", "not allowed"),
        ("__import__('os').system('true') > 0", "not allowed"),
        ("general.__class__ > 0", "unknown name"),
        ("general > [1][0]", "not allowed"),
        ("(lambda: 1)() > 0", "not allowed"),
        ("general ** 9 > 0", "not allowed"),
        ("general in (1, 2)", "not allowed"),
        ("general > 'a'", "not allowed"),
        ("general > True", "not allowed"),
        ("x := 1", "is not an expression"),
        ("(" * 500 + "general > 1" + ")" * 500, "is not an expression"),
    ],
)
def test_anything_else_is_refused_with_its_reason(text, message):
    with pytest.raises(ValueError, match=message):
        ask(text)
