"""What can go wrong between weights or pictures and an artifact; each message is one line."""


class TrainingError(Exception):
    """The work cannot be done as asked."""


class NetworkError(TrainingError):
    """No such architecture, or weights that do not fit it."""


class DataError(TrainingError):
    """The pictures or labels cannot be used as they are."""


class QuantizationError(TrainingError):
    """No int8 network can be made of this one."""


class UnavailableWeightsError(TrainingError):
    """Published weights cannot be had from where they come."""


class DownloadError(UnavailableWeightsError):
    """The server that publishes them cannot be reached, or sent something else."""
