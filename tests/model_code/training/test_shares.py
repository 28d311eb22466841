"""What each of several workers computes, and that together it is what one computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy
import pytest

from classifier.training.dataset.scanning import ImageFile, Scan
from classifier.training.distributed.same_images import check_same_images
from classifier.training.distributed.workers import Workers
from classifier.training.errors import DataError
from classifier.training.features import sharing
from classifier.training.features.extraction import Output
from classifier.training.finetune.batches import BatchOrder, WholeBatches


class Threads(Workers):
    """Workers that are threads of this process."""

    def __init__(self, rank: int, count: int, table: list[Any], barrier: Barrier) -> None:
        self.rank, self.count = rank, count
        self._table, self._barrier = table, barrier

    def exchange(self, value: Any) -> list[Any]:
        self._table[self.rank] = value
        self._barrier.wait(10)
        values = list(self._table)
        self._barrier.wait(10)
        return values

    def gather(self, value: Any) -> list[Any]:
        values = self.exchange(value)
        return values if self.is_first else []


def run_together(count: int, work: Callable[[Workers], Any]) -> list[Any]:
    table, barrier = [None] * count, Barrier(count)
    with ThreadPoolExecutor(count) as threads:
        workers = [Threads(rank, count, table, barrier) for rank in range(count)]
        return list(threads.map(work, workers))


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize(("image_count", "batch_size"), [(12, 5), (13, 4), (33, 32), (3, 8)])
def test_the_shares_of_a_step_are_its_images_and_their_weights_its_mean(
    count: int, image_count: int, batch_size: int
) -> None:
    alone = list(BatchOrder(image_count, batch_size, seed=3))
    orders = [BatchOrder(image_count, batch_size, 3, worker_of(r, count)) for r in range(count)]
    shares, weights = [list(each) for each in orders], [list(each.weights()) for each in orders]
    for step, batch in enumerate(alone):
        counted = [rank for rank in range(count) if weights[rank][step]]
        assert sorted(draw for rank in counted for draw in shares[rank][step]) == sorted(batch)
        # Of any loss of an image, here its place.
        means = [
            weight[step] * numpy.mean([draw.place for draw in share[step]])
            for share, weight in zip(shares, weights, strict=True)
        ]
        assert numpy.mean(means) == pytest.approx(numpy.mean([draw.place for draw in batch]))
    assert [len(each) for each in orders] == [len(alone)] * count


def worker_of(rank: int, count: int) -> Workers:
    workers = Workers()
    workers.rank, workers.count = rank, count
    return workers


def test_a_last_batch_is_large_enough_for_every_workers_statistics() -> None:
    sizes = [[len(batch) for batch in BatchOrder(19, 8, 0, smallest=each)] for each in (2, 4)]
    assert sizes == [[8, 8, 3], [8, 11]]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_whole_batches_are_shared_without_a_gap(count: int) -> None:
    order = BatchOrder(22, 4, seed=None)
    shares = [WholeBatches(order, worker_of(rank, count)) for rank in range(count)]
    found = [list(share) for share in shares]
    assert [len(each) for each in shares] == [len(each) for each in found]
    ordered = [found[place % count][place // count] for place in range(len(order))]
    assert ordered == list(order)


class BatchNetwork:
    """Its output of an image tells the place and the other images of its batch."""

    def __init__(self, size: int) -> None:
        self._size = size

    def run(self, paths: Sequence[Path], receive: Callable[[int, Output], None]) -> None:
        for place, _ in enumerate(paths):
            begin = place - place % self._size
            batch = "".join(path.name for path in paths[begin : begin + self._size])
            values = numpy.frombuffer(f"{place - begin}{batch}".ljust(40).encode(), numpy.uint8)
            receive(place, Output(values.astype(numpy.float32)))

    def close(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("image_count", [1, 5, 16, 61])
def test_each_image_is_at_its_place_of_its_batch_with_any_number_of_workers(
    size: int, image_count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "batch_size", lambda: size)
    monkeypatch.setattr(sharing, "_IMAGES_A_ROUND", 8)
    paths = [Path(f"{number:02x}.") for number in range(image_count)]

    def outputs(workers: Workers) -> list[tuple[int, bytes]]:
        received: list[tuple[int, bytes]] = []

        def receive(place: int, output: Output) -> None:
            assert output.values is not None
            received.append((place, output.values.tobytes()))

        sharing.share_outputs(BatchNetwork(size), paths, receive, workers)
        return received

    alone = outputs(Workers())
    assert [place for place, _ in alone] == list(range(image_count))
    for count in (2, 3):
        first, *others = run_together(count, outputs)
        assert first == alone
        assert not any(others)


def test_hosts_with_other_images_are_refused() -> None:
    image = ImageFile(Path("a.png"), "a", "train", "0" * 64)
    whole = Scan(Path(), ("a",), (image, image), (), is_demo=False)
    part = Scan(Path(), ("a",), (image,), (), is_demo=False)
    assert run_together(2, lambda workers: check_same_images(whole, workers)) == [None, None]
    with pytest.raises(DataError, match=r"\(2, 1 by rank; 1 differs from 0\).*FullyReplicated"):
        run_together(2, lambda workers: check_same_images(part if workers.rank else whole, workers))
