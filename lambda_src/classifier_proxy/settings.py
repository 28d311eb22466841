import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from classifier_proxy.image_url.url import HOST_NAME_PATTERN

_ALLOWED_HOST = rf"(\*\.)?{HOST_NAME_PATTERN}"
METRICS = ("basic", "full")
ENDPOINT_MODES = ("instances", "serverless")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class SettingsError(Exception):
    """An environment variable of the function is missing or invalid."""


@dataclass(frozen=True)
class UploadSettings:
    """Where callers upload images.

    Attributes:
        bucket: the name of the bucket.
        max_bytes: the most bytes that an image may have.
        endpoint_url: where the addresses of uploads lead to; None: to S3. The local cloud sets it.
    """

    bucket: str
    max_bytes: int
    endpoint_url: str | None = None


@dataclass(frozen=True)
class Settings:
    """The function's environment variables.

    Attributes:
        endpoint_name: the SageMaker endpoint to invoke.
        endpoint_read_timeout_seconds: timeout of a response of the endpoint.
        endpoint_mode: what the endpoint runs on, one of `ENDPOINT_MODES`.
        paused_parameter: name of the parameter that says whether the stage is paused.
        log_level: the least severe level that is logged, one of `LOG_LEVELS`.
        service_name: `service` field of the log and dimension of the metrics.
        metrics_namespace: CloudWatch namespace of the metrics.
        metrics: which metrics are published, one of `METRICS`; see docs/metrics.md.
        counted_classes: labels of the classes whose predictions are counted; empty: predictions are
            not counted by class.
        cors_allowed_origin: the origin whose pages may read responses; None: only the API's own.
        url_allowed_hosts: hosts to fetch images from, `*.` before a name for every name below it;
            empty: images by URL are refused.
        uploads: None: images cannot be uploaded.
    """

    endpoint_name: str
    endpoint_read_timeout_seconds: float
    endpoint_mode: str
    paused_parameter: str
    log_level: str
    service_name: str
    metrics_namespace: str
    metrics: str
    counted_classes: frozenset[str]
    cors_allowed_origin: str | None
    url_allowed_hosts: tuple[str, ...]
    uploads: UploadSettings | None


def load_settings(environment: Mapping[str, str]) -> Settings:
    """Read and check the settings. The function does this when it starts.

    Args:
        environment: the process's environment variables.

    Raises:
        SettingsError: names the variable, its value and what is expected.
    """
    return Settings(
        # The pattern of EndpointName in SageMaker's CreateEndpoint.
        endpoint_name=_read(
            environment,
            "ENDPOINT_NAME",
            r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
            "the name of a SageMaker endpoint: up to 63 letters, digits and inner hyphens",
        ),
        endpoint_read_timeout_seconds=float(
            _read(
                environment,
                "ENDPOINT_READ_TIMEOUT_SECONDS",
                r"0\.[1-9]|[1-9]|1[0-8]",
                "seconds from 0.1 to 18, such as 4",
            )
        ),
        endpoint_mode=_read(
            {"ENDPOINT_MODE": ENDPOINT_MODES[0], **environment},
            "ENDPOINT_MODE",
            "|".join(ENDPOINT_MODES),
            f"one of {ENDPOINT_MODES}",
        ),
        # Names with a path, "Parameter name requirements" in Systems Manager's user guide.
        paused_parameter=_read(
            environment,
            "PAUSED_PARAMETER",
            r"(/[a-zA-Z0-9_.-]+){1,15}",
            "the name of a parameter with its path, such as /whippet/dev/paused",
        ),
        log_level=_read(environment, "LOG_LEVEL", "|".join(LOG_LEVELS), f"one of {LOG_LEVELS}"),
        service_name=_read(
            environment,
            "POWERTOOLS_SERVICE_NAME",
            r"[a-zA-Z0-9_.-]{1,100}",
            "up to 100 letters, digits, dots, hyphens and underscores",
        ),
        # The pattern of Namespace in CloudWatch's PutMetricData.
        metrics_namespace=_read(
            environment,
            "POWERTOOLS_METRICS_NAMESPACE",
            r"(?!AWS/)[a-zA-Z0-9_./#:-]{1,255}",
            "a CloudWatch namespace that does not start with AWS/",
        ),
        metrics=_read(environment, "METRICS", "|".join(METRICS), f"one of {METRICS}"),
        counted_classes=_read_counted_classes(environment),
        cors_allowed_origin=_read_cors_allowed_origin(environment),
        url_allowed_hosts=_read_url_allowed_hosts(environment),
        uploads=_read_uploads(environment),
    )


def _read_counted_classes(environment: Mapping[str, str]) -> frozenset[str]:
    value = environment.get("COUNTED_CLASSES", "[]")
    try:
        labels = json.loads(value)
    except ValueError:
        labels = None
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise SettingsError(
            f"COUNTED_CLASSES is {value!r}; expected a JSON array of labels. Correct it."
        )
    return frozenset(labels)


def _read_cors_allowed_origin(environment: Mapping[str, str]) -> str | None:
    if "CORS_ALLOWED_ORIGIN" not in environment:
        return None
    return _read(
        environment,
        "CORS_ALLOWED_ORIGIN",
        r"https?://[a-z0-9.-]+(:\d+)?",
        "one origin such as https://app.example.com",
    )


def _read_url_allowed_hosts(environment: Mapping[str, str]) -> tuple[str, ...]:
    # CloudFormation keeps an empty variable; empty means the same as missing.
    if not environment.get("URL_ALLOWED_HOSTS"):
        return ()
    hosts = _read(
        environment,
        "URL_ALLOWED_HOSTS",
        rf"{_ALLOWED_HOST}(,{_ALLOWED_HOST})*",
        "comma-separated host names in lower case, each of at least two labels,"
        " such as images.example.com or *.example.com",
    )
    return tuple(hosts.split(","))


def _read_uploads(environment: Mapping[str, str]) -> UploadSettings | None:
    if "UPLOADS_BUCKET" not in environment:
        return None
    endpoint_url = None
    if "UPLOADS_ENDPOINT_URL" in environment:
        endpoint_url = _read(
            environment,
            "UPLOADS_ENDPOINT_URL",
            r"https?://[a-z0-9.-]+(:\d+)?",
            "an address without a path such as http://127.0.0.1:4580",
        )
    return UploadSettings(
        # The pattern of Bucket in S3's API.
        bucket=_read(
            environment,
            "UPLOADS_BUCKET",
            r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
            "the name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens",
        ),
        max_bytes=int(
            _read(environment, "UPLOADS_MAX_BYTES", r"[1-9][0-9]{0,7}", "a number of bytes")
        ),
        endpoint_url=endpoint_url,
    )


def _read(environment: Mapping[str, str], name: str, pattern: str, expected: str) -> str:
    value = environment.get(name)
    if value is None:
        raise SettingsError(f"{name} is not set; expected {expected}. Set it on the function.")
    if not re.fullmatch(pattern, value):
        raise SettingsError(f"{name} is {value!r}; expected {expected}. Correct it.")
    return value
