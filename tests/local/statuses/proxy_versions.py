"""Situations of the function: another version behind the alias that the API invokes."""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

from stacks.components.api.proxy_function import ALIAS_NAME
from tests.lambda_src.stand_in import SageMakerRuntime
from tests.local.statuses.cloud import API_STACK, Cloud
from tests.local.test_iam import ASSETS

FUNCTION = "AWS::Lambda::Function"
ALLOWED_HOST = "images.invalid"  # RFC 2606: this name never resolves


@contextmanager
def with_a_stand_in(cloud: Cloud) -> Iterator[SageMakerRuntime]:
    """Configure the function with a stand-in for SageMaker and a host for image URLs."""
    sagemaker = SageMakerRuntime()
    changes = {
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": sagemaker.url,
        "AWS_ENDPOINT_URL_SAGEMAKER": sagemaker.url,
        "URL_ALLOWED_HOSTS": ALLOWED_HOST,
        # Without a name server, the lookup must time out before the fetch does.
        "RES_OPTIONS": "timeout:1 attempts:1",
    }
    try:
        with _version_with(cloud, environment=changes):
            yield sagemaker
    finally:
        sagemaker.close()


@contextmanager
def wrong_settings(cloud: Cloud) -> Iterator[None]:
    """Give the function a setting that prevents its start."""
    with _version_with(cloud, environment={"ENDPOINT_NAME": "no_underscores"}):
        yield


@contextmanager
def little_time(cloud: Cloud) -> Iterator[None]:
    """Set the function's timeout below the endpoint's slowest response."""
    with _version_with(cloud, timeout_seconds=10):
        yield


@contextmanager
def incomplete_bundle(cloud: Cloud) -> Iterator[None]:
    """Remove the module from the function that it imports for the first image URL."""
    functions, name = cloud.client("lambda"), cloud.api_resource(FUNCTION)
    template = cloud.client("cloudformation").get_template(StackName=API_STACK)["TemplateBody"]
    (key,) = (
        resource["Properties"]["Code"]["S3Key"]
        for resource in template["Resources"].values()
        if resource["Type"] == FUNCTION
    )
    bundle = cloud.client("s3").get_object(Bucket=ASSETS, Key=key)["Body"].read()
    functions.update_function_code(
        FunctionName=name, ZipFile=_less(bundle, "classifier_proxy/image_url/fetch.py")
    )
    try:
        with _version_with(cloud, environment={"URL_ALLOWED_HOSTS": ALLOWED_HOST}):
            yield
    finally:
        functions.update_function_code(FunctionName=name, S3Bucket=ASSETS, S3Key=key)


@contextmanager
def no_concurrency(cloud: Cloud) -> Iterator[None]:
    """Throttle every invocation of the function."""
    functions, name = cloud.client("lambda"), cloud.api_resource(FUNCTION)
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    try:
        yield
    finally:
        functions.delete_function_concurrency(FunctionName=name)


@contextmanager
def _version_with(
    cloud: Cloud, *, environment: dict[str, str] | None = None, timeout_seconds: int | None = None
) -> Iterator[None]:
    """Point the alias at a new version of the function, then restore alias and settings."""
    functions, name = cloud.client("lambda"), cloud.api_resource(FUNCTION)
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
