"""The benchmark's own error."""


class BenchError(Exception):
    """The benchmark cannot go on, or one of its servers cannot: why, and what to do."""
