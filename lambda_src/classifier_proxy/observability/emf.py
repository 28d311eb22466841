import json
from collections.abc import Mapping
from typing import Any

_MAX_DIMENSION_CHARACTERS = 1024


class MetricLine:
    """The metrics of one request as one log line of CloudWatch's embedded metric format.

    CloudWatch bills each combination of a metric's name and dimension values, so each metric has
    only the dimensions that it needs. Powertools' Metrics supports one set of dimensions a line.
    """

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._units: dict[tuple[str, ...], dict[str, str]] = {}
        self._members: dict[str, Any] = {}

    def add(self, name: str, value: float, unit: str, dimensions: Mapping[str, str]) -> None:
        """Add a metric's value.

        Args:
            name: the metric's name.
            value: its value in `unit`.
            unit: one of CloudWatch's units.
            dimensions: value by name; a name has the same value in the whole line. Characters that
                CloudWatch does not accept are escaped.
        """
        self._units.setdefault(tuple(dimensions), {})[name] = unit
        self._members |= {key: dimension_value(text) for key, text in dimensions.items()}
        self._members[name] = value

    def render(self, timestamp_ms: int) -> str | None:
        """Return the line as JSON, or None if no metric was added.

        Args:
            timestamp_ms: milliseconds since 1970.
        """
        if not self._units:
            return None
        directives = [
            {
                "Namespace": self._namespace,
                "Dimensions": [list(dimensions)],
                "Metrics": [{"Name": name, "Unit": unit} for name, unit in units.items()],
            }
            for dimensions, units in self._units.items()
        ]
        about = {"Timestamp": timestamp_ms, "CloudWatchMetrics": directives}
        return json.dumps({"_aws": about, **self._members})


def dimension_value(text: str) -> str:
    """Return the value of a dimension with the characters that CloudWatch does not accept escaped.

    "Dimension" in CloudWatch's API reference: printable ASCII, not blank, no colon at the start. A
    label may be any text, and CloudWatch drops the whole line if one value is invalid.
    """
    escaped = text[:_MAX_DIMENSION_CHARACTERS].encode("unicode_escape").decode()
    if escaped.startswith(":"):
        escaped = rf"\x3a{escaped[1:]}"
    return escaped[:_MAX_DIMENSION_CHARACTERS] if escaped.strip() else "(blank)"
