"""Metric math, by the examples and rules of CloudWatch's documentation.

Arithmetic with missing data is the exception: see `local_cloud/cloudwatch/metric_math.py`.
"""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_cloud.cloudwatch.expressions import ExpressionError, names, parse
from local_cloud.cloudwatch.metric_math import compute

SERIES = {
    "m1": (10.0, None, 30.0, 40.0),
    "m2": (1.0, 2.0, 0.0, 4.0),
    "errors": (0.0, 1.0, None, 3.0),
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("m1 + m2", (11.0, None, 30.0, 44.0)),
        ("m1 / m2", (10.0, None, None, 10.0)),
        ("2 + 3 * 4", (14.0,) * 4),
        ("(2 + 3) * 4", (20.0,) * 4),
        ("2 ^ 3 ^ 2", (512.0,) * 4),
        ("-2 ^ 2", (-4.0,) * 4),
        ("10 - 4 - 3", (3.0,) * 4),
        ("m2 > 1", (0.0, 1.0, 0.0, 1.0)),
        ("m2 >= 1 && m2 != 4", (1.0, 1.0, 0.0, 0.0)),
        ("m2 == 0 OR m2 == 4", (0.0, 0.0, 1.0, 1.0)),
        ("m2 < 2 AND m2 <= 0", (0.0, 0.0, 1.0, 0.0)),
        ("FILL(m1, 0) + m2", (11.0, 2.0, 30.0, 44.0)),
        ("FILL(m1, REPEAT)", (10.0, 10.0, 30.0, 40.0)),
        ("FILL(m1, LINEAR)", (10.0, 20.0, 30.0, 40.0)),
        ("IF(m2 > 1, m1, 0)", (0.0, 0.0, 0.0, 40.0)),
        ("IF(m2 > 1, m2)", (None, 2.0, None, 4.0)),
        ("SUM([m1, m2])", (11.0, 2.0, 30.0, 44.0)),
        ("SUM(METRICS())", (11.0, 3.0, 30.0, 47.0)),
        ('SUM(METRICS("err"))', (0.0, 1.0, None, 3.0)),
        ("SUM(errors)", (4.0,) * 4),
        ("MAX([m1, 20])", (20.0, 20.0, 30.0, 40.0)),
        ("AVG(m2)", (1.75,) * 4),
        ("MAX(m1) - MIN(m1)", (30.0,) * 4),
        ("METRIC_COUNT([m1, m2])", (2.0,) * 4),
        ("RUNNING_SUM(m2)", (1.0, 3.0, 3.0, 7.0)),
        ("RATE(m2) * 60", (None, 1.0, -2.0, 4.0)),
        ("FLOOR(m2 / 3)", (0.0, 0.0, 0.0, 1.0)),
        ("LOG(m2)", (0.0, pytest.approx(0.693, abs=1e-3), None, pytest.approx(1.386, abs=1e-3))),
        ("100 * FILL(errors, 0) / m1", (0.0, None, 0.0, 7.5)),
    ],
)
def test_an_expression(expression: str, expected: tuple[float | None, ...]) -> None:
    assert compute(parse(expression), SERIES, 60) == expected


# The page's examples, with "-" for a missing value.
_MISSING: dict[str, tuple[float | None, ...]] = {
    "metric1": (30, 20, 0, 0, None), "metric2": (20, None, 20, None, None),
    "flag": (1, 1, 0, 0, None), "yes": (30, None, 0, 0, 30), "no": (0, 0, 20, None, 20),
}  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("metric1 < metric2", (0, 0, 1, 0, None)),
        ("metric2 < metric1", (1, 1, 0, 0, None)),
        ("metric1 >= 30", (1, 0, 0, 0, None)),
        ("metric2 >= 20", (1, None, 1, None, None)),
        ("metric1 > 15 AND metric2 > 15", (1, 0, 0, 0, None)),
        ("metric2 > 15 OR metric1 > 15", (1, 1, 1, 0, None)),
        ("IF(flag, yes, no)", (30, 0, 20, None, None)),
        ("IF(flag, 5, no)", (5, 5, 20, None, None)),
        ("IF(flag, yes, 5)", (30, 0, 5, 5, None)),
        ("IF(flag, yes)", (30, 0, None, None, None)),
        ("IF(1, yes, no)", (30, None, 0, 0, 30)),
        ("IF(0, yes, no)", (0, 0, 20, None, 20)),
        # Not as the page says, but as users report.
        ("metric1 + metric2", (50, None, 20, None, None)),
        ("metric1 * metric2", (600, None, 0, None, None)),
    ],
)
def test_missing_data_follows_the_documentations_examples(
    expression: str, expected: tuple[float | None, ...]
) -> None:
    assert compute(parse(expression), _MISSING, 60) == expected


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "1 to 2048 characters"),
        ("m1 +", "ends early"),
        ("m1 m2", "Unexpected 'm2'"),
        ("m1 $ m2", "Unexpected '\\$'"),
        ("(m1", "Expected '\\)'"),
        ("SUM(m1", "Expected ','"),
        ("(" * 60 + "m1" + ")" * 60, "at most 50 levels"),
        ("m3 + 1", "Unknown id 'm3'; expected one of errors, m1, m2"),
        ("SEARCH('x', 'Sum')", "SEARCH with 2 arguments is not emulated"),
        ("__import__('os')", "Unexpected '_'"),
        ("[m1, m2]", "several time series"),
        ("[m1, m2] + 1", "got several"),
        ("FILL(m1)", "FILL takes"),
        ("+".join(["m1"] * 600), "at most 150 operators"),
        ("RATE()", "Expected one argument.*got 0"),
    ],
)
def test_an_invalid_expression_says_what_is_wrong(expression: str, reason: str) -> None:
    with pytest.raises(ExpressionError, match=reason):
        compute(parse(expression), SERIES, 60)


def test_the_names_of_an_expression() -> None:
    assert names(parse("IF(FILL(m1, REPEAT) > 2, [e1, m2], SUM(METRICS('x')))")) == {
        "m1", "REPEAT", "e1", "m2",
    }  # fmt: skip


@given(st.text(alphabet="m12 +-*/^()[],&|<>=!.eANDFILSUM\"'", max_size=60))
def test_any_text_is_computed_or_refused(expression: str) -> None:
    try:
        result = compute(parse(expression), SERIES, 60)
    except ExpressionError:
        return
    assert len(result) == 4


@pytest.mark.parametrize(
    "expression",
    ["+".join(["m1"] * 150), "-" * 45 + "m1", "ABS(" * 45 + "m1" + ")" * 45],
    ids=["many terms", "many signs", "deep calls"],
)
def test_a_long_expression_takes_no_time(expression: str) -> None:
    began = time.process_time()
    compute(parse(expression), SERIES, 60)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("SUM([m2 * 1e308, m2 * 1e308])", (None, None, 0.0, None)),
        ("CEIL(1e308) * CEIL(1e308) + m2 * 0", (None,) * 4),
        ("(0 - 8) ^ 0.5 + m2", (None,) * 4),
        ("FILL(errors, LINEAR)", (0.0, 1.0, 2.0, 3.0)),
    ],
)
def test_a_value_that_is_no_finite_number_is_missing(
    expression: str, expected: tuple[float | None, ...]
) -> None:
    assert compute(parse(expression), SERIES, 60) == expected
