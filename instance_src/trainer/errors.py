"""What ends a job without a model package."""


class JobError(Exception):
    """The job failed; the message is its reason for a person."""
