"""Items that wait together are computed together, and each caller gets its own result."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.engines.batching import IN_FLIGHT_COUNT, Batcher, BatcherClosedError

# Longer than any test: what ends earlier did not wait for it.
FOREVER_MS = 3_600_000.0


class _Squares:
    """Computes squares, when it may; remembers the batches it was given."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_compute = threading.Event()
        self.may_compute.set()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        assert self.may_compute.wait(20)
        if any(item < 0 for item in items):
            raise ValueError(f"{min(items)} is negative")
        return [item * item for item in items]


@asynccontextmanager
async def _held(squares: _Squares, batcher: Batcher[int, int]) -> AsyncIterator[asyncio.Task[int]]:
    """Within, a batch of the item 0 is computed, and no batch ends."""
    squares.may_compute.clear()
    first = _submit(batcher, 0)
    try:
        await _until(lambda: squares.batches == [[0]])
        yield first
    finally:
        squares.may_compute.set()


def _submit(batcher: Batcher[int, int], item: int) -> asyncio.Task[int]:
    return asyncio.create_task(batcher.submit(item))


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


async def _turn(count: int = 20) -> None:
    """Let everything happen that can happen without waiting for anything."""
    for _ in range(count):
        await asyncio.sleep(0)


def _run(test: Coroutine[Any, Any, None]) -> None:
    async def within_time() -> None:
        await asyncio.wait_for(test, 10)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(within_time())


def _batcher(squares: _Squares, max_batch: int = 8, max_delay_ms: float = FOREVER_MS) -> Any:
    return Batcher(squares, max_batch=max_batch, max_delay_ms=max_delay_ms)


@settings(max_examples=60, deadline=None)
@given(
    pauses=st.lists(st.integers(0, 3), max_size=40),
    cancelled=st.sets(st.integers(0, 39)),
    max_batch=st.integers(1, 9),
    max_delay_ms=st.sampled_from([0, 0.2, FOREVER_MS]),
)
def test_each_caller_gets_the_result_of_its_own_item(
    pauses: list[int], cancelled: set[int], max_batch: int, max_delay_ms: float
) -> None:
    squares = _Squares()
    batcher = _batcher(squares, max_batch, max_delay_ms)

    async def call(item: int) -> None:
        await _turn(pauses[item])
        assert await batcher.submit(item) == item * item

    async def test() -> None:
        tasks = [asyncio.create_task(call(item)) for item in range(len(pauses))]
        for item in sorted(cancelled & set(range(len(pauses)))):
            await _turn(1)
            tasks[item].cancel()
        for item, outcome in enumerate(await asyncio.gather(*tasks, return_exceptions=True)):
            assert outcome is None or (
                item in cancelled and isinstance(outcome, asyncio.CancelledError)
            )

    _run(test())
    batcher.close()
    computed = [item for batch in squares.batches for item in batch]
    assert len(set(computed)) == len(computed)
    assert set(range(len(pauses))) - cancelled <= set(computed)
    assert all(1 <= len(batch) <= max_batch for batch in squares.batches)


def test_nothing_waits_while_nothing_is_computed() -> None:
    squares = _Squares()

    async def test() -> None:
        batcher = _batcher(squares)
        assert await batcher.submit(5) == 25
        assert await batcher.submit(6) == 36
        assert await asyncio.gather(*map(batcher.submit, [1, 2, 3])) == [1, 4, 9]
        batcher.close()

    _run(test())
    assert squares.batches == [[5], [6], [1, 2, 3]]


def test_what_comes_while_a_batch_is_computed_is_the_next_batch() -> None:
    squares = _Squares()

    async def test() -> None:
        batcher = _batcher(squares)
        async with _held(squares, batcher):
            others = []
            for item in (1, 2, 3):
                others.append(_submit(batcher, item))
                await _turn()
            assert squares.batches == [[0]]
        assert await asyncio.gather(*others) == [1, 4, 9]
        batcher.close()

    _run(test())
    assert squares.batches == [[0], [1, 2, 3]]


def test_a_full_batch_goes_beside_the_first_and_a_third_waits() -> None:
    squares = _Squares()

    async def test() -> None:
        batcher = _batcher(squares, max_batch=2)
        async with _held(squares, batcher):
            first, second, gone, *others = [_submit(batcher, item) for item in (1, 2, 3, 4, 5, 6)]
            await _until(lambda: len(squares.batches) == IN_FLIGHT_COUNT)
            await _turn()
            assert squares.batches == [[0], [1, 2]]
            # It would be computed if the third batch had gone already.
            gone.cancel()
        assert await asyncio.gather(first, second, *others) == [1, 4, 16, 25, 36]
        batcher.close()

    _run(test())
    assert sorted(squares.batches[2:]) == [[4, 5], [6]]


def test_the_delay_ends_the_wait_and_newcomers_do_not_renew_it() -> None:
    squares = _Squares()

    async def test() -> None:
        batcher = _batcher(squares, max_batch=100_000, max_delay_ms=30)
        async with _held(squares, batcher):
            others: list[asyncio.Task[int]] = []
            started = asyncio.get_running_loop().time()
            while len(squares.batches) == 1:
                others.append(_submit(batcher, len(others) + 1))
                await asyncio.sleep(0.001)
            assert asyncio.get_running_loop().time() >= started + 0.03
        await asyncio.gather(*others)
        batcher.close()

    _run(test())
    assert squares.batches[1][0] == 1


def test_callers_that_have_gone_cost_nothing() -> None:
    squares = _Squares()

    async def test() -> None:
        batcher = _batcher(squares, max_batch=3)
        async with _held(squares, batcher):
            gone, stays = _submit(batcher, 1), _submit(batcher, 2)
            await _turn()
            gone.cancel()
            await _turn()
            others = [_submit(batcher, 3)]
            await _turn()
            # Two of three: the one that has gone takes no place.
            assert squares.batches == [[0]]
        assert await asyncio.gather(stays, *others) == [4, 9]
        batcher.close()

    _run(test())
    assert squares.batches == [[0], [2, 3]]


def test_a_batch_of_which_every_caller_has_gone_is_not_computed() -> None:
    squares = _Squares()

    async def test() -> None:
        batcher = _batcher(squares)
        async with _held(squares, batcher) as first:
            gone = [_submit(batcher, item) for item in (1, 2)]
            await _turn()
            for task in gone:
                task.cancel()
        assert await first == 0
        assert await batcher.submit(3) == 9
        batcher.close()

    _run(test())
    assert squares.batches == [[0], [3]]


def test_a_caller_that_goes_during_the_computation_takes_no_one_along() -> None:
    squares = _Squares()

    async def test() -> None:
        batcher = _batcher(squares, max_batch=2)
        async with _held(squares, batcher):
            gone, stays = _submit(batcher, 1), _submit(batcher, 2)
            await _until(lambda: len(squares.batches) == 2)
            gone.cancel()
        assert await stays == 4
        batcher.close()

    _run(test())


def test_an_error_reaches_each_caller_of_its_batch_and_no_other() -> None:
    squares = _Squares()

    async def test() -> None:
        batcher = _batcher(squares, max_batch=2)
        async with _held(squares, batcher) as first:
            others = [_submit(batcher, item) for item in (1, -1, 3, 4)]
            await _turn()
        failed = await asyncio.gather(*others[:2], return_exceptions=True)
        assert [str(error) for error in failed] == ["-1 is negative"] * 2
        assert await asyncio.gather(first, *others[2:]) == [0, 9, 16]
        batcher.close()

    _run(test())


def test_closing_fails_what_waits_and_ends_what_is_computed() -> None:
    squares = _Squares()

    async def test() -> None:
        batcher = _batcher(squares)
        squares.may_compute.clear()
        computed = _submit(batcher, 2)
        await _until(lambda: squares.batches == [[2]])
        waiting = _submit(batcher, 3)
        await _turn()
        threading.Timer(0.05, squares.may_compute.set).start()
        batcher.close()
        assert squares.may_compute.is_set()
        assert not [thread for thread in threading.enumerate() if "batch" in thread.name]
        assert await computed == 4
        with pytest.raises(BatcherClosedError):
            await waiting
        with pytest.raises(BatcherClosedError):
            await batcher.submit(4)

    _run(test())
    assert squares.batches == [[2]]
