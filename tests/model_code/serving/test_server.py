"""What the server does when things are slow, gone or broken, on an engine that obeys the test."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import numpy
import pytest
from starlette.types import ASGIApp

from classifier.artifact.manifest import Manifest
from classifier.decode.process import DecodedImage
from classifier.errors import STATUS_BY_CODE, RequestError
from classifier.image.appearance import Appearance
from classifier.image.preprocessing import ByteArray, FloatArray
from classifier.serving.server import InferenceServer
from classifier.serving.settings import read_settings

GONE = {"type": "http.disconnect"}


class _Engine:
    """Responds when it is released."""

    capacity = 2

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.running = 0
        self.computed = 0
        self.alone: list[bool] = []

    async def infer(self, crop: ByteArray, *, is_alone: bool = False) -> FloatArray:
        assert crop.dtype == numpy.uint8
        self.alone.append(is_alone)
        self.running += 1
        try:
            await self.open.wait()
        finally:
            self.running -= 1
        self.computed += 1
        return numpy.array([1, 2, 3], dtype=numpy.float32)

    def warm_up(self) -> FloatArray:
        return numpy.zeros(3, dtype=numpy.float32)

    def close(self) -> None: ...


class _Decoders:
    is_alive = True
    seconds_since_response = 0.0
    process_count = 2

    def __init__(self, crop: int) -> None:
        self._crop = crop

    async def decode(self, data: bytes | memoryview, *, measured: bool = False) -> DecodedImage:
        if bytes(data) == b"broken":
            raise RequestError("unreadable_image", "broken")
        crop = numpy.zeros((self._crop, self._crop, 3), dtype=numpy.uint8)
        return DecodedImage(crop, Appearance(0, 0) if measured else None)


@dataclass
class _Response:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def code(self) -> str:
        code: str = json.loads(self.body)["code"]
        return code


class _Client:
    """One request, said message by message."""

    def __init__(
        self,
        application: ASGIApp,
        method: str,
        path: str,
        *body: bytes,
        content_type: bytes = b"image/png",
    ) -> None:
        self._messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        for part in body:
            self.say({"type": "http.request", "body": part, "more_body": part is not body[-1]})
        self._response = _Response()
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"",
            "headers": [(b"content-type", content_type)],
        }
        self._task = asyncio.ensure_future(application(scope, self._messages.get, self._send))

    def say(self, message: dict[str, Any]) -> None:
        self._messages.put_nowait(message)

    async def response(self) -> _Response:
        async with asyncio.timeout(5):
            await self._task
        return self._response

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self._response.status = message["status"]
            self._response.headers = {n.decode(): v.decode() for n, v in message["headers"]}
        else:
            self._response.body += message["body"]


@dataclass
class _Bench:
    application: ASGIApp
    engine: _Engine
    decoders: _Decoders

    def post(self, *body: bytes) -> _Client:
        return _Client(self.application, "POST", "/invocations", *(body or (b"image",)))

    async def ping(self) -> _Response:
        return await _Client(self.application, "GET", "/ping").response()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.001)


Scenario = Callable[[_Bench], Awaitable[None]]


@pytest.fixture
def play(manifest: Manifest) -> Callable[..., None]:
    """Run a scenario against a server with these environment variables."""

    def run(scenario: Scenario, **environment: str) -> None:
        async def main() -> None:
            engine, decoders = _Engine(), _Decoders(manifest.preprocessing.crop)
            server = InferenceServer(
                manifest,
                engine,
                decoders,  # type: ignore[arg-type]  # what the server calls, it has
                read_settings(environment),
            )
            application = server.create_application()
            faults: list[dict[str, Any]] = []
            asyncio.get_running_loop().set_exception_handler(
                lambda _loop, fault: faults.append(fault)
            )
            await scenario(_Bench(application, engine, decoders))
            # What a callback raises reaches nobody else.
            await asyncio.sleep(0)
            assert faults == []

        asyncio.run(main())

    return run


def test_who_finds_every_place_taken_is_sent_away_at_once(play: Callable[..., None]) -> None:
    async def scenario(bench: _Bench) -> None:
        inside = [bench.post() for _ in range(5)]
        await bench.wait_until(lambda: bench.engine.running == 5)
        refused = await bench.post().response()
        assert (refused.status, refused.code) == (503, "overloaded")
        # Without a body, too, which would be read for nothing.
        bodiless = await _Client(bench.application, "POST", "/invocations").response()
        assert (bodiless.status, bodiless.code) == (503, "overloaded")
        assert refused.headers["retry-after"] == "1"
        assert bench.engine.running == 5
        bench.engine.open.set()
        assert {(await client.response()).status for client in inside} == {200}
        assert (await bench.post().response()).status == 200

    play(scenario, WHIPPET_QUEUE_LENGTH="3")


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"broken", "unreadable_image"), (b"", "empty_body"), (bytes(2000), "payload_too_large")],
)
def test_an_image_that_cannot_be_classified_does_not_fail_a_batch_job(
    play: Callable[..., None], body: bytes, code: str
) -> None:
    async def batch(bench: _Bench) -> None:
        response = await bench.post(body).response()
        record = json.loads(response.body)
        assert (response.status, record.keys()) == (200, {"error"})
        assert record["error"]["code"] == code
        assert record["error"]["message"]

    async def online(bench: _Bench) -> None:
        response = await bench.post(body).response()
        assert (response.status, response.code) == (STATUS_BY_CODE[code], code)

    limits = {"WHIPPET_MAX_BODY_BYTES": "1024"}
    play(batch, SAGEMAKER_BATCH="true", **limits)
    play(online, **limits)


def test_what_is_not_about_the_image_fails_a_batch_job(play: Callable[..., None]) -> None:
    async def scenario(bench: _Bench) -> None:
        assert (await bench.post().response()).status == 503  # after the deadline
        path = await _Client(bench.application, "POST", "/invocation", b"image").response()
        assert path.status == 404
        other = _Client(
            bench.application, "POST", "/invocations", b"broken", content_type=b"text/plain"
        )
        assert (await other.response()).status == 415

    play(scenario, SAGEMAKER_BATCH="true", WHIPPET_DEADLINE_MS="50")


@pytest.mark.parametrize("deadline_ms", ["50", "250"])  # before and after the client is watched
def test_a_request_that_takes_too_long_is_told_to_retry(
    play: Callable[..., None], deadline_ms: str
) -> None:
    async def scenario(bench: _Bench) -> None:
        late = await bench.post().response()
        assert (late.status, late.code, late.headers["retry-after"]) == (503, "overloaded", "1")
        await bench.wait_until(lambda: bench.engine.running == 0)
        bench.engine.open.set()
        assert (await bench.post().response()).status == 200

    play(scenario, WHIPPET_DEADLINE_MS=deadline_ms)


def test_a_request_whose_client_has_gone_is_dropped(
    play: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def scenario(bench: _Bench) -> None:
        clients = [bench.post() for _ in range(3)]
        await bench.wait_until(lambda: bench.engine.running == 3)
        clients[1].say(GONE)
        await clients[1].response()
        assert bench.engine.running == 2
        bench.engine.open.set()
        assert (await clients[0].response()).status == (await clients[2].response()).status == 200
        assert bench.engine.computed == 2

    play(scenario)
    outcomes = [getattr(record, "fields", {}).get("outcome") for record in caplog.records]
    assert sorted(filter(None, outcomes)) == ["client_gone", "ok", "ok"]


def test_the_engine_is_told_which_image_is_alone(play: Callable[..., None]) -> None:
    async def scenario(bench: _Bench) -> None:
        clients = [bench.post()]
        await bench.wait_until(lambda: bench.engine.running == 1)
        clients.append(bench.post())
        await bench.wait_until(lambda: bench.engine.running == 2)
        bench.engine.open.set()
        for client in clients:
            assert (await client.response()).status == 200
        assert (await bench.post().response()).status == 200
        assert bench.engine.alone == [True, False, True]

    play(scenario)


def test_a_body_that_comes_slowly_takes_nothing_from_the_deadline(
    play: Callable[..., None],
) -> None:
    async def scenario(bench: _Bench) -> None:
        client = _Client(bench.application, "POST", "/invocations")
        client.say({"type": "http.request", "body": b"im", "more_body": True})
        await asyncio.sleep(0.4)
        client.say({"type": "http.request", "body": b"age", "more_body": False})
        await bench.wait_until(lambda: bench.engine.running == 1)
        await asyncio.sleep(0.1)
        bench.engine.open.set()
        assert (await client.response()).status == 200

    play(scenario, WHIPPET_DEADLINE_MS="300")


def test_a_client_that_goes_while_it_sends_leaves_its_place(play: Callable[..., None]) -> None:
    async def scenario(bench: _Bench) -> None:
        bench.engine.open.set()
        for _ in range(10):
            client = bench.post(b"half", b"")
            client.say(GONE)
            await client.response()
        assert (await bench.post().response()).status == 200

    play(scenario, WHIPPET_QUEUE_LENGTH="0")


def test_a_body_that_does_not_come_is_not_waited_for(
    play: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classifier.serving.bodies.BODY_SECONDS", 0.05)

    async def scenario(bench: _Bench) -> None:
        slow = _Client(bench.application, "POST", "/invocations")
        slow.say({"type": "http.request", "body": b"half", "more_body": True})
        response = await slow.response()
        assert (response.status, response.code) == (408, "body_timeout")

    play(scenario)


def test_ping_fails_while_the_network_does_not_respond(
    play: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classifier.serving.health.FRESH_SECONDS", 0.0)
    monkeypatch.setattr("classifier.serving.health.PROBE_SECONDS", 0.05)

    async def scenario(bench: _Bench) -> None:
        for _ in range(3):
            response = await bench.ping()
            assert (response.status, response.code) == (503, "not_healthy")
        assert bench.engine.running == 1
        bench.engine.open.set()
        assert (await bench.ping()).status == 200
        assert (await bench.ping()).status == 200

    play(scenario)


def test_ping_sends_no_probe_to_a_network_that_responded_just_now(
    play: Callable[..., None],
) -> None:
    async def scenario(bench: _Bench) -> None:
        bench.engine.open.set()
        await bench.post().response()
        assert (await bench.ping()).status == 200
        assert bench.engine.computed == 1

    play(scenario)


def test_ping_fails_without_decode_processes_and_logs_so(
    play: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(bench: _Bench) -> None:
        bench.engine.open.set()
        assert (await bench.ping()).status == 200
        assert "ping failed" not in caplog.messages
        bench.decoders.is_alive = False
        assert (await bench.ping()).status == 503

    play(scenario)
    (logged,) = (each for each in caplog.records if each.message == "ping failed")
    assert logged.__dict__["fields"] == {"fault": "The decode processes have ended."}


def test_what_was_done_is_counted(
    play: Callable[..., None], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("classifier.serving.counters.INTERVAL_SECONDS", 0.05)

    async def scenario(bench: _Bench) -> None:
        started, ending = asyncio.Event(), asyncio.Event()

        async def receive() -> dict[str, str]:
            if not started.is_set():
                return {"type": "lifespan.startup"}
            await ending.wait()
            return {"type": "lifespan.shutdown"}

        async def send(message: Any) -> None:
            if message["type"] == "lifespan.startup.complete":
                started.set()

        lifespan = asyncio.ensure_future(bench.application({"type": "lifespan"}, receive, send))
        await started.wait()
        bench.engine.open.set()
        for body in (b"image", b"image", b"broken", b"image"):
            await bench.post(body).response()
        await asyncio.sleep(0.12)
        await bench.post(b"broken").response()
        ending.set()
        await lifespan

    play(scenario)
    lines = [
        record.fields  # type: ignore[attr-defined]  # of `extra`
        for record in caplog.records
        if record.message == "counters"
    ]
    assert [line["requests"] for line in lines] == [
        {"ok": 3, "unreadable_image": 1},
        {"unreadable_image": 1},
    ]
    assert lines[0]["max_in_flight"] == 1
    assert lines[0].keys() >= {"response_p50_ms", "decode_p99_ms", "network_p50_ms"}
