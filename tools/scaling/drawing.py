"""Draws a simulation: demand and capacity, and the instances, minute by minute."""

from tools.drawing import Line, Panel, draw_panels
from tools.scaling.simulation import Outcome
from tools.svg import BLUE, GREEN, RED


def draw(outcome: Outcome, *, capacity_per_second: float, title: str) -> str:
    """Return an SVG image.

    Args:
        outcome: the simulation.
        capacity_per_second: of an instance.
        title: above the panels.
    """
    minutes = outcome.minutes
    demand = [minute.requests for minute in minutes]
    capacity = [minute.instances * capacity_per_second * 60 for minute in minutes]
    instances = [float(minute.instances) for minute in minutes]
    panels = (
        Panel(
            "requests a minute",
            [Line(demand, BLUE, "demand"), Line(capacity, RED, "capacity")],
        ),
        Panel("instances", [Line(instances, GREEN, "in service")]),
    )
    return draw_panels(panels, title=title, duration=f"{len(minutes) / 60:.1f} hours")
