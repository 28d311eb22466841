"""Errors that the user can fix; only the message is shown."""


class LifecycleError(Exception):
    """The cloud could not be started or stopped; the message says why and what to do."""
