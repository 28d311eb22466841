"""Errors while an artifact is made; each message is one line."""


class TrainingError(Exception):
    """Base of the errors of training and building."""


class OptionError(TrainingError):
    """A flag or hyperparameter that is unknown or has a value that is not allowed."""


class NetworkError(TrainingError):
    """No such architecture, or weights that do not fit it."""


class DataError(TrainingError):
    """The images or labels cannot be used as they are."""


class QuantizationError(TrainingError):
    """No int8 network can be made of this one."""


class HalfPrecisionError(TrainingError):
    """No fp16 network can be made of this one, or it cannot be computed in bf16."""


class UnavailableWeightsError(TrainingError):
    """Published weights are not available from their source."""


class DownloadError(UnavailableWeightsError):
    """The server that publishes them cannot be reached, or sent something else."""


class LostWorkerError(TrainingError):
    """Another of the processes that train together is not there any more."""

    BEGINNING = "the connection to another worker was lost"

    def __init__(self, reason: str) -> None:
        super().__init__(f"{self.BEGINNING}: {reason}")
