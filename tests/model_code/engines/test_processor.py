"""Which processors have bf16, by Linux's list of their flags."""

from __future__ import annotations

from pathlib import Path

import pytest

from classifier.engines.processor import has_bf16


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        # Skylake and Ice Lake, which OpenVINO counts among those with bf16, for their AVX-512.
        ("fpu avx2 avx512f avx512bw avx512vl", False),
        ("fpu avx2 avx512f avx512_vnni avx512_bitalg", False),
        # AMD Zen 4; Sapphire Rapids, of which a virtual machine may hide one of the two.
        ("fpu avx512_vnni avx512_bf16 clzero", True),
        ("fpu avx512_vnni amx_bf16 amx_tile", True),
        ("fpu not_avx512_bf16", False),
    ],
)
def test_the_instructions_themselves_decide(tmp_path: Path, flags: str, expected: bool) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\n\n")
    assert has_bf16(tmp_path) is expected


def test_a_machine_without_the_list_has_none(tmp_path: Path) -> None:
    assert not has_bf16(tmp_path)
