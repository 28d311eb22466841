"""What ends a request early, with a receive channel that the test controls."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from classifier.serving.limits import RequestLimit, RequestLimits


class _LateError(Exception):
    pass


class _Bench:
    def __init__(self) -> None:
        self.limits = RequestLimits()
        self.gone = asyncio.Event()

    @contextmanager
    def request(self) -> Iterator[RequestLimit]:
        with self.limits.begin(self._receive) as limit:
            yield limit

    async def _receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}


def _end_after(limit: RequestLimit, seconds: float) -> None:
    limit.set_end(asyncio.get_running_loop().time() + seconds, _LateError)


_Scenario = Callable[[_Bench], Coroutine[None, None, None]]


def _raising(error: type[Exception], scenario: _Scenario) -> _Scenario:
    async def run(bench: _Bench) -> None:
        with pytest.raises(error):
            await scenario(bench)

    return run


def _suppressing(error: type[Exception], scenario: _Scenario) -> _Scenario:
    """As `_raising`, but keeps nothing of the error."""

    async def run(bench: _Bench) -> None:
        with suppress(error):
            await scenario(bench)

    return run


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run a scenario; then no task may be left."""

    def run(scenario: _Scenario, *, watch_after: float) -> None:
        monkeypatch.setattr("classifier.serving.limits.WATCH_AFTER_SECONDS", watch_after)

        async def main() -> None:
            async with asyncio.timeout(5):
                await scenario(_Bench())
            await asyncio.sleep(0)
            assert len(asyncio.all_tasks()) == 1

        asyncio.run(main())

    return run


@pytest.mark.parametrize("watch_after", [0.01, 60])
def test_an_end_is_kept_before_and_after_the_check(
    play: Callable[..., None], watch_after: float
) -> None:
    async def scenario(bench: _Bench) -> None:
        with bench.request() as limit:
            await asyncio.sleep(0.05)
            _end_after(limit, 0.03)
            await asyncio.sleep(60)

    play(_raising(_LateError, scenario), watch_after=watch_after)


@pytest.mark.parametrize("watch_after", [0.01, 60])
def test_an_end_can_be_moved_and_lifted(play: Callable[..., None], watch_after: float) -> None:
    async def scenario(bench: _Bench) -> None:
        loop = asyncio.get_running_loop()
        with bench.request() as limit:
            _end_after(limit, 0.02)
            limit.lift()
            await asyncio.sleep(0.05)
            _end_after(limit, 0.02)
            _end_after(limit, 0.1)
            moved = loop.time()
            try:
                await asyncio.sleep(60)
            finally:
                assert loop.time() - moved >= 0.1

    play(_raising(_LateError, scenario), watch_after=watch_after)


@pytest.mark.parametrize("body_seconds", [0, 0.05])
def test_a_client_that_goes_is_noticed_however_long_its_body_took(
    play: Callable[..., None], body_seconds: float
) -> None:
    async def scenario(bench: _Bench) -> None:
        with bench.request() as limit:
            await asyncio.sleep(body_seconds)
            limit.watch_client()
            _end_after(limit, 60)
            asyncio.get_running_loop().call_later(0.05, bench.gone.set)
            await asyncio.sleep(60)

    play(_raising(ClientDisconnect, scenario), watch_after=0.02)


def test_each_request_is_checked_at_its_time(play: Callable[..., None]) -> None:
    async def scenario(bench: _Bench) -> None:
        bench.gone.set()

        async def request(bench: _Bench) -> None:
            with bench.request() as limit:
                limit.watch_client()
                await asyncio.sleep(60)

        async with asyncio.TaskGroup() as requests:
            for _ in range(5):
                requests.create_task(_raising(ClientDisconnect, request)(bench))
                await asyncio.sleep(0.02)

    play(scenario, watch_after=0.05)


def test_a_request_that_ends_leaves_nothing(play: Callable[..., None]) -> None:
    async def scenario(bench: _Bench) -> None:
        with bench.request() as limit:
            limit.watch_client()
            _end_after(limit, 0.1)
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.1)

    play(scenario, watch_after=0.02)


def test_what_an_ended_request_held_is_freed_without_garbage_collection(
    play: Callable[..., None],
) -> None:
    class _Memory:
        """A body, which `bytes` cannot be: they have no weak references."""

    async def scenario(bench: _Bench) -> None:
        held: list[weakref.ref[_Memory]] = []

        async def request(bench: _Bench) -> None:
            with bench.request() as limit:
                body = _Memory()
                held.append(weakref.ref(body))
                _end_after(limit, 0.02)
                await asyncio.sleep(60)

        gc.disable()
        try:
            await asyncio.create_task(_suppressing(_LateError, request)(bench))
            await asyncio.sleep(0)
            assert held[0]() is None
        finally:
            gc.enable()

    play(scenario, watch_after=0.01)


def test_a_cancelled_task_is_cancelled_and_not_late(play: Callable[..., None]) -> None:
    async def scenario(bench: _Bench) -> None:
        async def request() -> None:
            with bench.request() as limit:
                _end_after(limit, 60)
                await asyncio.sleep(60)

        task = asyncio.create_task(request())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    play(scenario, watch_after=60)


def test_a_cancelled_task_that_is_also_late_is_cancelled(play: Callable[..., None]) -> None:
    async def scenario(bench: _Bench) -> None:
        async def request() -> None:
            with bench.request() as limit:
                started.set_result(limit)
                await asyncio.sleep(60)

        started: asyncio.Future[RequestLimit] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(request())
        (await started).interrupt(_LateError())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    play(scenario, watch_after=60)


def test_the_first_of_two_reasons_ends_a_request_and_its_task_goes_on(
    play: Callable[..., None],
) -> None:
    async def request(bench: _Bench) -> None:
        with bench.request() as limit:
            loop = asyncio.get_running_loop()
            loop.call_soon(limit.interrupt, _LateError())
            loop.call_soon(limit.interrupt, ClientDisconnect())
            await asyncio.sleep(60)

    async def scenario(bench: _Bench) -> None:
        await _raising(_LateError, request)(bench)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    play(scenario, watch_after=60)


def test_a_request_that_ends_before_its_check_is_not_watched(play: Callable[..., None]) -> None:
    async def scenario(bench: _Bench) -> None:
        with bench.request() as limit:
            limit.watch_client()
        await asyncio.sleep(0.05)

    play(scenario, watch_after=0.02)


def test_a_client_is_watched_once(play: Callable[..., None]) -> None:
    async def scenario(bench: _Bench) -> None:
        async def request() -> None:
            with bench.request() as limit:
                limit.watch_client()
                await asyncio.sleep(0.1)

        async with asyncio.TaskGroup() as requests:
            requests.create_task(request())
            await asyncio.sleep(0.03)
            requests.create_task(request())

    play(scenario, watch_after=0.02)
