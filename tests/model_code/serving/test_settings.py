from __future__ import annotations

from pathlib import Path

import pytest

from classifier.serving.settings import (
    SettingsError,
    read_port,
    read_settings,
    share_of_http_process,
    usable_cores,
)


def test_each_variable_is_read() -> None:
    settings = read_settings(
        {
            "WHIPPET_ENGINE": "onnxruntime-cuda",
            "WHIPPET_PRECISION": "int8",
            "WHIPPET_DECODE": "fast",
            "WHIPPET_MAX_BATCH": "32",
            "WHIPPET_MAX_BATCH_DELAY_MS": "0",
            "WHIPPET_DEADLINE_MS": "1500",
            "WHIPPET_MAX_INSTANCES": "9",
            "WHIPPET_WORKERS": "3",
            "WHIPPET_DECODE_PROCESSES": "5",
            "WHIPPET_HTTP_PROCESSES": "2",
            "WHIPPET_QUEUE_LENGTH": "0",
            "WHIPPET_MAX_BODY_BYTES": "2048",
            "WHIPPET_DRAIN_SECONDS": "7",
            "WHIPPET_MODEL_VERSION": "0123456789ab",
            "LOG_LEVEL": "warning",
            "SAGEMAKER_BATCH": "true",
        }
    )
    assert (settings.worker_count, settings.queue_length) == (3, 0)
    assert (settings.decode_process_count, settings.http_process_count) == (5, 2)
    assert (settings.max_body_bytes, settings.drain_seconds) == (2048, 7)
    assert settings.log_level == "WARNING"
    assert settings.is_batch
    assert not read_settings({}).is_batch
    assert settings.model_version == "0123456789ab"
    assert (settings.engine, settings.precision) == ("onnxruntime-cuda", "int8")
    assert (settings.decode, settings.max_batch, settings.max_batch_delay_ms) == ("fast", 32, 0)
    assert (settings.deadline_ms, settings.max_instances) == (1500, 9)


def test_without_variables_there_is_a_worker_a_core() -> None:
    settings = read_settings({})
    assert 1 <= settings.worker_count <= 256
    assert settings.drain_seconds < 30


@pytest.mark.parametrize(
    ("cores", "http_processes"), [(1, 1), (4, 1), (8, 2), (16, 4), (31, 7), (192, 8)]
)
def test_a_gpu_has_an_http_process_for_four_cores_and_a_longer_queue(
    monkeypatch: pytest.MonkeyPatch, cores: int, http_processes: int
) -> None:
    monkeypatch.setattr("classifier.serving.settings.usable_cores", lambda: cores)
    gpu = read_settings({"WHIPPET_ENGINE": "onnxruntime-cuda", "WHIPPET_MAX_BATCH": "64"})
    assert (gpu.http_process_count, gpu.queue_length) == (http_processes, 512)
    cpu = read_settings({})
    assert (cpu.http_process_count, cpu.queue_length) == (1, 16)
    largest = read_settings({"WHIPPET_ENGINE": "onnxruntime-cuda", "WHIPPET_MAX_BATCH": "256"})
    assert largest.queue_length == 1024


def test_http_processes_share_what_there_is() -> None:
    settings = read_settings(
        {
            "WHIPPET_HTTP_PROCESSES": "3",
            "WHIPPET_DECODE_PROCESSES": "16",
            "WHIPPET_QUEUE_LENGTH": "0",
            "WHIPPET_DEADLINE_MS": "900",
        }
    )
    share = share_of_http_process(settings)
    assert (share.decode_process_count, share.queue_length) == (6, 0)
    assert (share.deadline_ms, share.http_process_count) == (900, 3)


def test_an_http_process_of_a_batch_job_takes_all_requests_that_it_sends() -> None:
    environment = {"WHIPPET_HTTP_PROCESSES": "4", "WHIPPET_QUEUE_LENGTH": "64"}
    shares = [
        share_of_http_process(read_settings({**environment, **batch})).queue_length
        for batch in ({}, {"SAGEMAKER_BATCH": "true"})
    ]
    assert shares == [16, 64]


@pytest.mark.parametrize("value", ["", "0", "-1", "1.5", "257", "many", "²", "9" * 5000])
def test_a_value_out_of_bounds_is_refused_by_name(value: str) -> None:
    with pytest.raises(SettingsError, match=r"WHIPPET_WORKERS is .* from 1 to 256"):
        read_settings({"WHIPPET_WORKERS": value})


def test_a_model_started_by_hand_has_no_version() -> None:
    assert read_settings({}).model_version == "unknown"


@pytest.mark.parametrize(
    "value", ["", "unknown", "latest", "0123456789a", "0123456789abc", "0123456789AB", "٣" * 12]
)
def test_a_version_that_is_no_digest_is_refused_by_name(value: str) -> None:
    with pytest.raises(SettingsError, match=r"WHIPPET_MODEL_VERSION is .* 12 digits of the sha256"):
        read_settings({"WHIPPET_MODEL_VERSION": value})


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, 64),
        ({"cpu.max": "9900000 100000\n"}, 64),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 64),
        ({"cpu.max": "nonsense"}, 64),
        ({}, 64),
    ],
)
def test_a_containers_limit_counts_as_cores(
    files: dict[str, str], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _process: set(range(64)), raising=False)
    for name, content in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    assert usable_cores(tmp_path) == expected


@pytest.mark.parametrize("name", ["WHIPPET_ENGINE", "WHIPPET_PRECISION", "WHIPPET_DECODE"])
def test_an_unknown_choice_is_refused_by_name(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is 'other'; allowed: "):
        read_settings({name: "other"})


def test_an_unknown_log_level_is_refused() -> None:
    with pytest.raises(SettingsError, match="LOG_LEVEL is 'loud'"):
        read_settings({"LOG_LEVEL": "loud"})


def test_the_port_is_sagemakers_or_8080() -> None:
    assert read_port({}) == 8080
    assert read_port({"SAGEMAKER_BIND_TO_PORT": "9090"}) == 9090
    with pytest.raises(SettingsError, match="SAGEMAKER_BIND_TO_PORT"):
        read_port({"SAGEMAKER_BIND_TO_PORT": "http"})
