"""Metric math: computes an expression over the datapoints of other queries.

Where datapoints are missing, these rules of the documentation hold: of two time series that are
compared or joined by AND or OR, the only one that is missing counts as 0, and so does the missing
value of a time series that IF chooses where its condition is true. One rule is not followed: the
page says that arithmetic treats missing values as 0, but users report what is done here, that the
result is missing. AVG of several time series is that of the known values, where the page treats
missing ones as 0.

docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

import math
import operator
import statistics
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Final

from local_cloud.cloudwatch.expressions import (
    Array,
    Binary,
    Call,
    ExpressionError,
    Name,
    Node,
    Number,
    Text,
)

# One value for each period, the oldest first; None where it is missing.
Series = tuple[float | None, ...]
Value = float | Series | tuple[Series, ...]

_OPERATORS: Final[dict[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
    "<": lambda left, right: float(left < right),
    "<=": lambda left, right: float(left <= right),
    ">": lambda left, right: float(left > right),
    ">=": lambda left, right: float(left >= right),
    "==": lambda left, right: float(left == right),
    "!=": lambda left, right: float(left != right),
    "&&": lambda left, right: float(bool(left) and bool(right)),
    "||": lambda left, right: float(bool(left) or bool(right)),
}
# Comparisons and logic: between two series, one that is missing alone counts as 0.
_COMPARING: Final = frozenset(_OPERATORS) - frozenset("+-*/^")
_EACH: Final[dict[str, Callable[[float], float]]] = {
    "ABS": abs,
    "CEIL": math.ceil,
    "FLOOR": math.floor,
    "LOG": math.log,
    "LOG10": math.log10,
}
# Of one time series a number, of several one series of their values at each period.
_OVER_SERIES: Final[dict[str, Callable[[Sequence[float]], float]]] = {
    "AVG": statistics.fmean,
    "MAX": max,
    "MIN": min,
    "STDDEV": statistics.pstdev,
    "SUM": sum,
}


def compute(node: Node, series: Mapping[str, Series], period_seconds: float) -> Series:
    """Return the datapoints of an expression.

    A period for which an operand of arithmetic has no datapoint, or whose value is no finite
    number, has none.

    Args:
        node: the expression.
        series: the datapoints by the id of their query, all of the same length.
        period_seconds: of the queries.

    Raises:
        ExpressionError: an unknown id or function, or a wrong kind of argument.
    """
    length = max((len(one) for one in series.values()), default=0)
    value = _Computation(series, length, period_seconds).value(node)
    if isinstance(value, tuple) and value and isinstance(value[0], tuple):
        raise ExpressionError("The result is several time series; expected one")
    return _as_series(value, length)


class _Computation:
    def __init__(self, series: Mapping[str, Series], length: int, period_seconds: float) -> None:
        self._series, self._length, self._period = series, length, period_seconds
        # By the node's identity; the tree outlives this computation.
        self._values: dict[int, Value] = {}

    def value(self, node: Node) -> Value:
        """Return the value of a node, computed once however often it is needed."""
        if id(node) not in self._values:
            self._values[id(node)] = self._compute(node)
        return self._values[id(node)]

    def _compute(self, node: Node) -> Value:
        if isinstance(node, Number):
            return node.value
        if isinstance(node, Name):
            if node.name not in self._series:
                raise ExpressionError(
                    f"Unknown id {node.name!r}; expected one of {', '.join(sorted(self._series))}"
                )
            return self._series[node.name]
        if isinstance(node, Binary):
            left, right = self._one(node.left), self._one(node.right)
            if node.operator in _COMPARING and isinstance(left, tuple) and isinstance(right, tuple):
                left, right = _missing_alone_as_0(left, right), _missing_alone_as_0(right, left)
            return self._each(_OPERATORS[node.operator], left, right)
        if isinstance(node, Array):
            return tuple(self._series_of(member) for member in node.members)
        if isinstance(node, Call):
            return self._call(node)
        raise ExpressionError(f"Unexpected text {node.text!r}")

    def _call(self, node: Call) -> Value:
        name, arguments = node.function, node.arguments
        special: dict[str, Callable[[tuple[Node, ...]], Value]] = {
            "FILL": self._fill,
            "FIRST": lambda given: self._several(given)[0],
            "IF": self._if,
            "LAST": lambda given: self._several(given)[-1],
            "METRICS": self._metrics,
            "METRIC_COUNT": lambda given: float(len(self._several(given))),
            "RATE": self._rate,
            "RUNNING_SUM": self._running_sum,
        }
        if name in special:
            return special[name](arguments)
        if len(arguments) == 1 and name in _EACH:
            return self._each(_EACH[name], self._one(arguments[0]))
        if len(arguments) == 1 and name in _OVER_SERIES:
            return self._over_series(name, arguments[0])
        raise ExpressionError(
            f"{name} with {len(arguments)} arguments is not emulated by the local cloud; expected "
            f"one of {', '.join(sorted(special | _EACH | _OVER_SERIES))}"
        )

    def _over_series(self, name: str, argument: Node) -> Value:
        given = self.value(argument)
        function = _OVER_SERIES[name]
        if not isinstance(given, tuple):
            return given
        if given and isinstance(given[0], tuple):
            columns = zip(*self._several((argument,)), strict=True)
            return tuple(_of_known(function, column) for column in columns)
        number = _of_known(function, _as_series(given, self._length))
        return (None,) * self._length if number is None else number

    def _fill(self, arguments: tuple[Node, ...]) -> Value:
        if len(arguments) != 2:
            raise ExpressionError("FILL takes a time series and a value, REPEAT or LINEAR")
        series, filler = self._series_of(arguments[0]), arguments[1]
        if isinstance(filler, Name) and filler.name.upper() == "REPEAT":
            return _repeat(series)
        if isinstance(filler, Name) and filler.name.upper() == "LINEAR":
            return _linear(series)
        values = self._series_of(filler)
        return tuple(
            other if value is None else value for value, other in zip(series, values, strict=True)
        )

    def _if(self, arguments: tuple[Node, ...]) -> Value:
        if len(arguments) not in {2, 3}:
            raise ExpressionError("IF takes a condition, a value and another value if it is false")
        condition, *branches = (self._series_of(argument) for argument in arguments)
        chosen = branches[0]
        if isinstance(self._one(arguments[0]), tuple):
            chosen = tuple(0.0 if value is None else value for value in chosen)
        otherwise = branches[1] if len(branches) == 2 else (None,) * self._length
        return tuple(
            None if flag is None else value if flag else other
            for flag, value, other in zip(condition, chosen, otherwise, strict=True)
        )

    def _metrics(self, arguments: tuple[Node, ...]) -> Value:
        wanted = arguments[0].text if arguments and isinstance(arguments[0], Text) else ""
        return tuple(one for name, one in self._series.items() if wanted in name)

    def _rate(self, arguments: tuple[Node, ...]) -> Value:
        series = self._series_of(_only(arguments))
        pairs = zip((None, *series[:-1]), series, strict=True)
        return tuple(
            None if before is None or value is None else (value - before) / self._period
            for before, value in pairs
        )

    def _running_sum(self, arguments: tuple[Node, ...]) -> Value:
        total, sums = 0.0, []
        for value in self._series_of(_only(arguments)):
            total += value or 0.0
            sums.append(total)
        return tuple(sums)

    def _several(self, arguments: tuple[Node, ...]) -> tuple[Series, ...]:
        """Return the time series of the only argument, an array or one series."""
        given = self.value(_only(arguments))
        if isinstance(given, tuple) and given and isinstance(given[0], tuple):
            return tuple(one for one in given if isinstance(one, tuple))
        return (self._series_of(arguments[0]),)

    def _one(self, node: Node) -> float | Series:
        given = self.value(node)
        if not isinstance(given, tuple):
            return given
        return self._series_of(node)

    def _series_of(self, node: Node) -> Series:
        given = self.value(node)
        if isinstance(given, tuple) and given and isinstance(given[0], tuple):
            raise ExpressionError("Expected one time series, got several")
        return _as_series(given, self._length)

    def _each(self, function: Callable[..., float], *operands: float | Series) -> Value:
        if not any(isinstance(operand, tuple) for operand in operands):
            number = _finite(function, *operands)
            return (None,) * self._length if number is None else number
        columns = zip(*(_as_series(operand, self._length) for operand in operands), strict=True)
        return tuple(None if None in column else _finite(function, *column) for column in columns)


def _only(arguments: tuple[Node, ...]) -> Node:
    if len(arguments) != 1:
        raise ExpressionError(
            "Expected one argument, a time series or several such as [m1, m2]; "
            f"got {len(arguments)}"
        )
    return arguments[0]


def _as_series(value: Value, length: int) -> Series:
    if not isinstance(value, tuple):
        return (value,) * length
    return tuple(each for each in value if not isinstance(each, tuple))


def _missing_alone_as_0(series: Series, other: Series) -> Series:
    return tuple(
        0.0 if value is None and known is not None else value
        for value, known in zip(series, other, strict=True)
    )


def _of_known(
    function: Callable[[Sequence[float]], float], values: Sequence[float | None]
) -> float | None:
    known = [value for value in values if value is not None]
    return _finite(lambda: function(known)) if known else None


def _finite(function: Callable[..., float], *values: float | Series | None) -> float | None:
    try:
        # A complex power is a TypeError.
        result = float(function(*values))
    except (ArithmeticError, ValueError, TypeError):
        return None
    return result if math.isfinite(result) else None


def _repeat(series: Series) -> Series:
    last, filled = None, []
    for value in series:
        last = last if value is None else value
        filled.append(last)
    return tuple(filled)


def _linear(series: Series) -> Series:
    """Fill between two datapoints; before the first and after the last one, repeat it."""
    known = [(index, value) for index, value in enumerate(series) if value is not None]
    if not known:
        return series
    filled = [known[0][1]] * (known[0][0] + 1)
    for (start, before), (end, after) in pairwise(known):
        step = (after - before) / (end - start)
        filled += [before + step * (index - start) for index in range(start + 1, end)] + [after]
    return tuple(filled + [known[-1][1]] * (len(series) - len(filled)))
