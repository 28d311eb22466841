"""Units of metrics."""

_MICROSECONDS_PER_MILLISECOND = 1000


def microseconds(milliseconds: float) -> float:
    """Convert a threshold to microseconds, the unit of SageMaker's latencies."""
    return milliseconds * _MICROSECONDS_PER_MILLISECOND
