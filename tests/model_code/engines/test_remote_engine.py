"""An HTTP process's engine and the process that computes for it, joined by a real channel."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy
import pytest

from classifier.engines.engine import EngineError
from classifier.engines.engine_channel import Messages, SlotLayout
from classifier.engines.engine_process import EngineProcess, HttpProcess
from classifier.engines.remote_engine import RemoteEngine
from classifier.image.preprocessing import ByteArray, FloatArray

# Bytes that are no multiple of four, so that the outputs start after a gap.
LAYOUT = SlotLayout(slots=3, crop=5, class_count=2)
Compute = Callable[[ByteArray], Awaitable[FloatArray]]


class _Engine:
    """Computes what the test says."""

    capacity = 3

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self.alone: list[bool] = []

    def warm_up(self) -> FloatArray:
        return numpy.zeros(2, numpy.float32)

    async def infer(self, crop: ByteArray, *, is_alone: bool = False) -> FloatArray:
        self.alone.append(is_alone)
        return await self._compute(crop)

    def close(self) -> None: ...


class _Process:
    """Stands for an HTTP process, which is this one: its end is said by the test."""

    def __init__(self) -> None:
        self.signals = 0

    def wait(self) -> int:
        return -9

    def terminate(self) -> None:
        self.signals += 1


async def _sums(crop: ByteArray) -> FloatArray:
    await asyncio.sleep(0)
    return numpy.array([crop.sum(), crop[0, 0, 0]], numpy.float32)


def _crop(number: int) -> ByteArray:
    return numpy.full((5, 5, 3), number, numpy.uint8)


class _Pair:
    """Both ends: `remote` as in an HTTP process, `http` as in the engine's."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        memory = LAYOUT.create_memory()
        crops, outputs = LAYOUT.map_memory(memory)
        self.process = _Process()
        process: Any = self.process
        self.http = HttpProcess(process, ours, crops, outputs)
        self.remote = RemoteEngine(theirs, memory, LAYOUT, capacity=2)
        os.close(memory)

    def end(self) -> None:
        """End the HTTP process."""
        if self.remote._connection.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self.remote._connection)
            self.remote.close()


@asynccontextmanager
async def _joined(
    compute: Compute = _sums, count: int = 1
) -> AsyncIterator[tuple[list[_Pair], asyncio.Task[int]]]:
    pairs = [_Pair() for _ in range(count)]
    running = asyncio.create_task(
        EngineProcess(_Engine(compute), [pair.http for pair in pairs]).run()
    )
    for pair in pairs:
        pair.remote.watch()
    try:
        yield pairs, running
    finally:
        for pair in pairs:
            pair.end()
        await asyncio.wait_for(running, 5)


def test_more_images_than_slots_of_several_processes_are_computed() -> None:
    async def run() -> list[list[FloatArray]]:
        async with _joined(count=2) as (pairs, _):
            tasks = [
                asyncio.gather(*(pair.remote.infer(_crop(20 * place + i)) for i in range(20)))
                for place, pair in enumerate(pairs)
            ]
            return [list(await task) for task in tasks]

    for place, outputs in enumerate(asyncio.run(run())):
        expected = [[75 * (20 * place + i), 20 * place + i] for i in range(20)]
        assert [list(output) for output in outputs] == expected


def test_an_image_is_alone_if_no_process_has_another() -> None:
    async def run() -> list[bool]:
        pairs = [_Pair(), _Pair()]
        engine = _Engine(_sums)
        running = asyncio.create_task(EngineProcess(engine, [pair.http for pair in pairs]).run())
        for pair in pairs:
            pair.remote.watch()
        await pairs[0].remote.infer(_crop(1))
        await asyncio.gather(*(pair.remote.infer(_crop(2)) for pair in pairs))
        for pair in pairs:
            pair.end()
        await asyncio.wait_for(running, 5)
        return engine.alone

    assert asyncio.run(run()) == [True, False, False]


def test_an_image_that_fails_has_an_error_and_the_others_their_outputs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def compute(crop: ByteArray) -> FloatArray:
        if crop[0, 0, 0] == 1:
            raise EngineError("out of memory")
        return await _sums(crop)

    async def run() -> list[Any]:
        async with _joined(compute) as ((pair,), _):
            work = (pair.remote.infer(_crop(i)) for i in (0, 1, 2, 1, 3, 1, 1, 4))
            return list(await asyncio.gather(*work, return_exceptions=True))

    results = asyncio.run(run())
    failed = [isinstance(result, EngineError) for result in results]
    assert failed == [False, True, False, True, False, True, True, False]
    assert results[-1][0] == 300
    assert caplog.text.count("an image could not be computed: out of memory") == 4


def test_a_cancelled_image_keeps_its_slot_until_it_is_computed() -> None:
    computing: list[int] = []
    release = asyncio.Event()

    async def compute(crop: ByteArray) -> FloatArray:
        computing.append(int(crop[0, 0, 0]))
        await release.wait()
        return await _sums(crop)

    async def run() -> list[FloatArray]:
        async with _joined(compute) as ((pair,), _):
            first = [asyncio.create_task(pair.remote.infer(_crop(i))) for i in range(3)]
            while len(computing) < 3:
                await asyncio.sleep(0)
            for task in first:
                task.cancel()
            later = [asyncio.create_task(pair.remote.infer(_crop(9)))]
            await asyncio.sleep(0.05)
            # Its crop would be written over one that is still being read.
            assert computing == [0, 1, 2]
            release.set()
            return await asyncio.gather(*later)

    assert asyncio.run(run())[0][0] == 675


def test_the_end_of_the_engines_process_fails_what_is_in_flight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signals: list[int] = []
    monkeypatch.setattr(signal, "raise_signal", signals.append)

    async def run() -> list[Any]:
        pair = _Pair()
        pair.remote.watch()
        work = [asyncio.create_task(pair.remote.infer(_crop(i))) for i in range(5)]
        await asyncio.sleep(0.01)
        pair.http.connection.close()
        results = list(await asyncio.gather(*work, return_exceptions=True))
        # As many as there are slots, and more.
        async with asyncio.timeout(5):
            for _ in range(LAYOUT.slots + 1):
                results += await asyncio.gather(pair.remote.infer(_crop(9)), return_exceptions=True)
        pair.remote.close()
        return results

    results = asyncio.run(run())
    assert len(results) == 5 + LAYOUT.slots + 1
    assert all(isinstance(result, EngineError) for result in results)
    assert "the process with the engine has ended" in str(results[0])
    assert signals == [signal.SIGTERM]


def test_the_warm_up_waits_for_the_engine_and_names_its_end() -> None:
    pair = _Pair()
    pair.http.outputs[0] = (3, 4)
    pair.http.connection.sendall(bytes(4))
    assert list(pair.remote.warm_up()) == [3, 4]
    assert pair.http.connection.recv(100) == bytes(4)
    pair.http.connection.close()
    with pytest.raises(EngineError, match="the process with the engine has ended"):
        pair.remote.warm_up()
    pair.remote.close()


def test_a_process_that_ends_by_itself_ends_the_others(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> tuple[int, int]:
        async with _joined(count=2) as ((first, second), running):
            await first.remote.infer(_crop(1))
            first.end()
            await asyncio.sleep(0.05)
            signals = second.process.signals
        return signals, running.result()

    assert asyncio.run(run()) == (1, 1)
    assert "an HTTP process ended by itself with status -9" in caplog.text


def test_a_message_that_arrives_in_parts_is_one() -> None:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    messages = Messages(theirs)
    assert messages.receive() == []
    ours.sendall(b"\x02\x00\x00\x00\x07\x00")
    assert messages.receive() == [2]
    ours.sendall(b"\x00\x00\x08\x00\x00\x00")
    assert messages.receive() == [7, 8]
    ours.close()
    assert messages.receive() is None
    theirs.close()
