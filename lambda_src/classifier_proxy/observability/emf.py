import json
from collections.abc import Mapping
from typing import Any

_LONGEST_DIMENSION_VALUE = 1024


class MetricLine:
    """The metrics of one request as one log line of CloudWatch's embedded metric format.

    CloudWatch bills each combination of a metric's name and dimension values by itself, so every
    metric names the few dimensions that it needs. Powertools' Metrics know one set a line.

    Args:
        namespace: CloudWatch's namespace.
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
            dimensions: value by name; a name has one value in the whole line. What CloudWatch
                does not take in a value is escaped.
        """
        self._units.setdefault(tuple(dimensions), {})[name] = unit
        self._members |= {key: _dimension_value(text) for key, text in dimensions.items()}
        self._members[name] = value

    def render(self, timestamp_ms: int) -> str | None:
        """Return the line.

        Args:
            timestamp_ms: when it was, in milliseconds since 1970.

        Returns:
            The JSON text, or None where nothing was added.
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


def _dimension_value(text: str) -> str:
    # "Dimension" of CloudWatch's API reference: printable ASCII, not blank. A label may be any
    # text, and one that is not taken would cost the request's other metrics too.
    escaped = text.encode("unicode_escape").decode()[:_LONGEST_DIMENSION_VALUE]
    return escaped if escaped.strip() else "(blank)"
