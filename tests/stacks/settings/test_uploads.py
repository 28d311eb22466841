"""Uploads: who may enable them, how large they may be, and from which pages."""

import json
from pathlib import Path

import pytest

from stacks.settings.stage import StageSettings, load_stage_settings
from tests.stacks.assembly import CONFIG
from tests.stacks.settings.stage_file import load_text, refusal_of, section

DOMAIN = {
    "domain_name": '"images.example.com"',
    "certificate_arn": f'"arn:aws:acm:us-east-1:123456789012:certificate/{"0a" * 4}"',
}
ORIGIN = '"https://d111111abcdef8.cloudfront.net"'


def text_of(
    api: dict[str, str] | None = None,
    web: dict[str, str] | None = None,
    serving: dict[str, str] | None = None,
) -> str:
    api = {"uploads_enabled": "true"} | (api or {})
    return section("api", api) + section("web", web or {}) + section("serving", serving or {})


@pytest.mark.parametrize("stage", ["local", "dev", "prod"])
def test_they_are_off_in_every_stage(stage: str) -> None:
    settings = load_stage_settings(stage, CONFIG)
    assert settings.api.uploads_enabled is False
    assert settings.page_uploads is False


def test_the_preset_of_resnet50_has_them() -> None:
    settings = load_stage_settings("local", CONFIG, "resnet50")
    assert settings.api.uploads_enabled
    assert settings.page_uploads, "on a laptop the page and the uploads have one origin"
    assert settings.upload_origins == ()


def test_a_stage_that_becomes_serverless_leaves_those_of_its_preset_out(tmp_path: Path) -> None:
    (tmp_path / "presets").symlink_to(CONFIG / "presets")
    serverless = 'preset = "resnet50"\n[serving]\nmode = "serverless"\n'
    assert load_text(tmp_path, 'preset = "resnet50"\n').api.uploads_enabled is True
    assert load_text(tmp_path, serverless).api.uploads_enabled is False


@pytest.mark.parametrize("megabytes", [5, 12, 25])
def test_the_largest_is_in_millions_of_bytes(tmp_path: Path, megabytes: int) -> None:
    settings = load_text(tmp_path, text_of({"max_upload_mb": str(megabytes)}))
    assert settings.api.max_upload_bytes == megabytes * 10**6


@pytest.mark.parametrize("megabytes", ["4", "26", "0", "5.5", "true"])
def test_the_largest_has_bounds(tmp_path: Path, megabytes: str) -> None:
    message = refusal_of(tmp_path, text_of({"max_upload_mb": megabytes}))
    assert message.startswith("api.max_upload_mb = ")
    assert "expected a whole number" in message


NAMED = f"web.origin = {json.loads(ORIGIN)!r}"
NO_EFFECT = (
    f"{NAMED} has no effect: expected web.enabled and api.uploads_enabled = true, or no origin"
)
REFUSALS = {
    section("api", {"max_upload_mb": "10"}): (
        "api.max_upload_mb = 10 has no effect without uploads: expected api.uploads_enabled = "
        "true, or no max_upload_mb"
    ),
    text_of({"memory_mb": "255"}): (
        "api.memory_mb = 255: expected at least 256 with api.uploads_enabled = true: the proxy "
        "holds a whole image in memory"
    ),
    text_of(serving={"mode": '"serverless"'}): (
        "api.uploads_enabled has no effect with serving.mode = 'serverless': Serverless Inference "
        "takes 4 MB, as much as an image in a request has; expected no uploads_enabled, or mode "
        "instances"
    ),
    text_of(web={**DOMAIN, "origin": ORIGIN}): (
        f"{NAMED}: expected none with web.domain_name: the page's origin is "
        "https://images.example.com"
    ),
    section("web", {"origin": ORIGIN}): NO_EFFECT,
    text_of(web={"origin": ORIGIN, "enabled": "false"}): NO_EFFECT,
}


@pytest.mark.parametrize(("text", "refusal"), REFUSALS.items(), ids=range(len(REFUSALS)))
def test_what_has_no_effect_or_does_not_fit_is_refused(
    tmp_path: Path, text: str, refusal: str
) -> None:
    assert refusal_of(tmp_path, text) == refusal


@pytest.mark.parametrize(
    "origin",
    ["http://d1.cloudfront.net", "https://d1.cloudfront.net/", "https://*.cloudfront.net", "*"],
)
def test_an_origin_is_one_literal(tmp_path: Path, origin: str) -> None:
    message = refusal_of(tmp_path, text_of(web={"origin": json.dumps(origin)}))
    assert "expected an origin such as https://d111111abcdef8.cloudfront.net" in message


@pytest.mark.parametrize(
    ("api", "web", "origins", "page_uploads"),
    [
        ({}, {}, (), False),
        ({}, {"origin": ORIGIN}, ("https://d111111abcdef8.cloudfront.net",), True),
        ({}, DOMAIN, ("https://images.example.com",), True),
        ({}, {"enabled": "false"}, (), False),
        ({}, {**DOMAIN, "enabled": "false"}, (), False),
        (
            {"cors_allowed_origin": '"https://app.example.com"'},
            DOMAIN,
            ("https://images.example.com", "https://app.example.com"),
            True,
        ),
        (
            {"cors_allowed_origin": '"https://app.example.com"'},
            {"enabled": "false"},
            ("https://app.example.com",),
            False,
        ),
        ({"cors_allowed_origin": ORIGIN}, {"origin": ORIGIN}, (json.loads(ORIGIN),), True),
    ],
)
def test_only_literal_origins_may_upload(
    tmp_path: Path,
    api: dict[str, str],
    web: dict[str, str],
    origins: tuple[str, ...],
    page_uploads: bool,
) -> None:
    settings: StageSettings = load_text(tmp_path, text_of(api, web))
    assert settings.upload_origins == origins
    assert settings.page_uploads is page_uploads
