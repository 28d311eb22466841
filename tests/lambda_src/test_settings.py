import pytest

from classifier_proxy.settings import Settings, SettingsError, UploadSettings, load_settings

ENVIRONMENT = {
    "ENDPOINT_NAME": "whippet-dev",
    "ENDPOINT_READ_TIMEOUT_SECONDS": "4",
    "PAUSED_PARAMETER": "/whippet/dev/paused",
    "LOG_LEVEL": "INFO",
    "POWERTOOLS_SERVICE_NAME": "classifier-proxy",
    "POWERTOOLS_METRICS_NAMESPACE": "Whippet/dev",
    "METRICS": "basic",
    "PATH": "/usr/bin",
}


def test_the_environment_becomes_typed_settings() -> None:
    assert load_settings(ENVIRONMENT) == Settings(
        endpoint_name="whippet-dev",
        endpoint_read_timeout_seconds=4,
        endpoint_mode="instances",
        paused_parameter="/whippet/dev/paused",
        log_level="INFO",
        service_name="classifier-proxy",
        metrics_namespace="Whippet/dev",
        metrics="basic",
        counted_classes=frozenset(),
        cors_allowed_origin=None,
        url_allowed_hosts=(),
        uploads=None,
    )


UPLOADS = {"UPLOADS_BUCKET": "whippet-dev-uploads-1a2b", "UPLOADS_MAX_BYTES": "25000000"}


def test_uploads_may_be_taken() -> None:
    bucket, max_bytes = UPLOADS["UPLOADS_BUCKET"], 25_000_000
    assert load_settings({**ENVIRONMENT, **UPLOADS}).uploads == UploadSettings(bucket, max_bytes)
    local = {"UPLOADS_ENDPOINT_URL": "http://127.0.0.1:4580"}
    assert load_settings({**ENVIRONMENT, **UPLOADS, **local}).uploads == UploadSettings(
        bucket, max_bytes, "http://127.0.0.1:4580"
    )
    # The local cloud sets it for every function.
    assert load_settings({**ENVIRONMENT, **local}).uploads is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("UPLOADS_BUCKET", "arn:aws:s3:::bucket"),
        ("UPLOADS_BUCKET", ""),
        ("UPLOADS_MAX_BYTES", "0"),
        ("UPLOADS_MAX_BYTES", "25 MB"),
        ("UPLOADS_ENDPOINT_URL", "http://127.0.0.1:4580/path"),
    ],
)
def test_wrong_settings_of_uploads_are_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name} is {value!r}; expected"):
        load_settings({**ENVIRONMENT, **UPLOADS, name: value})


def test_an_endpoint_may_be_serverless() -> None:
    assert load_settings({**ENVIRONMENT, "ENDPOINT_MODE": "serverless"}).endpoint_mode == (
        "serverless"
    )
    with pytest.raises(SettingsError, match="ENDPOINT_MODE is 'asynchronous'; expected one of"):
        load_settings({**ENVIRONMENT, "ENDPOINT_MODE": "asynchronous"})


def test_an_origin_may_be_allowed() -> None:
    origin = "https://app.example.com:8443"
    settings = load_settings({**ENVIRONMENT, "CORS_ALLOWED_ORIGIN": origin})
    assert settings.cors_allowed_origin == origin


def test_classes_may_be_counted() -> None:
    value = '["cat, tabby", "na\\u00efve \\u732b"]'
    settings = load_settings({**ENVIRONMENT, "COUNTED_CLASSES": value})
    assert settings.counted_classes == {"cat, tabby", "na\u00efve \u732b"}


@pytest.mark.parametrize(
    ("value", "hosts"),
    [
        ("", ()),
        ("images.example.com", ("images.example.com",)),
        ("a.example.com,*.example.org", ("a.example.com", "*.example.org")),
        ("xn--bcher-kva.example", ("xn--bcher-kva.example",)),
    ],
)
def test_hosts_of_images_may_be_allowed(value: str, hosts: tuple[str, ...]) -> None:
    assert load_settings({**ENVIRONMENT, "URL_ALLOWED_HOSTS": value}).url_allowed_hosts == hosts


@pytest.mark.parametrize("name", [name for name in ENVIRONMENT if name != "PATH"])
def test_a_missing_variable_is_named(name: str) -> None:
    environment = {key: value for key, value in ENVIRONMENT.items() if key != name}

    with pytest.raises(SettingsError, match=rf"^{name} is not set; expected .+"):
        load_settings(environment)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENDPOINT_NAME", ""),
        ("ENDPOINT_NAME", "-whippet"),
        ("ENDPOINT_NAME", "whippet_dev"),
        ("ENDPOINT_NAME", "w" * 64),
        ("ENDPOINT_NAME", "whippet\n"),
        ("ENDPOINT_READ_TIMEOUT_SECONDS", "0"),
        ("ENDPOINT_READ_TIMEOUT_SECONDS", "19"),
        ("ENDPOINT_READ_TIMEOUT_SECONDS", "4 s"),
        ("ENDPOINT_READ_TIMEOUT_SECONDS", "4\n"),
        ("PAUSED_PARAMETER", "paused"),
        ("PAUSED_PARAMETER", "/whippet/dev/paused\n"),
        ("PAUSED_PARAMETER", "/whippet//paused"),
        ("LOG_LEVEL", "info"),
        ("LOG_LEVEL", "VERBOSE"),
        ("POWERTOOLS_SERVICE_NAME", ""),
        ("POWERTOOLS_METRICS_NAMESPACE", "AWS/Lambda"),
        ("METRICS", "none"),
        ("METRICS", ""),
        ("COUNTED_CLASSES", ""),
        ("COUNTED_CLASSES", "cat"),
        ("COUNTED_CLASSES", '"cat"'),
        ("COUNTED_CLASSES", '["cat", 1]'),
        ("CORS_ALLOWED_ORIGIN", "*"),
        ("CORS_ALLOWED_ORIGIN", ""),
        ("URL_ALLOWED_HOSTS", "*"),
        ("URL_ALLOWED_HOSTS", "*.com"),
        ("URL_ALLOWED_HOSTS", "localhost"),
        ("URL_ALLOWED_HOSTS", "10.0.0.1"),
        ("URL_ALLOWED_HOSTS", "10.0x7f"),
        ("URL_ALLOWED_HOSTS", "[::1]"),
        ("URL_ALLOWED_HOSTS", "a.*.example.com"),
        ("URL_ALLOWED_HOSTS", "Images.example.com"),
        ("URL_ALLOWED_HOSTS", "images.example.com."),
        ("URL_ALLOWED_HOSTS", "images.example.com:443"),
        ("URL_ALLOWED_HOSTS", "https://images.example.com"),
        ("URL_ALLOWED_HOSTS", "a.example.com, b.example.com"),
        ("URL_ALLOWED_HOSTS", "a.example.com,"),
        ("URL_ALLOWED_HOSTS", "a.example.com\n"),
    ],
)
def test_a_wrong_value_is_shown_with_what_is_expected(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({**ENVIRONMENT, name: value})

    assert str(caught.value).startswith(f"{name} is {value!r}; expected ")


def test_an_endpoint_name_may_have_63_characters() -> None:
    assert load_settings({**ENVIRONMENT, "ENDPOINT_NAME": "w" * 63}).endpoint_name == "w" * 63
