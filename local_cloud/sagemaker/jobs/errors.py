"""Errors that end a job."""


class JobFailedError(Exception):
    """A job failed; the message becomes its FailureReason."""
