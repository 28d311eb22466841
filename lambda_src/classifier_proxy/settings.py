import re
from collections.abc import Mapping
from dataclasses import dataclass

from classifier_proxy.image_url.url import HOST_NAME_PATTERN

_ALLOWED_HOST = rf"(\*\.)?{HOST_NAME_PATTERN}"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class SettingsError(Exception):
    """An environment variable of the function is missing or has a value that cannot be used."""


@dataclass(frozen=True)
class Settings:
    """What the deployment tells the function.

    Attributes:
        endpoint_name: the SageMaker endpoint that is asked.
        log_level: the least severe level that is logged, one of `LOG_LEVELS`.
        service_name: `service` field of logs, traces and metrics.
        metrics_namespace: CloudWatch namespace of the function's metrics.
        cors_allowed_origin: the origin whose pages may read the answers; None: no other's.
        url_allowed_hosts: hosts whose pictures may be named by their address, `*.` before a name
            for every name below it; empty: no addresses are taken.
    """

    endpoint_name: str
    log_level: str
    service_name: str
    metrics_namespace: str
    cors_allowed_origin: str | None
    url_allowed_hosts: tuple[str, ...]


def load_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings once, when the function starts, so that a wrong one fails the deployment.

    Args:
        environment: the process's environment variables.

    Returns:
        The checked settings.

    Raises:
        SettingsError: names the variable, its value and what is expected.
    """
    return Settings(
        # The pattern is SageMaker's own, of CreateEndpoint's EndpointName.
        endpoint_name=_read(
            environment,
            "ENDPOINT_NAME",
            r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
            "the name of a SageMaker endpoint: up to 63 letters, digits and inner hyphens",
        ),
        log_level=_read(environment, "LOG_LEVEL", "|".join(LOG_LEVELS), f"one of {LOG_LEVELS}"),
        service_name=_read(
            environment,
            "POWERTOOLS_SERVICE_NAME",
            r"[a-zA-Z0-9_.-]{1,100}",
            "up to 100 letters, digits, dots, hyphens and underscores",
        ),
        # The pattern is CloudWatch's own, of PutMetricData's Namespace.
        metrics_namespace=_read(
            environment,
            "POWERTOOLS_METRICS_NAMESPACE",
            r"(?!AWS/)[a-zA-Z0-9_./#:-]{1,255}",
            "a CloudWatch namespace that does not start with AWS/",
        ),
        cors_allowed_origin=(
            _read(
                environment,
                "CORS_ALLOWED_ORIGIN",
                r"https?://[a-z0-9.-]+(:\d+)?",
                "one origin such as https://app.example.com",
            )
            if "CORS_ALLOWED_ORIGIN" in environment
            else None
        ),
        url_allowed_hosts=(
            tuple(
                _read(
                    environment,
                    "URL_ALLOWED_HOSTS",
                    rf"{_ALLOWED_HOST}(,{_ALLOWED_HOST})*",
                    "names of hosts in lower case with commas between, each of two labels or more,"
                    " such as pictures.example.com or *.example.com",
                ).split(",")
            )
            # CloudFormation keeps a variable that is empty; like a missing one it means none.
            if environment.get("URL_ALLOWED_HOSTS")
            else ()
        ),
    )


def _read(environment: Mapping[str, str], name: str, pattern: str, expected: str) -> str:
    value = environment.get(name)
    if value is None:
        raise SettingsError(f"{name} is not set; expected {expected}. Set it on the function.")
    if not re.fullmatch(pattern, value):
        raise SettingsError(f"{name} is {value!r}; expected {expected}. Correct it.")
    return value
