"""`make dashboard`: draw the dashboard of a stage with its metrics, as an SVG image.

The local cloud has no console; of a stage in an account it is a copy to send to somebody.
"""

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from stacks.components.monitoring.catalogue.definition import name_in
from tools.account.account import read_stage
from tools.aws import stack_resources
from tools.cdk import ROOT
from tools.console import ToolError, run_tool
from tools.dashboard.drawing import Data, Points, draw
from tools.dashboard.widgets import Widget, read_widgets
from tools.local.deployment import add_deployment
from tools.make_variables import MakeParser, number_between
from tools.paths import short_path
from tools.stage_access import Client, clients_of, deploy_command
from tools.svg import write

_MAX_ALARMS = 100  # of DescribeAlarms
_MAX_MINUTES = 3 * 60 * 24  # CloudWatch keeps minutes for 15 days, a graph shows less
_DRAWING = ROOT / "build" / "dashboard.svg"


def main() -> None:
    """Read the dashboard, the metrics and the alarms, and write the image."""
    arguments = _parse()
    settings = read_stage(arguments.stage, arguments.deployment)
    client = clients_of(settings, arguments.deployment)
    stack = f"{settings.name}-monitoring"
    resources = stack_resources(client("cloudformation"), stack)
    names = [id_ for kind, id_ in resources if kind == "AWS::CloudWatch::Dashboard"]
    if not names:
        raise ToolError(
            f"The stack {stack} is not deployed: run `{deploy_command(settings.stage)}` first."
        )
    widgets = read_widgets(
        client("cloudwatch").get_dashboard(DashboardName=names[0])["DashboardBody"]
    )
    end = datetime.now(UTC)
    data = read_data(client, widgets, start=end - timedelta(minutes=arguments.minutes), end=end)
    write(arguments.output, draw(widgets, data))
    raised = [name for name, state in data.states.values() if state == "ALARM"]
    print(f"Alarms that are on: {', '.join(sorted(raised)) or 'none'}")
    print(f"Dashboard of the last {arguments.minutes:g} minutes: {short_path(arguments.output)}")


def read_data(client: Client, widgets: list[Widget], *, start: datetime, end: datetime) -> Data:
    """Return the metrics and the alarms that widgets show.

    Args:
        client: returns the client of a service.
        widgets: of the dashboard.
        start: of the metrics.
        end: of the metrics.
    """
    cloudwatch = client("cloudwatch")
    points: dict[str, Points] = {}
    for widget in widgets:
        if widget.queries:
            points |= _read_points(cloudwatch, widget, start, end)
    arns = [arn for widget in widgets for arn in widget.alarms]
    return Data(
        points=points,
        states=_read_states(cloudwatch, arns),
        start=start.timestamp(),
        end=end.timestamp(),
    )


def _read_points(
    cloudwatch: Any, widget: Widget, start: datetime, end: datetime
) -> dict[str, Points]:
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=list(widget.queries), StartTime=start, EndTime=end,
        ScanBy="TimestampAscending",
    )  # fmt: skip
    points: dict[str, list[tuple[float, float]]] = {}
    for page in pages:
        for result in page["MetricDataResults"]:
            found = points.setdefault(result["Id"], [])
            times = (time.timestamp() for time in result["Timestamps"])
            found += zip(times, result["Values"], strict=True)
    return dict(points)


def _read_states(cloudwatch: Any, arns: list[str]) -> dict[str, tuple[str, str]]:
    """Return the name in the catalogue and the state of each alarm by its ARN."""
    names = [arn.rpartition(":alarm:")[2] for arn in arns]
    states = {}
    for first in range(0, len(names), _MAX_ALARMS):
        described = cloudwatch.describe_alarms(
            AlarmNames=names[first : first + _MAX_ALARMS],
            AlarmTypes=["MetricAlarm", "CompositeAlarm"],
        )
        for alarm in [*described["MetricAlarms"], *described["CompositeAlarms"]]:
            name = name_in(alarm.get("AlarmDescription", "")) or alarm["AlarmName"]
            states[alarm["AlarmArn"]] = (name, alarm["StateValue"])
    return states


def _parse() -> argparse.Namespace:
    parser = MakeParser(
        variables={"--stage": "STAGE", "--minutes": "MINUTES"},
        prog="python -m tools.dashboard.show",
        description=__doc__,
    )
    parser.add_argument("--stage", default="local", help="names config/<stage>.toml (%(default)s)")
    parser.add_argument(
        "--minutes",
        type=number_between(1, _MAX_MINUTES, "minutes"),
        default=60.0,
        help="how many minutes are shown (%(default)g)",
    )
    parser.add_argument(
        "--output", type=Path, default=_DRAWING, help="the image (build/dashboard.svg)"
    )
    add_deployment(parser)
    return parser.parse()


if __name__ == "__main__":
    run_tool(main)
