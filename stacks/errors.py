"""Errors that a person who runs this app can mend; their text is all that is shown."""


class UserError(Exception):
    """Something given to the app is wrong: the message says what, what is expected, what to do."""


class SettingsError(UserError):
    """A stage's settings are missing, unknown, out of bounds or contradict each other."""


class CheckError(UserError):
    """A template does not pass a check such as cdk-nag."""


class InputError(UserError):
    """A built input (the model's artifact, the proxy's code) is missing or not usable."""
