"""How the hosts of a job find each other, and notice that one has ended."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import pytest

from classifier.training.distributed import meeting
from classifier.training.distributed.hosts import Hosts, read_hosts
from classifier.training.distributed.meeting import Meeting, free_port
from classifier.training.errors import TrainingError

Meet = Callable[..., list[Future[Meeting]]]


@pytest.fixture
def place() -> tuple[str, int]:
    return "127.0.0.1", free_port("127.0.0.1")


def host(number: int, count: int, place: tuple[str, int]) -> Hosts:
    names = tuple(f"algo-{each}" for each in range(1, count + 1))
    return Hosts(names, names[number - 1], 1, *place, None)


@pytest.fixture
def meet(place: tuple[str, int]) -> Iterator[Meet]:
    """Let hosts meet, each in a thread of its own."""
    started: list[Future[Meeting]] = []
    with ThreadPoolExecutor(4) as threads:

        def begin(*numbers: int, count: int) -> list[Future[Meeting]]:
            new = [threads.submit(Meeting, host(number, count, place)) for number in numbers]
            started.extend(new)
            return new

        yield begin
        for each in started:
            with suppress(TrainingError):
                each.result(5).close()


def test_hosts_meet_in_any_order_and_agree_on_a_port(meet: Meet) -> None:
    (last,) = meet(3, count=3)
    time.sleep(0.2)
    others = meet(1, 2, count=3)
    ports = {each.result(10).port for each in (last, *others)}
    assert len(ports) == 1
    assert ports.pop() > 0
    assert all(each.result().verdict(0.3) is None for each in (last, *others))


def test_what_does_not_belong_to_the_job_is_sent_away(meet: Meet, place: tuple[str, int]) -> None:
    (first,) = meet(1, count=2)
    for words in (b"GET / HTTP/1.1\r\n\r\n", json.dumps({"host": "algo-7"}).encode() + b"\n"):
        while True:
            with suppress(ConnectionRefusedError), socket.create_connection(place, 5) as stranger:
                stranger.sendall(words)
                stranger.settimeout(5)
                assert stranger.recv(1000) in (b"", b"{}\n")
                break
    (second,) = meet(2, count=2)
    assert second.result(10).port == first.result(10).port


@pytest.mark.parametrize("failing", [1, 3])
def test_all_are_told_which_host_ended_and_why(meet: Meet, failing: int) -> None:
    meetings = [each.result(10) for each in meet(1, 2, 3, count=3)]
    meetings[failing - 1].report_failure("photo.jpg cannot be read")
    meetings[failing - 1].close()
    for number, each in enumerate(meetings, start=1):
        if number != failing:
            assert each.verdict(5) == f"host algo-{failing} ended: photo.jpg cannot be read"


@pytest.mark.parametrize("gone", [1, 2])
def test_a_host_that_is_killed_is_noticed_by_its_connection(meet: Meet, gone: int) -> None:
    meetings = [each.result(10) for each in meet(1, 2, 3, count=3)]
    meetings[gone - 1].close()
    began = time.monotonic()
    for number, each in enumerate(meetings, start=1):
        if number != gone:
            verdict = each.verdict(5)
            assert verdict is not None
            assert verdict.startswith(f"host algo-{gone} ended: its processes are gone")
    assert time.monotonic() - began < 2


def test_a_host_without_power_is_noticed_by_its_silence(
    place: tuple[str, int], meet: Meet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meeting, "SECONDS_OF_SILENCE", 0.6)
    monkeypatch.setattr(meeting, "SECONDS_BETWEEN_SIGNS", 0.1)
    first, third = meet(1, 3, count=3)
    while True:
        with suppress(ConnectionRefusedError):
            silent = socket.create_connection(place, 5)
            break
    silent.sendall(b'{"host": "algo-2"}\n')
    verdicts = {each.result(10).verdict(5) for each in (first, third)}
    silent.close()
    assert verdicts == {"host algo-2 ended: no sign of it for 1 s"}


def test_the_first_host_is_noticed_by_its_silence_too(
    place: tuple[str, int], meet: Meet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meeting, "SECONDS_OF_SILENCE", 0.6)
    with socket.create_server(place):  # the system accepts for it
        (second,) = meet(2, count=2)
        with pytest.raises(TrainingError, match=r"^host algo-1 ended: no sign of it for 1 s"):
            second.result(10)


def test_who_has_done_its_part_may_go(meet: Meet) -> None:
    first, second = (each.result(10) for each in meet(1, 2, count=2))
    second.report_success()
    second.close()
    assert first.verdict(0.5) is None


def test_a_host_that_does_not_come_is_named(meet: Meet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "MEETING_SECONDS", 0.5)
    first, third = meet(1, 3, count=3)
    with pytest.raises(TrainingError, match=r"^algo-2 did not meet algo-1 at 127\.0\.0\.1 port"):
        first.result(20)
    with pytest.raises(TrainingError, match=r"^host algo-1 ended: algo-2 did not meet"):
        third.result(20)


def test_a_port_that_is_taken_is_told(place: tuple[str, int]) -> None:
    with (
        socket.create_server(place),
        pytest.raises(TrainingError, match=r"cannot listen at .* MASTER_PORT name another place"),
    ):
        Meeting(host(1, 2, place))


def test_the_hosts_are_those_of_the_environment() -> None:
    job = {"SM_HOSTS": '["algo-2", "algo-1"]', "SM_CURRENT_HOST": "algo-2", "SM_NUM_GPUS": "4"}
    hosts = read_hosts(job)
    assert (hosts.names, hosts.index, hosts.first) == (("algo-1", "algo-2"), 1, "algo-1")
    assert (hosts.workers_per_host, hosts.worker_count) == (4, 8)
    assert (hosts.address, hosts.port) == ("algo-1", 29500)
    elsewhere = read_hosts(job | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "4000"})
    assert (elsewhere.address, elsewhere.port) == ("127.0.0.1", 4000)
    assert elsewhere.interface is None or elsewhere.interface.startswith("lo")
    assert read_hosts({}).worker_count == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"SM_HOSTS": "algo-1"}, "cannot be read"),
        ({"MASTER_PORT": "a"}, "cannot be read"),
        ({"SM_CURRENT_HOST": "algo-3"}, "with SM_CURRENT_HOST, algo-3, among them"),
        ({"SM_HOSTS": '["algo-1", "algo-1"]'}, "expected different names"),
    ],
)
def test_hosts_that_cannot_be(changes: dict[str, str], reason: str) -> None:
    job = {"SM_HOSTS": '["algo-1", "algo-2"]', "SM_CURRENT_HOST": "algo-1"}
    with pytest.raises(TrainingError, match=reason):
        read_hosts(job | changes)


@pytest.mark.parametrize(
    "sent",
    [b"[" * 60_000 + b"\n", b'{"host": "algo-9"}\n', b'{"host": null}\n', b"\xff\xfe\n", b"["],
    ids=["deep", "no host of the job", "no name", "no text", "half a line"],
)
def test_a_stranger_does_not_keep_the_hosts_from_meeting(
    meet: Meet, place: tuple[str, int], monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(meeting, "_SECONDS_OF_INTRODUCTION", 0.3)
    (first,) = meet(1, count=2)
    time.sleep(0.2)
    with socket.create_connection(place) as stranger:
        stranger.sendall(sent)
        (second,) = meet(2, count=2)
        assert second.result(10).port == first.result(10).port > 0


@pytest.mark.parametrize(
    "sent", [b'{"port": 1}\n', b'{"ended": "\\u001b[2J"}\n', b'{"port": Infinity}\n']
)
def test_only_the_first_host_decides_for_the_others(
    meet: Meet, place: tuple[str, int], sent: bytes
) -> None:
    (first,) = meet(1, count=2)
    time.sleep(0.2)
    with socket.create_connection(place) as second:
        second.sendall(b'{"host": "algo-2"}\n')
        port = first.result(10).port
        second.sendall(sent)
        assert first.result().verdict(0.3) is None
        assert first.result().port == port
    assert "host algo-2 ended: its processes are gone" in (first.result().verdict(5) or "")
