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
            deadline_seconds=3,
            clock=lambda: self._seconds,
        )

    def arrive(self, count: int) -> None:
        for _ in range(count):
            self._images.append(self.admission.image())
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

    def expect_admitted(self) -> None:
        with self.admission.place():
            pass

    def expect_refused(self) -> int | None:
        with pytest.raises(RequestError) as refused, self.admission.place():
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
