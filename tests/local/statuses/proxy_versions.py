"""Situations of the function: another version behind the alias that the API invokes."""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

from tests.lambda_src.stand_in import SageMakerRuntime, silence
from tests.local.api_requests import Request, send
from tests.local.functions import ALIAS_NAME, API_STACK, FUNCTION, health_function, proxy_function
from tests.local.statuses.cloud import Cloud
from tests.local.test_api import GOOD
from tests.local.test_iam import ASSETS

ALLOWED_HOST = "images.invalid"  # RFC 2606: this name never resolves


@contextmanager
def with_a_stand_in(cloud: Cloud, **variables: str) -> Iterator[SageMakerRuntime]:
    """Configure the function with a stand-in for SageMaker, a host for image URLs, and uploads."""
    sagemaker = SageMakerRuntime()
    changes = {
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": sagemaker.url,
        "URL_ALLOWED_HOSTS": ALLOWED_HOST,
        "UPLOADS_BUCKET": "whippet-no-such-bucket",
        "UPLOADS_MAX_BYTES": "25000000",
        # Without a name server, the lookup must time out before the fetch does.
        "RES_OPTIONS": "timeout:1 attempts:1",
        "ENDPOINT_READ_TIMEOUT_SECONDS": "1",
        **variables,
    }
    try:
        with another_version(cloud, environment=changes):
            yield sagemaker
    finally:
        sagemaker.close()


@contextmanager
def serverless_and_cold(cloud: Cloud) -> Iterator[SageMakerRuntime]:
    """Let the stand-in for SageMaker be a serverless endpoint that is silent while it starts."""
    with with_a_stand_in(cloud, ENDPOINT_MODE="serverless") as sagemaker:
        yield sagemaker


@contextmanager
def without_s3(cloud: Cloud) -> Iterator[SageMakerRuntime]:
    """Let nothing respond where the function finds S3."""
    with with_a_stand_in(cloud, AWS_ENDPOINT_URL_S3="http://127.0.0.1:9") as sagemaker:
        yield sagemaker


@contextmanager
def hung(cloud: Cloud) -> Iterator[SageMakerRuntime]:
    """Let the stand-in for SageMaker be silent: each execution environment stops invoking it."""
    with with_a_stand_in(cloud) as sagemaker:
        yield sagemaker


@contextmanager
def hung_for_some_time(cloud: Cloud) -> Iterator[None]:
    """The same after a request that timed out."""
    with with_a_stand_in(cloud) as sagemaker:
        sagemaker.script = [silence(3.0)]
        assert send(cloud.deployment, Request(GOOD)).status == 504
        yield


@contextmanager
def health_with_a_stand_in(cloud: Cloud) -> Iterator[SageMakerRuntime]:
    """Let the health function describe the endpoint of a stand-in for SageMaker."""
    sagemaker = SageMakerRuntime()
    functions, name = cloud.client("lambda"), health_function(cloud.client)
    before = functions.get_function_configuration(FunctionName=name)["Environment"]
    variables = before["Variables"] | {"AWS_ENDPOINT_URL_SAGEMAKER": sagemaker.url}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    try:
        yield sagemaker
    finally:
        functions.update_function_configuration(FunctionName=name, Environment=before)
        sagemaker.close()


@contextmanager
def wrong_settings(cloud: Cloud) -> Iterator[None]:
    """Give the function a setting that prevents its start."""
    with another_version(cloud, environment={"ENDPOINT_NAME": "no_underscores"}):
        yield


@contextmanager
def little_time(cloud: Cloud) -> Iterator[None]:
    """Set the function's timeout below the endpoint's slowest response."""
    with another_version(cloud, timeout_seconds=5):
        yield


@contextmanager
def incomplete_bundle(cloud: Cloud) -> Iterator[None]:
    """Remove the module from the function that it imports for the first image URL."""
    functions, name = cloud.client("lambda"), proxy_function(cloud.client)
    template = cloud.client("cloudformation").get_template(StackName=API_STACK)["TemplateBody"]
    (key,) = {
        resource["Properties"]["Code"]["S3Key"]
        for resource in template["Resources"].values()
        if resource["Type"] == FUNCTION
    }
    bundle = cloud.client("s3").get_object(Bucket=ASSETS, Key=key)["Body"].read()
    functions.update_function_code(
        FunctionName=name, ZipFile=_less(bundle, "classifier_proxy/image_url/fetch.py")
    )
    try:
        with another_version(cloud, environment={"URL_ALLOWED_HOSTS": ALLOWED_HOST}):
            yield
    finally:
        functions.update_function_code(FunctionName=name, S3Bucket=ASSETS, S3Key=key)


@contextmanager
def no_concurrency(cloud: Cloud) -> Iterator[None]:
    """Throttle every invocation of the function."""
    functions, name = cloud.client("lambda"), proxy_function(cloud.client)
    before = functions.get_function_concurrency(FunctionName=name)["ReservedConcurrentExecutions"]
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    try:
        yield
    finally:
        functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=before)


@contextmanager
def another_version(
    cloud: Cloud, *, environment: dict[str, str] | None = None, timeout_seconds: int | None = None
) -> Iterator[None]:
    """Point the alias at a new version of the function, then restore alias and settings."""
    functions, name = cloud.client("lambda"), proxy_function(cloud.client)
    before = functions.get_function_configuration(FunctionName=name)
    served = functions.get_alias(FunctionName=name, Name=ALIAS_NAME)["FunctionVersion"]

    def configure(variables: dict[str, str], timeout_seconds: int) -> None:
        functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": variables}, Timeout=timeout_seconds
        )

    variables = before["Environment"]["Variables"]
    configure(variables | (environment or {}), timeout_seconds or before["Timeout"])
    version = functions.publish_version(FunctionName=name)["Version"]
    functions.update_alias(FunctionName=name, Name=ALIAS_NAME, FunctionVersion=version)
    try:
        yield
    finally:
        functions.update_alias(FunctionName=name, Name=ALIAS_NAME, FunctionVersion=served)
        functions.delete_function(FunctionName=name, Qualifier=version)
        configure(variables, before["Timeout"])


def _less(bundle: bytes, left_out: str) -> bytes:
    copied = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(bundle)) as original, zipfile.ZipFile(copied, "w") as copy:
        assert left_out in original.namelist()
        for entry in original.infolist():
            if entry.filename != left_out:
                copy.writestr(entry, original.read(entry))
    return copied.getvalue()
