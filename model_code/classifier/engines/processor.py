"""What this machine's processor has."""

from __future__ import annotations

from pathlib import Path
from typing import Final

# AMD from Zen 4 on, and Intel from Sapphire Rapids on.
_BF16_FLAGS: Final = frozenset({"avx512_bf16", "amx_bf16"})


def has_bf16(root: Path = Path("/")) -> bool:
    """Return whether the processor has instructions that multiply numbers in bf16.

    OpenVINO's `OPTIMIZATION_CAPABILITIES` do not say so: they list BF16 for each processor with
    AVX-512 (openvino, src/plugins/intel_cpu/src/utils/precision_support.cpp), and on one without
    these instructions OpenVINO converts to fp32 and back, which is slower than fp32.

    Args:
        root: of the file system that has Linux's list of flags; without it, there are none.
    """
    try:
        text = (root / "proc" / "cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return not _BF16_FLAGS.isdisjoint(text.split())
