"""The tables of CloudWatch's documentation on missing data, row by row."""

import pytest

from local_cloud.cloudwatch.decision import ALARM, INSUFFICIENT_DATA, OK, AlarmRule, decide

RETAINED = "retained"
# alarms-and-missing-data.html: "0" is not breaching, "X" is, "-" is missing.
THREE_OF_THREE = [
    ("0 - X - X", OK, OK, OK, OK),
    ("- - - - 0", OK, OK, OK, OK),
    ("- - - - -", INSUFFICIENT_DATA, RETAINED, ALARM, OK),
    ("0 X X - X", ALARM, ALARM, ALARM, ALARM),
    ("- - X - -", ALARM, RETAINED, ALARM, OK),
]
TWO_OF_THREE = [
    ("0 - X - X", ALARM, ALARM, ALARM, ALARM),
    ("0 0 X 0 X", ALARM, ALARM, ALARM, ALARM),
    ("0 - X - -", OK, OK, ALARM, OK),
    ("- - - - 0", OK, OK, ALARM, OK),
    ("- - - X -", ALARM, RETAINED, ALARM, OK),
]
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
VALUES = {"0": 10.0, "X": 200.0, "-": None}


def rule(required: int, treatment: str, of: int = 3) -> AlarmRule:
    return AlarmRule(
        comparison="GreaterThanThreshold",
        threshold=100.0,
        evaluation_periods=of,
        datapoints_to_alarm=required,
        treat_missing_data=treatment,
    )


@pytest.mark.parametrize("before", [OK, ALARM, INSUFFICIENT_DATA])
@pytest.mark.parametrize(
    ("required", "row"),
    [(3, row) for row in THREE_OF_THREE] + [(2, row) for row in TWO_OF_THREE],
)
def test_the_documented_tables(required: int, row: tuple[str, ...], before: str) -> None:
    datapoints = [VALUES[each] for each in row[0].split()]
    for treatment, expected in zip(TREATMENTS, row[1:], strict=True):
        state = decide(datapoints, rule(required, treatment), before)
        assert state == (before if expected == RETAINED else expected), treatment


@pytest.mark.parametrize("datapoints", ["- - - - X", "- - - X -"])
def test_few_breaching_datapoints_do_not_alarm_at_once(datapoints: str) -> None:
    # "the alarm doesn't go immediately into ALARM state"
    values = [VALUES[each] for each in datapoints.split()]
    assert decide(values, rule(3, "missing"), OK) == OK
    assert decide(values, rule(3, "missing"), ALARM) == ALARM


@pytest.mark.parametrize(
    ("comparison", "breaching", "other"),
    [
        ("GreaterThanThreshold", 100.1, 100.0),
        ("GreaterThanOrEqualToThreshold", 100.0, 99.9),
        ("LessThanThreshold", 99.9, 100.0),
        ("LessThanOrEqualToThreshold", 100.0, 100.1),
    ],
)
def test_each_comparison(comparison: str, breaching: float, other: float) -> None:
    one = AlarmRule(
        comparison=comparison, threshold=100.0, evaluation_periods=1, datapoints_to_alarm=1,
        treat_missing_data="missing",
    )  # fmt: skip
    assert decide([None, None, breaching], one, OK) == ALARM
    assert decide([None, None, other], one, ALARM) == OK


def test_a_late_datapoint_of_the_range_counts() -> None:
    assert decide([200.0, None, None], rule(1, "missing", of=1), OK) == ALARM
    assert decide([None] * 3, rule(1, "missing", of=1), ALARM) == INSUFFICIENT_DATA
