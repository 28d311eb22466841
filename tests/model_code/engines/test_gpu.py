"""Pinned memory, on a driver that obeys the test: there is no GPU here."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import numpy
import pytest

from classifier.engines.engine import EngineError
from classifier.engines.gpu import pinned_bytes


class _Driver:
    """Responds as the driver library does; its memory is this process's."""

    def __init__(self, *, failing: str | None = None, status: int = 2) -> None:
        self.calls: list[str] = []
        self._failing, self._status = failing, status
        self._memory = (ctypes.c_uint8 * 1000)(*([7] * 1000))

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> int:
            self.calls.append(name)
            if name == self._failing:
                return self._status
            if name == "cuMemHostAlloc":
                pointer, count, flags = arguments
                assert (count.value, flags) == (24, 1)
                pointer._obj.value = ctypes.addressof(self._memory)
            return 0

        return call

    def first_bytes(self, count: int) -> bytes:
        return bytes(self._memory[:count])


def test_it_is_the_drivers_memory_and_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = _Driver()
    monkeypatch.setattr(ctypes, "CDLL", lambda _: driver)
    pinned = pinned_bytes((2, 4, 3))
    assert (pinned.shape, pinned.dtype) == ((2, 4, 3), numpy.dtype("uint8"))
    assert not pinned.any()
    pinned[1, 3, 2] = 9
    assert driver.first_bytes(25) == bytes(23) + b"\x09\x07"
    # The context of the thread is as it was before.
    assert driver.calls[-3:] == ["cuCtxPushCurrent_v2", "cuMemHostAlloc", "cuCtxPopCurrent_v2"]


@pytest.mark.parametrize("failing", ["cuInit", "cuDevicePrimaryCtxRetain", "cuMemHostAlloc"])
def test_a_refusal_says_how_much_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: _Driver(failing=failing))
    with pytest.raises(EngineError, match=r"pin 24 bytes .*status: 2.*smaller serving\.max_batch"):
        pinned_bytes((24,))


def test_without_a_driver_it_names_the_instance_types(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> SimpleNamespace:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    with pytest.raises(EngineError, match=r"no NVIDIA driver.*ml\.g5"):
        pinned_bytes((1,))
