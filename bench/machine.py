"""The machine that a benchmark ran on."""

import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path

from bench.servers import CORES


def describe_machine() -> dict[str, str]:
    """Return the date, processor, cores, memory and system, each as text."""
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "cores": f"{CORES} cores",
        "memory": f"{memory_bytes / 1024**3:.0f} GiB",
        "system": f"Linux {platform.release().split('-')[0]}, Python {platform.python_version()}",
    }


def _processor() -> str:
    text = Path("/proc/cpuinfo").read_text()
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^flags\s*:\s*(.+)$", text, re.MULTILINE)
    known = flags[1].split() if flags else []
    wide = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "amx_int8") if flag in known]
    return f"{name[1] if name else platform.machine()} ({', '.join(wide)})"
