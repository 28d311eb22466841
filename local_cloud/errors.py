"""Errors that a person can mend; the text is all that is shown."""


class LifecycleError(Exception):
    """The cloud could not be started or stopped; the text says why and what to do."""
