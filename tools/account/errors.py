"""Errors of AWS and its SDK as sentences: what went wrong, and what to do."""

import difflib
from urllib.parse import urlsplit

import botocore.session
from botocore import exceptions

# Of signatures and keys: https://docs.aws.amazon.com/IAM/latest/UserGuide/ and the services'
# lists of common errors.
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_REJECTED = {
    "AuthFailure",
    "InvalidClientTokenId",
    "OptInRequired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_SIGN_IN = "sign in (`aws sso login`, `aws configure`) or set AWS_PROFILE"
_EXPIRED_SESSION = (
    exceptions.LoginRefreshRequired,
    exceptions.SSOTokenLoadError,
    exceptions.TokenRetrievalError,
    exceptions.UnauthorizedSSOTokenError,
)


def describe_aws_error(error: Exception, region: str | None = None) -> str | None:
    """Return a message for an error of AWS or its SDK.

    Args:
        error: any error.
        region: the region of the request, if known.

    Returns:
        The message; None if the error is of another kind.
    """
    if isinstance(error, exceptions.ClientError):
        return _describe_response(error, region)
    if isinstance(error, exceptions.ProxyConnectionError):
        return (
            f"The proxy {error.kwargs['proxy_url']} cannot be reached, so no request got to AWS. "
            "Correct or unset HTTPS_PROXY."
        )
    if isinstance(error, exceptions.SSLError):
        return (
            f"The certificate of {error.kwargs['endpoint_url']} is not trusted "
            f"({error.kwargs['error']}). Behind a proxy that inspects TLS, set AWS_CA_BUNDLE to "
            "the file with its certificate."
        )
    if isinstance(error, (exceptions.ConnectionError, exceptions.HTTPClientError)):
        return _describe_connection(error, region)
    if isinstance(error, _EXPIRED_SESSION):
        return f"The AWS session has expired: {_SIGN_IN}. ({error})"
    if isinstance(error, exceptions.NoCredentialsError):
        return f"No AWS credentials: {_SIGN_IN}."
    return f"AWS: {error}" if isinstance(error, exceptions.BotoCoreError) else None


def _describe_response(error: exceptions.ClientError, region: str | None) -> str:
    code = error.response.get("Error", {}).get("Code", "")
    if code in _EXPIRED:
        return f"The AWS session has expired ({code}): {_SIGN_IN}."
    if code in _REJECTED:
        where = f" in {region}" if region else ""
        enabled = f"the region {region}" if region else "the region"
        return (
            f"AWS does not accept the credentials{where} ({code}): they are wrong or deleted, or "
            f"the account has not enabled {enabled} (AWS console: Account, AWS Regions)."
        )
    return f"AWS: {error}"


def _describe_connection(
    error: exceptions.ConnectionError | exceptions.HTTPClientError, region: str | None
) -> str:
    endpoint = error.kwargs.get("endpoint_url")
    if endpoint is None:
        return f"AWS cannot be reached: {error}"
    host = urlsplit(str(endpoint)).netloc
    return f"{host} cannot be reached: check the network{_region_hint(region)}. ({error})"


def _region_hint(region: str | None) -> str:
    if region is None:
        return ""
    session = botocore.session.get_session()
    known = [
        name
        for partition in session.get_available_partitions()
        for name in session.get_available_regions("sts", partition)
    ]
    if region in known:
        return ""
    near = difflib.get_close_matches(region, known, n=1)
    return f" and the region {region}" + (f" (did you mean {near[0]}?)" if near else "")
