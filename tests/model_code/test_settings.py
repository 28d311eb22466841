from __future__ import annotations

import pytest

from classifier.settings import SettingsError, read_port, read_settings


def test_each_variable_is_read() -> None:
    settings = read_settings(
        {
            "WHIPPET_WORKERS": "3",
            "WHIPPET_DECODE_PROCESSES": "5",
            "WHIPPET_QUEUE_LENGTH": "0",
            "WHIPPET_MAX_BODY_BYTES": "2048",
            "WHIPPET_DRAIN_SECONDS": "7",
            "LOG_LEVEL": "warning",
        }
    )
    assert (settings.worker_count, settings.queue_length) == (3, 0)
    assert settings.decode_process_count == 5
    assert (settings.max_body_bytes, settings.drain_seconds) == (2048, 7)
    assert settings.log_level == "WARNING"


def test_without_variables_there_is_a_worker_a_core() -> None:
    settings = read_settings({})
    assert 1 <= settings.worker_count <= 256
    assert settings.drain_seconds < 30


@pytest.mark.parametrize("value", ["", "0", "-1", "1.5", "257", "many", "²", "9" * 5000])
def test_a_value_out_of_bounds_is_refused_by_name(value: str) -> None:
    with pytest.raises(SettingsError, match=r"WHIPPET_WORKERS is .* from 1 to 256"):
        read_settings({"WHIPPET_WORKERS": value})


def test_an_unknown_log_level_is_refused() -> None:
    with pytest.raises(SettingsError, match="LOG_LEVEL is 'LOUD'"):
        read_settings({"LOG_LEVEL": "loud"})


def test_the_port_is_sagemakers_or_8080() -> None:
    assert read_port({}) == 8080
    assert read_port({"SAGEMAKER_BIND_TO_PORT": "9090"}) == 9090
    with pytest.raises(SettingsError, match="SAGEMAKER_BIND_TO_PORT"):
        read_port({"SAGEMAKER_BIND_TO_PORT": "http"})
