"""`/ping` tells whether an image could be decoded and computed now."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import numpy
import pytest

from classifier.artifact.manifest import Preprocessing
from classifier.image.preprocessing import ByteArray, FloatArray
from classifier.serving.health import Health, MonitoredEngine
from tests.contract.serving.server import stopped
from tests.model_code.serving.blocking_pool import BlockingPool

PREPROCESSING = Preprocessing(
    resize=32, crop=28, interpolation="bilinear", mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2)
)
PROCESS_COUNT = 2
STUCK = "The decode processes do not respond."
NETWORK = "The network does not respond."


class _Engine:
    capacity = 2

    def __init__(self) -> None:
        self.failure: Exception | None = None

    async def infer(self, crop: ByteArray, *, is_alone: bool = False) -> FloatArray:  # noqa: ARG002 - as Engine's
        assert crop.shape == (PREPROCESSING.crop, PREPROCESSING.crop, 3)
        if self.failure is not None:
            raise self.failure
        return numpy.zeros(3, dtype=numpy.float32)

    def warm_up(self) -> FloatArray:
        return numpy.zeros(3, dtype=numpy.float32)

    def close(self) -> None: ...


@pytest.fixture(scope="module")
def pool() -> Iterator[BlockingPool]:
    pool = BlockingPool(PREPROCESSING, process_count=PROCESS_COUNT, max_image_bytes=100_000)
    yield pool
    pool.close()


@pytest.fixture
def engine() -> _Engine:
    return _Engine()


@pytest.fixture
def fault(
    pool: BlockingPool, engine: _Engine, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], str | None]:
    """Return the fault that `/ping` finds when nothing was computed recently."""
    monkeypatch.setattr("classifier.serving.health.FRESH_SECONDS", 0.0)
    health = Health(MonitoredEngine(engine, crop=PREPROCESSING.crop), pool.pool)

    def find() -> str | None:
        return asyncio.run_coroutine_threadsafe(health.fault(), pool.loop).result(30)

    return find


def test_ping_fails_when_no_decode_process_responds_and_until_one_does(
    pool: BlockingPool, fault: Callable[[], str | None]
) -> None:
    assert fault() is None
    with stopped(pool.processes()):
        assert fault() == STUCK
        assert fault() == STUCK
    assert fault() is None


def test_ping_succeeds_while_one_decode_process_responds(
    pool: BlockingPool, fault: Callable[[], str | None]
) -> None:
    for process in pool.processes():
        with stopped([process]):
            assert fault() is None


def test_ping_sends_no_probe_after_an_image_was_decoded(
    pool: BlockingPool, fault: Callable[[], str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classifier.serving.health.FRESH_SECONDS", 60.0)
    with stopped(pool.processes()):
        assert fault() is None


def test_ping_fails_while_the_network_fails(
    engine: _Engine, fault: Callable[[], str | None]
) -> None:
    engine.failure = RuntimeError("out of memory")
    assert fault() == NETWORK
    engine.failure = None
    assert fault() is None
