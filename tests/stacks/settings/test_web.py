from pathlib import Path

import pytest

from tests.stacks.settings.stage_file import load_text, refusal_of, section

WITH_DOMAIN = {
    "domain_name": '"images.example.com"',
    "certificate_arn": '"arn:aws:acm:us-east-1:123456789012:certificate/0a1b2c"',
}


def test_a_domain_and_its_certificate_are_read(tmp_path: Path) -> None:
    web = load_text(tmp_path, section("web", WITH_DOMAIN)).web
    assert web.domain_name == "images.example.com"
    assert web.certificate_arn == "arn:aws:acm:us-east-1:123456789012:certificate/0a1b2c"


@pytest.mark.parametrize(
    "name", ["xn--80akhbyknj4f.xn--p1ai", f"{'a' * 63}.example.com", f"{'a.' * 125}com"]
)
def test_a_domain_may_be_any_host_name(tmp_path: Path, name: str) -> None:
    table = section("web", {**WITH_DOMAIN, "domain_name": f'"{name}"'})
    assert load_text(tmp_path, table).web.domain_name == name


@pytest.mark.parametrize(
    "name",
    ["localhost", "*.example.com", "https://a.com", "A.example.com", "a_b.example.com",
     f"{'a' * 64}.example.com", f"{'a.' * 126}com", "203.0.113.1"],
)  # fmt: skip
def test_a_domain_that_is_no_host_name_is_refused(tmp_path: Path, name: str) -> None:
    message = refusal_of(tmp_path, section("web", {**WITH_DOMAIN, "domain_name": f'"{name}"'}))
    assert message == f"web.domain_name = {name!r}: expected a host name such as images.example.com"


@pytest.mark.parametrize("given", ["domain_name", "certificate_arn"])
def test_a_domain_and_its_certificate_come_together(tmp_path: Path, given: str) -> None:
    message = refusal_of(tmp_path, section("web", {given: WITH_DOMAIN[given]}))
    assert message == "web.domain_name and web.certificate_arn: expected both or neither"


def test_a_certificate_of_another_region_is_refused(tmp_path: Path) -> None:
    elsewhere = WITH_DOMAIN["certificate_arn"].replace("us-east-1", "eu-central-1")
    message = refusal_of(tmp_path, section("web", {**WITH_DOMAIN, "certificate_arn": elsewhere}))
    assert message.endswith("expected the ARN of a certificate of Certificate Manager in us-east-1")


def test_a_price_class_without_quotes_is_refused_with_the_reason(tmp_path: Path) -> None:
    message = refusal_of(tmp_path, "[web]\nprice_class = 100")
    assert message == 'web.price_class = 100: expected one of "100", "200", "all", quoted'
