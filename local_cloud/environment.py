"""Environment variables of the local cloud's process and of its clients.

Both sets are built from scratch, not inherited: otherwise a laptop's AWS_PROFILE,
AWS_ENDPOINT_URL or company CA bundle would affect the Lambda workers and the CDK CLI.
"""

import os
from collections.abc import Mapping
from pathlib import Path

ACCOUNT_ID = "123456789012"
# MiniStack reads a 12-digit access key as the account's own root credentials.
_SECRET_ACCESS_KEY = "test"  # noqa: S105 - the emulator's fixed secret, useless elsewhere

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TERM", "TZ", "SYSTEMROOT")


def kept_environment() -> dict[str, str]:
    """Return the variables of this process that do not affect AWS clients."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ}


def without_aws(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without the variables that configure AWS clients or their TLS.

    CDK_VALIDATION stays, which says whether CDK validates the templates that it synthesizes.
    """
    return {
        name: value
        for name, value in environment.items()
        if name == "CDK_VALIDATION"
        or not (name.startswith(("AWS_", "CDK_", "SSL_CERT_")) or name.endswith("_CA_BUNDLE"))
    }


def client_environment(*, port: int, certificate: Path, region: str) -> dict[str, str]:
    """Return the variables that point any AWS SDK or CLI at the local cloud.

    Args:
        port: the TLS port of the AWS APIs.
        certificate: the cloud's own certificate, which the clients must trust.
        region: the region to sign for.
    """
    return {
        "AWS_ACCESS_KEY_ID": ACCOUNT_ID,
        "AWS_SECRET_ACCESS_KEY": _SECRET_ACCESS_KEY,
    } | endpoint_environment(
        url=f"https://localhost:{port}", certificate=certificate, region=region
    )


def endpoint_environment(*, url: str, certificate: Path, region: str) -> dict[str, str]:
    """Return the variables that point AWS SDKs at the local cloud, without credentials.

    Args:
        url: the address of the AWS APIs.
        certificate: the cloud's own certificate, which the clients must trust.
        region: the region to sign for.
    """
    return {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ENDPOINT_URL": url,
        "AWS_CA_BUNDLE": str(certificate),
        "NODE_EXTRA_CA_CERTS": str(certificate),
        "AWS_EC2_METADATA_DISABLED": "true",
        # The user's AWS settings and a company's proxy must not apply to requests to localhost.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "localhost,127.0.0.1",
        "no_proxy": "localhost,127.0.0.1",
    }


def server_environment(
    *,
    port: int,
    public_port: int,
    certificate: Path,
    private_key: Path,
    temporary: Path,
    region: str,
) -> dict[str, str]:
    """Return the whole environment of the cloud's own process.

    MiniStack takes its settings from the environment when it is imported.
    """
    return kept_environment() | {
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        # For functions, which have this environment: browsers upload without the certificate.
        "UPLOADS_ENDPOINT_URL": f"http://127.0.0.1:{public_port}",
        "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
        "MINISTACK_REGION": region,
        "MINISTACK_SSL_CERT": str(certificate),
        "MINISTACK_SSL_KEY": str(private_key),
        "USE_SSL": "1",
        # The broker and the file server would open additional ports.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # Without Docker: a Lambda function runs in a worker process of this Python.
        "DOCKER_HOST": "unix:///nonexistent",
        "MOTO_ACCOUNT_ID": ACCOUNT_ID,
        "MOTO_ALLOW_NONEXISTENT_REGION": "true",
        "LOG_LEVEL": "INFO",
        "TMPDIR": str(temporary),
        # By default MiniStack shares these between all instances on the machine.
        "STATE_DIR": str(temporary / "state"),
        "S3_DATA_DIR": str(temporary / "s3"),
        "PYTHONUNBUFFERED": "1",
        # Workers must not write byte code into a deployed Lambda asset.
        "PYTHONDONTWRITEBYTECODE": "1",
    }
