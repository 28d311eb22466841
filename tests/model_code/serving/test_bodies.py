from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from classifier.errors import RequestError
from classifier.serving.bodies import BodyReader
from classifier.serving.limits import RequestLimits

MEGABYTE = 1_000_000


class _Sender:
    """A client that sends what it is told to, and the task that reads it."""

    def __init__(self, reader: BodyReader) -> None:
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self._release = asyncio.Event()
        self.reading = asyncio.create_task(self._read(reader))

    async def send(self, megabytes: float) -> None:
        for _ in range(round(megabytes * 10)):
            self._chunks.put_nowait(bytes(MEGABYTE // 10))
        while not self._chunks.empty() and not self.reading.done():
            await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)

    async def end(self) -> None:
        self._chunks.put_nowait(b"")
        for _ in range(5):
            await asyncio.sleep(0)

    async def finish(self) -> int:
        """Return the length of the body, whose request is done now."""
        self._release.set()
        return await self.reading

    async def _read(self, reader: BodyReader) -> int:
        limit = RequestLimits().begin(self._receive)
        with limit, await reader.read(self._receive, limit) as body:
            await self._release.wait()
            return len(body)

    async def _receive(self) -> dict[str, Any]:
        chunk = await self._chunks.get()
        return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run a scenario with a reader of 10 MB in all, of which one body may have 4 MB."""
    monkeypatch.setattr("classifier.serving.bodies.MAX_TOTAL_BYTES", 10 * MEGABYTE)

    def run(scenario: Callable[[BodyReader], Awaitable[None]], *, slow_seconds: float) -> None:
        monkeypatch.setattr("classifier.serving.bodies.SLOW_SECONDS", slow_seconds)

        async def main() -> None:
            async with asyncio.timeout(10):
                await scenario(BodyReader(max_body_bytes=4 * MEGABYTE))

        asyncio.run(main())

    return run


async def _refusal(sender: _Sender) -> str:
    with pytest.raises(RequestError) as refused:
        await sender.reading
    return refused.value.code


def test_a_body_that_does_not_fit_is_refused_at_once_while_all_others_arrive_fast(
    play: Callable[..., None],
) -> None:
    async def scenario(reader: BodyReader) -> None:
        senders = [_Sender(reader) for _ in range(3)]
        for sender in senders:
            await sender.send(3)
        late = _Sender(reader)
        await late.send(2)
        assert await _refusal(late) == "overloaded"
        for sender in senders:
            await sender.end()
            assert await sender.finish() == 3 * MEGABYTE

    play(scenario, slow_seconds=60)


def test_bodies_of_requests_in_flight_count_until_their_end(play: Callable[..., None]) -> None:
    async def scenario(reader: BodyReader) -> None:
        for _ in range(3):
            senders = [_Sender(reader) for _ in range(3)]
            for sender in senders:
                await sender.send(3.3)
                await sender.end()
            late = _Sender(reader)
            await late.send(1)
            assert await _refusal(late) == "overloaded"
            for sender in senders:
                await sender.finish()

    # Those that have arrived are not slow, whenever they began.
    play(scenario, slow_seconds=0)


def test_the_oldest_body_that_arrives_slowly_makes_room(play: Callable[..., None]) -> None:
    async def scenario(reader: BodyReader) -> None:
        slow = [_Sender(reader) for _ in range(3)]
        for sender in slow:
            await sender.send(3)
        fast = _Sender(reader)
        await fast.send(3.5)
        await fast.end()
        assert await _refusal(slow[0]) == "body_timeout"
        assert await fast.finish() == 3.5 * MEGABYTE
        for sender in slow[1:]:
            await sender.end()
            assert await sender.finish() == 3 * MEGABYTE

    play(scenario, slow_seconds=0)


@pytest.mark.parametrize("how", ["gone", "too large", "slow"])
def test_what_is_not_read_leaves_no_trace(
    play: Callable[..., None], how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "slow":
        monkeypatch.setattr("classifier.serving.bodies.BODY_SECONDS", 0.02)

    async def scenario(reader: BodyReader) -> None:
        for _ in range(10):
            sender = _Sender(reader)
            await sender.send(3)
            if how == "gone":
                sender.reading.cancel()
                await asyncio.gather(sender.reading, return_exceptions=True)
            elif how == "too large":
                await sender.send(1.1)
                assert await _refusal(sender) == "payload_too_large"
            else:
                assert await _refusal(sender) == "body_timeout"
        monkeypatch.undo()
        for _ in range(2):
            sender = _Sender(reader)
            await sender.send(4)
            await sender.end()
            assert await sender.finish() == 4 * MEGABYTE

    play(scenario, slow_seconds=60)


def test_a_body_that_has_arrived_is_not_slow_later(
    play: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classifier.serving.bodies.BODY_SECONDS", 0.05)

    async def scenario(reader: BodyReader) -> None:
        sender = _Sender(reader)
        await sender.send(1)
        await sender.end()
        await asyncio.sleep(0.2)
        assert await sender.finish() == MEGABYTE

    play(scenario, slow_seconds=60)
