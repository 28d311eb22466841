import datetime
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from classifier_proxy.errors import UrlUnreachableError
from tests.lambda_src.conftest import JPEG
from tests.lambda_src.image_url.conftest import (
    AUTHORITY,
    HOST,
    URL,
    UrlProxy,
    create_fetcher,
)
from tests.lambda_src.image_url.image_server import ImageServer, respond, say

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
ANOTHER_AUTHORITY = trustme.CA()

# OpenSSL's X509_V_ERR_…: they show that a certificate is refused for the reason it should be.
NOT_YET_VALID, EXPIRED, SELF_SIGNED, UNKNOWN_ISSUER, HOSTNAME_MISMATCH = 9, 10, 18, 20, 62
CERTIFICATES: dict[str, tuple[Callable[[], trustme.LeafCert], int]] = {
    "another name": (lambda: AUTHORITY.issue_cert("another.example.com"), HOSTNAME_MISMATCH),
    "a name below": (lambda: AUTHORITY.issue_cert(f"www.{HOST}"), HOSTNAME_MISMATCH),
    "the address": (lambda: AUTHORITY.issue_cert("127.0.0.1"), HOSTNAME_MISMATCH),
    "only a common name": (
        lambda: AUTHORITY.issue_cert("another.example.com", common_name=HOST),
        HOSTNAME_MISMATCH,
    ),
    "expired": (
        lambda: AUTHORITY.issue_cert(HOST, not_before=NOW - 2 * DAY, not_after=NOW - DAY),
        EXPIRED,
    ),
    "not yet valid": (
        lambda: AUTHORITY.issue_cert(HOST, not_before=NOW + DAY, not_after=NOW + 2 * DAY),
        NOT_YET_VALID,
    ),
    "an unknown authority": (lambda: ANOTHER_AUTHORITY.issue_cert(HOST), UNKNOWN_ISSUER),
}


@pytest.mark.parametrize(
    ("issue", "reason"), [pytest.param(*case, id=name) for name, case in CERTIFICATES.items()]
)
@pytest.mark.usefixtures("looked_up")
def test_a_certificate_that_is_not_valid_for_the_name_is_refused(
    issue: Callable[[], trustme.LeafCert], reason: int
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issue().configure_cert(context)

    assert refusal(context) == reason


@pytest.mark.usefixtures("looked_up")
def test_a_certificate_that_is_self_signed_is_refused(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "certificate.pem")
    authority.private_key_pem.write_to_path(tmp_path / "key.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")

    assert refusal(context) == SELF_SIGNED


def refusal(context: ssl.SSLContext) -> int:
    """Why the certificate of a server is refused, which then has not had a request."""
    server = ImageServer(context, respond(JPEG))
    try:
        with pytest.raises(UrlUnreachableError, match="no valid certificate") as caught:
            create_fetcher(server, (HOST,)).fetch(URL)
    finally:
        server.close()
    assert (server.connections, server.requests) == (1, [])
    assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
    return caught.value.__cause__.verify_code


def test_a_certificate_for_a_wildcard_will_do(url_proxy: UrlProxy) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("*.example.org").configure_cert(context)
    wildcard_server = ImageServer(context, respond(JPEG))
    try:
        assert url_proxy.fetch(wildcard_server, "https://a.example.org/").status == 200
        assert url_proxy.fetch(wildcard_server, "https://a.b.example.org/").status == 422
    finally:
        wildcard_server.close()


@pytest.mark.parametrize("data", [b"", b"\x16\x03\x03", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_server_without_tls_is_unreachable(
    url_proxy: UrlProxy, server_without_tls: ImageServer, data: bytes
) -> None:
    server_without_tls.behaviour = say(data)

    result = url_proxy.fetch(server_without_tls)

    assert (result.status, result.body["error"]["code"]) == (422, "url_unreachable")
