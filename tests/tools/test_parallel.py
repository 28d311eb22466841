import threading
import time

import pytest

from tools import parallel
from tools.parallel import in_parallel


@pytest.mark.parametrize("count", [0, 1, 7, 1000])
def test_results_come_in_the_order_of_the_items(count: int) -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.02 if number == 0 else 0)
        return number * number

    found = list(in_parallel(slow_first, range(count), noun="number"))
    assert found == [number * number for number in range(count)]


def test_several_run_at_a_time() -> None:
    together = threading.Barrier(4, timeout=10)
    list(in_parallel(lambda _: together.wait(), range(4), noun="number"))


def test_an_error_ends_the_rest() -> None:
    called = []

    def fail_at_5(number: int) -> None:
        called.append(number)
        if number == 5:
            raise ValueError("five")

    with pytest.raises(ValueError, match="five"):
        list(in_parallel(fail_at_5, range(10_000), noun="number"))
    assert len(called) < 1000


def test_progress_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(parallel, "_SECONDS_BETWEEN_LINES", 0)
    list(in_parallel(str, range(3), noun="image"))
    assert "  1 of 3 images, about " in capsys.readouterr().out
