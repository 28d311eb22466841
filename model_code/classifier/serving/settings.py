"""The server's settings: every environment variable that it reads, in one place."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

ENGINES: Final = ("openvino", "onnxruntime-cuda")
PRECISIONS: Final = ("auto", "fp32", "bf16", "fp16", "int8")
DECODINGS: Final = ("exact", "fast")
LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")
_TRUTH: Final = ("true", "false")
# One event loop receives and hands over about 1,300 images a second; three cores decode as many.
_CORES_A_LOOP: Final = 4
_MAX_LOOPS: Final = 8
_BATCHES_IN_QUEUE: Final = 8
# For a server that is started by hand, from an unpacked artifact.
UNKNOWN_VERSION: Final = "unknown"
_VERSION = re.compile(r"[0-9a-f]{12}")
_CPU_LIMIT_FILES: Final = (
    # First control groups version 2, then version 1, which has two files.
    ("/sys/fs/cgroup/cpu.max",),
    ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
)


class SettingsError(Exception):
    """An environment variable is out of bounds; the message is one line that names it."""


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """The settings of the server, each from an environment variable.

    Attributes:
        engine: the engine that runs the network (`WHIPPET_ENGINE`), one of `ENGINES`.
        precision: precision of the network (`WHIPPET_PRECISION`), one of `PRECISIONS`; `auto` is
            int8 if the artifact has it, else fp32; bf16 is for CPUs that have it, fp16 for GPUs.
        decode: `WHIPPET_DECODE`; `fast` lets the JPEG decoder reduce the image while decoding.
        max_batch: images that a GPU computes together (`WHIPPET_MAX_BATCH`).
        max_batch_delay_ms: longest time that an image waits for others while a batch is computed
            (`WHIPPET_MAX_BATCH_DELAY_MS`).
        worker_count: images that the network computes at the same time on CPU
            (`WHIPPET_WORKERS`, by default the cores that this process may use).
        http_process_count: processes that receive and decode images, before one with the engine
            (`WHIPPET_HTTP_PROCESSES`, by default one for four cores with a GPU, else 1, which is
            the engine's process itself).
        decode_process_count: images decoded at the same time (`WHIPPET_DECODE_PROCESSES`, by
            default `worker_count`, but at least two: one slow image must not block all others).
        queue_length: requests admitted beyond those that the engine holds
            (`WHIPPET_QUEUE_LENGTH`, by default 16, with a GPU eight batches); the next gets 503.
        deadline_ms: longest time from a request's arrival to its response (`WHIPPET_DEADLINE_MS`,
            by default a second less than the proxy waits); a request that takes longer gets 503.
        max_instances: images in one request of JSON or JSON lines (`WHIPPET_MAX_INSTANCES`).
        max_body_bytes: `WHIPPET_MAX_BODY_BYTES`; by default what API Gateway accepts.
        drain_seconds: time for requests in flight after SIGTERM (`WHIPPET_DRAIN_SECONDS`);
            SageMaker kills the container after 30 s.
        model_version: the first 12 hexadecimal digits of the sha256 of model.tar.gz, which the
            archive itself cannot contain (`WHIPPET_MODEL_VERSION`); by default `unknown`.
        log_level: `LOG_LEVEL`.
        is_batch: whether this is the container of a batch transform job (`SAGEMAKER_BATCH`, which
            SageMaker sets to `true`): an image that cannot be classified gets 200 and an error
            record, since any other status fails the job.
    """

    engine: str
    precision: str
    decode: str
    max_batch: int
    max_batch_delay_ms: int
    worker_count: int
    http_process_count: int
    decode_process_count: int
    queue_length: int
    deadline_ms: int
    max_instances: int
    max_body_bytes: int
    drain_seconds: int
    model_version: str
    log_level: str
    is_batch: bool = False


def read_settings(environment: Mapping[str, str]) -> ServerSettings:
    """Read the settings from environment variables.

    Raises:
        SettingsError: a variable is not a whole number within its bounds, not one of its choices,
            or not a version.
    """
    cores = usable_cores()
    worker_count = _whole_number(environment, "WHIPPET_WORKERS", cores, 1, 256)
    engine = _choice(environment, "WHIPPET_ENGINE", ENGINES, "openvino")
    is_gpu = engine == "onnxruntime-cuda"
    http_process_count = max(1, min(cores // _CORES_A_LOOP, _MAX_LOOPS)) if is_gpu else 1
    max_batch = _whole_number(environment, "WHIPPET_MAX_BATCH", 16, 1, 256)
    # What waits is bounded by the deadline and the pace of the last images (`Admission`); a GPU
    # takes so many images until then that this bounds only the memory.
    queue_length = min(_BATCHES_IN_QUEUE * max_batch, 1024) if is_gpu else 16
    return ServerSettings(
        engine=engine,
        precision=_choice(environment, "WHIPPET_PRECISION", PRECISIONS, "auto"),
        decode=_choice(environment, "WHIPPET_DECODE", DECODINGS, "exact"),
        max_batch=max_batch,
        max_batch_delay_ms=_whole_number(environment, "WHIPPET_MAX_BATCH_DELAY_MS", 2, 0, 1000),
        worker_count=worker_count,
        http_process_count=_whole_number(
            environment, "WHIPPET_HTTP_PROCESSES", http_process_count, 1, 16
        ),
        decode_process_count=_whole_number(
            environment, "WHIPPET_DECODE_PROCESSES", max(2, worker_count), 1, 256
        ),
        queue_length=_whole_number(environment, "WHIPPET_QUEUE_LENGTH", queue_length, 0, 1024),
        deadline_ms=_whole_number(environment, "WHIPPET_DEADLINE_MS", 3000, 10, 60_000),
        max_instances=_whole_number(environment, "WHIPPET_MAX_INSTANCES", 64, 1, 1024),
        max_body_bytes=_whole_number(
            environment, "WHIPPET_MAX_BODY_BYTES", 10 * 1024 * 1024, 1024, 25_000_000
        ),
        drain_seconds=_whole_number(environment, "WHIPPET_DRAIN_SECONDS", 25, 1, 29),
        model_version=_model_version(environment),
        log_level=_choice(environment, "LOG_LEVEL", LOG_LEVELS, "INFO"),
        is_batch=_choice(environment, "SAGEMAKER_BATCH", _TRUTH, "false") == "true",
    )


def share_of_http_process(settings: ServerSettings) -> ServerSettings:
    """Return the settings of one of `http_process_count` processes: its part of what is shared.

    Not of the queue in a batch transform job, where a 503 fails the job: the kernel may give one
    process all requests that the job sends at a time.
    """
    count = settings.http_process_count
    return replace(
        settings,
        decode_process_count=-(-settings.decode_process_count // count),
        queue_length=-(-settings.queue_length // (1 if settings.is_batch else count)),
    )


def read_port(environment: Mapping[str, str]) -> int:
    """Return the port that SageMaker sets (`SAGEMAKER_BIND_TO_PORT`), by default 8080.

    Raises:
        SettingsError: not a port.
    """
    return _whole_number(environment, "SAGEMAKER_BIND_TO_PORT", 8080, 1, 65535)


def _whole_number(
    environment: Mapping[str, str], name: str, default: int, minimum: int, maximum: int
) -> int:
    text = environment.get(name)
    if text is None:
        return default
    if not (
        text.isascii() and text.isdigit() and len(text) < 10 and minimum <= int(text) <= maximum
    ):
        raise SettingsError(
            f"{name} is {text!r}; allowed: a whole number from {minimum} to {maximum}"
        )
    return int(text)


def _model_version(environment: Mapping[str, str]) -> str:
    version = environment.get("WHIPPET_MODEL_VERSION")
    if version is None:
        return UNKNOWN_VERSION
    if not _VERSION.fullmatch(version):
        raise SettingsError(
            f"WHIPPET_MODEL_VERSION is {version!r}; allowed: the first 12 digits of the sha256 of "
            "model.tar.gz in lower-case hexadecimal"
        )
    return version


def _choice(
    environment: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str
) -> str:
    text = environment.get(name, default)
    for value in allowed:
        if value.lower() == text.lower():
            return value
    raise SettingsError(f"{name} is {text!r}; allowed: {', '.join(allowed)}")


def usable_cores(root: Path = Path("/")) -> int:
    """Return the number of cores that this process may use, by its affinity and container limit.

    Args:
        root: root of the file system that has the control group files.
    """
    # macOS has no affinity.
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    for names in _CPU_LIMIT_FILES:
        try:
            words = [
                word for name in names for word in (root / name.lstrip("/")).read_text().split()
            ]
            quota, period = (int(word) for word in words)
        except (OSError, ValueError):
            # No such file, or `max`: no limit.
            continue
        if quota > 0 and period > 0:
            return min(cores, math.ceil(quota / period))
    return cores
