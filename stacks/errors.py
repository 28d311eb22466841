"""Errors that the user of this app can fix; only the message is shown."""


class UserError(Exception):
    """Base class; the message says what is wrong, what was expected and what to do."""


class SettingsError(UserError):
    """A stage's settings are missing, unknown, out of bounds or contradictory."""


class CheckError(UserError):
    """A template failed a check, for example cdk-nag."""


class InputError(UserError):
    """A built input (the model's artifact, the proxy's code) is missing or invalid."""
