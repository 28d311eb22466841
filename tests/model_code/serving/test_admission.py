from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, ExitStack

import pytest

from classifier.errors import RequestError
from classifier.serving.admission import Admission


class _Queue:
    """Images inside, two computed at a time, and a clock that goes only when one leaves."""

    def __init__(self, *, places: int = 100) -> None:
        self._seconds = 0.0
        self._images: list[AbstractContextManager[None]] = []
        self.admission = Admission(
            place_count=places,
            parallel_count=2,
            decoder_count=2,
            deadline_seconds=3,
            clock=lambda: self._seconds,
        )

    def arrive(self, count: int, *, decode_seconds: float = 0.0) -> None:
        for _ in range(count):
            self._images.append(self.admission.image(decode_seconds))
            self._images[-1].__enter__()

    def leave(self, count: int, *, each_seconds: float) -> None:
        for _ in range(count):
            self._seconds += each_seconds
            self._images.pop(0).__exit__(None, None, None)

    def give_up(self, count: int) -> None:
        for _ in range(count):
            gone = asyncio.CancelledError()
            assert not self._images.pop(0).__exit__(type(gone), gone, None)

    def pass_through(self, count: int, *, each_seconds: float) -> None:
        for _ in range(count):
            self.arrive(1)
            self.leave(1, each_seconds=each_seconds)

    def become_slow_and_empty(self) -> None:
        """One leaves each second, until all others give up."""
        self.arrive(40)
        self.leave(4, each_seconds=1)
        self.give_up(36)

    def wait(self, seconds: float) -> None:
        self._seconds += seconds

    def expect_admitted(self, decode_seconds: float = 0.0) -> None:
        self.admission.check(decode_seconds)
        with self.admission.place(decode_seconds):
            pass

    def expect_refused(self, decode_seconds: float = 0.0) -> int | None:
        with pytest.raises(RequestError):
            self.admission.check(decode_seconds)
        with pytest.raises(RequestError) as refused, self.admission.place(decode_seconds):
            pass
        assert refused.value.code == "overloaded"
        return refused.value.retry_after_seconds


def test_every_place_can_be_taken_and_is_free_again_afterwards() -> None:
    queue = _Queue(places=2)
    for _ in range(3):
        with queue.admission.place(), queue.admission.place():
            assert queue.admission.request_count == 2
            assert queue.expect_refused() == 1
        assert queue.admission.request_count == 0


def test_who_would_wait_too_long_is_told_so_at_once() -> None:
    queue = _Queue()
    queue.arrive(6)
    queue.pass_through(20, each_seconds=0.5)
    # Five have to leave before the next is computed, one each half second: 2.5 of 3 s.
    queue.expect_admitted()
    queue.arrive(2)
    queue.expect_refused()


def test_when_to_try_again_follows_from_the_wait() -> None:
    queue = _Queue()
    queue.arrive(12)
    queue.pass_through(20, each_seconds=1)
    assert queue.expect_refused() == 11 - 3


def test_time_without_a_queue_is_not_taken_for_the_pace() -> None:
    queue = _Queue()
    for _ in range(10):
        queue.pass_through(1, each_seconds=0.1)
        queue.wait(1000)
    queue.arrive(50)
    queue.expect_admitted()


def test_the_pace_follows_what_changes() -> None:
    queue = _Queue()
    queue.arrive(12)
    queue.pass_through(20, each_seconds=1)
    queue.expect_refused()
    queue.pass_through(20, each_seconds=0.01)
    queue.expect_admitted()


def test_who_gives_up_says_nothing_of_the_pace() -> None:
    queue = _Queue()
    queue.become_slow_and_empty()
    queue.arrive(6)
    assert queue.expect_refused() == 5 - 3


def test_after_all_have_given_up_the_time_until_the_next_is_not_the_pace() -> None:
    queue = _Queue()
    queue.arrive(10)
    queue.leave(3, each_seconds=0.1)
    queue.give_up(7)
    queue.wait(1000)
    queue.pass_through(1, each_seconds=0.1)
    queue.arrive(20)
    queue.expect_admitted()


def test_requests_whose_images_have_not_come_yet_are_before_the_next() -> None:
    queue = _Queue()
    queue.become_slow_and_empty()
    with ExitStack() as inside:
        for _ in range(5):
            inside.enter_context(queue.admission.place())
        assert queue.expect_refused() == 1


def test_a_request_that_waits_too_long_for_decoding_is_refused_from_the_first_on() -> None:
    queue = _Queue()
    # Two are decoded at a time: 2.5 s before the next one.
    queue.arrive(5, decode_seconds=1)
    queue.expect_admitted(0.9)
    assert queue.expect_refused(1.1) == 1
    queue.arrive(5, decode_seconds=1)
    assert queue.expect_refused() == 2
    queue.leave(5, each_seconds=0.5)
    queue.expect_admitted(0.9)


def test_decoding_that_has_ended_or_was_given_up_is_waited_for_by_nobody() -> None:
    queue = _Queue()
    for _ in range(3):
        queue.arrive(50, decode_seconds=0.7)
        queue.expect_refused()
        queue.leave(20, each_seconds=0.35)
        queue.give_up(30)
        queue.expect_admitted(5.9)


def test_slow_decoding_that_was_expected_is_not_taken_for_the_pace() -> None:
    queue = _Queue()
    queue.arrive(4, decode_seconds=1)
    queue.leave(2, each_seconds=0.5)
    queue.give_up(2)
    queue.arrive(50)
    queue.expect_admitted()


def test_decoding_that_takes_longer_than_expected_is_the_pace() -> None:
    queue = _Queue()
    queue.arrive(40, decode_seconds=0.01)
    queue.leave(4, each_seconds=1)
    queue.give_up(32)
    assert queue.expect_refused() == 1


def test_images_that_no_free_server_could_decode_in_time_are_too_many() -> None:
    queue = _Queue()
    queue.expect_admitted(6)
    with pytest.raises(RequestError, match=r"about 3.1 s, more than the 3 s .* fewer") as refused:
        queue.admission.check(6.2)
    assert (refused.value.code, refused.value.status) == ("payload_too_large", 413)
