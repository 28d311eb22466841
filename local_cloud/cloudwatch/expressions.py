"""Metric math: parses an expression into a tree.

Grammar and precedence:
docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

import re
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|(?P<name>[A-Za-z][A-Za-z0-9_]*)"
    r"|(?P<text>\"[^\"]*\"|'[^']*')|(?P<sign>&&|\|\||<=|>=|==|!=|[-+*/^<>(),\[\]]))"
)
_WORDS: Final = {"AND": "&&", "OR": "||"}
# From the loosest to the tightest.
_BINARY: Final = {
    "||": 1, "&&": 2,
    "==": 3, "!=": 3, "<": 4, "<=": 4, ">": 4, ">=": 4,
    "+": 5, "-": 5, "*": 6, "/": 6, "^": 8,
}  # fmt: skip
_UNARY: Final = 7
_MAX_LENGTH: Final = 2048
_MAX_DEPTH: Final = 50
# Each one is a level of the tree, which is read by recursion.
_MAX_OPERATORS: Final = 150


class ExpressionError(Exception):
    """An expression that is not valid metric math, or that the local cloud does not emulate."""


@dataclass(frozen=True)
class Number:
    """A number, the same for each period."""

    value: float


@dataclass(frozen=True)
class Name:
    """The id of another query, or a constant such as REPEAT."""

    name: str


@dataclass(frozen=True)
class Text:
    """A quoted text, such as the filter of METRICS."""

    text: str


@dataclass(frozen=True)
class Binary:
    """Two operands and the operator between them; an unary minus is `0 - operand`."""

    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True)
class Call:
    """A function and its arguments."""

    function: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True)
class Array:
    """Several time series, such as `[m1, m2]`."""

    members: tuple["Node", ...]


Node = Number | Name | Text | Binary | Call | Array


def parse(expression: str) -> Node:
    """Return the tree of an expression.

    Raises:
        ExpressionError: what is wrong and where.
    """
    if not 1 <= len(expression) <= _MAX_LENGTH:
        raise ExpressionError(
            f"An expression has 1 to {_MAX_LENGTH} characters; this one has {len(expression)}"
        )
    parser = _Parser(_tokens(expression))
    node = parser.read(0, 0)
    parser.expect_end()
    return node


def names(node: Node) -> set[str]:
    """Return the names in a tree: the ids of queries, and constants."""
    if isinstance(node, Name):
        return {node.name}
    if isinstance(node, Binary):
        return names(node.left) | names(node.right)
    children = (
        node.arguments
        if isinstance(node, Call)
        else node.members
        if isinstance(node, Array)
        else ()
    )
    return {name for child in children for name in names(child)}


def _tokens(expression: str) -> list[tuple[str, str]]:
    tokens, position = [], 0
    text = expression.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ExpressionError(f"Unexpected {text[position:].strip()[:1]!r} in {expression!r}")
        kind = str(match.lastgroup)
        value = match[kind]
        if kind == "name" and value.upper() in _WORDS:
            kind, value = "sign", _WORDS[value.upper()]
        tokens.append((kind, value))
        position = match.end()
    return tokens


class _Parser:
    """A precedence climber over the tokens."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._position = self._operators = 0

    def read(self, least: int, depth: int) -> Node:
        if depth > _MAX_DEPTH:
            raise ExpressionError(f"An expression has at most {_MAX_DEPTH} levels")
        left = self._operand(depth)
        while (sign := self._sign()) in _BINARY and _BINARY[sign] >= least:
            self._position += 1
            self._operators += 1
            if self._operators > _MAX_OPERATORS:
                raise ExpressionError(f"An expression has at most {_MAX_OPERATORS} operators here")
            # The power is read from the right, all others from the left.
            least_of_right = _BINARY[sign] + (sign != "^")
            left = Binary(sign, left, self.read(least_of_right, depth + 1))
        return left

    def expect_end(self) -> None:
        if self._position < len(self._tokens):
            raise ExpressionError(f"Unexpected {self._tokens[self._position][1]!r}")

    def _operand(self, depth: int) -> Node:
        if self._position >= len(self._tokens):
            raise ExpressionError("The expression ends early")
        kind, value = self._tokens[self._position]
        self._position += 1
        if kind == "number":
            return Number(float(value))
        if kind == "text":
            return Text(value[1:-1])
        if kind == "name":
            if self._sign() == "(":
                self._position += 1
                return Call(value.upper(), self._list(")", depth))
            return Name(value)
        if value == "(":
            node = self.read(0, depth + 1)
            self._expect(")")
            return node
        if value == "[":
            return Array(self._list("]", depth))
        if value in "+-":
            operand = self.read(_UNARY, depth + 1)
            return operand if value == "+" else Binary("-", Number(0.0), operand)
        raise ExpressionError(f"Unexpected {value!r}")

    def _list(self, end: str, depth: int) -> tuple[Node, ...]:
        members: list[Node] = []
        while self._sign() != end:
            if members:
                self._expect(",")
            members.append(self.read(0, depth + 1))
        self._position += 1
        return tuple(members)

    def _expect(self, sign: str) -> None:
        if self._sign() != sign:
            raise ExpressionError(f"Expected {sign!r}")
        self._position += 1

    def _sign(self) -> str:
        if self._position >= len(self._tokens):
            return ""
        kind, value = self._tokens[self._position]
        return value if kind == "sign" else ""
