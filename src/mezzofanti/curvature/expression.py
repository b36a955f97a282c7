"""Formulas in x and y, as a recipe writes them: a small grammar, never Python's own evaluation.

    0.2 * cos(3 * theta)        0.5 * (1 - r**2)        where(abs(x) < 0.5, 1, 0)

Names: x, y, r, theta, pi. Signs: + - * / **, < <= > >=. Functions: those of FUNCTIONS.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import numpy as np

from mezzofanti.curvature.measures import Field
from mezzofanti.curvature.mesh import Floats
from mezzofanti.errors import ConfigurationError, nearest

__all__ = ["FUNCTIONS", "VARIABLES", "parse_field"]

LONGEST = 500

FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "abs": (1, np.abs),
    "arctan2": (2, np.arctan2),
    "cos": (1, np.cos),
    "cosh": (1, np.cosh),
    "exp": (1, np.exp),
    "log": (1, np.log),
    "maximum": (2, np.maximum),
    "minimum": (2, np.minimum),
    "sin": (1, np.sin),
    "sinh": (1, np.sinh),
    "sqrt": (1, np.sqrt),
    "tan": (1, np.tan),
    "tanh": (1, np.tanh),
    "where": (3, np.where),
}
VARIABLES: dict[str, Callable[[Floats, Floats], Any]] = {
    "pi": lambda x, y: np.pi,
    "r": lambda x, y: np.hypot(x, y),
    "theta": lambda x, y: np.arctan2(y, x),
    "x": lambda x, y: x,
    "y": lambda x, y: y,
}
_SIGNS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: np.add,
    ast.Div: np.divide,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Mult: np.multiply,
    ast.Pow: np.power,
    ast.Sub: np.subtract,
    ast.UAdd: np.positive,
    ast.USub: np.negative,
}


def parse_field(text: str) -> Field:
    """Return the function of arrays x, y that `text` writes down. Raises ConfigurationError, naming the place."""
    try:
        if len(text) > LONGEST:
            raise SyntaxError(f"longer than {LONGEST} characters")
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"{text[:80]!r} is not a formula ({getattr(error, 'msg', error)}).",
            cure="Write one such as 0.2 * cos(3 * theta).",
        ) from None
    build = _build(tree, text)

    def field(x: Floats, y: Floats) -> Floats:
        with np.errstate(all="ignore"):  # What is not finite is refused where it is used, with the place.
            return np.asarray(build(x, y), dtype=np.float64)

    return field


def _build(node: ast.AST, text: str) -> Callable[[Floats, Floats], Any]:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            constant = np.float64(number)
            return lambda x, y: constant
        case ast.Name(id=name):
            variable: Callable[[Floats, Floats], Any] = _known(name, VARIABLES, text)
            return variable
        case ast.UnaryOp(op=op, operand=inner) if type(op) in _SIGNS:
            return _apply(_SIGNS[type(op)], [_build(inner, text)])
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _SIGNS:
            return _apply(_SIGNS[type(op)], [_build(left, text), _build(right, text)])
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _SIGNS:
            return _apply(_SIGNS[type(op)], [_build(left, text), _build(right, text)])
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            count, function = _known(name, FUNCTIONS, text)
            if len(arguments) == count:
                return _apply(function, [_build(argument, text) for argument in arguments])
    raise ConfigurationError(
        f"{ast.unparse(node)!r} in {text!r} is not in the grammar of formulas.",
        cure=f"Use numbers, {', '.join(VARIABLES)}, + - * / ** < >, and {', '.join(FUNCTIONS)}.",
    )


def _apply(
    function: Callable[..., Any], inner: list[Callable[[Floats, Floats], Any]]
) -> Callable[[Floats, Floats], Any]:
    return lambda x, y: function(*(part(x, y) for part in inner))


def _known(name: str, table: dict[str, Any], text: str) -> Any:
    if name not in table:
        raise ConfigurationError(f"{text!r} names {name!r}, which is unknown.", cure=nearest(name, table))
    return table[name]
