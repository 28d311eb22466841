"""What a run was made on."""

from __future__ import annotations

import platform
import re
from datetime import UTC, datetime
from pathlib import Path

from bench import environments
from bench.server import ROOT
from bench.servers import CORES, OURS, PEER_SERVERS

_SERVING = ROOT / "model_code" / "requirements-serving.in"


def describe_machine() -> dict[str, str]:
    """Return the processor, cores, memory, system and date, each as text."""
    memory = re.search(r"^MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return {
        "processor": _processor(),
        "cores": str(CORES),
        "memory": f"{int(memory[1]) / 1024**2:.0f} GiB" if memory else "unknown",
        "system": f"Linux {platform.release().split('-')[0]}, Python {platform.python_version()}",
        "date": datetime.now(UTC).date().isoformat(),
    }


def describe_versions() -> dict[str, str]:
    """Return what is installed for each server, by its name."""
    ours = _versions(_SERVING)
    return {server.name: ours for server in OURS} | {
        server.name: _versions(environments.REQUIREMENTS / f"{server.name}.in")
        for server in PEER_SERVERS
    }


def _versions(direct: Path) -> str:
    return environments.versions(direct, direct.with_suffix(".txt"))


def _processor() -> str:
    text = Path("/proc/cpuinfo").read_text()
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^flags\s*:\s*(.+)$", text, re.MULTILINE)
    known = flags[1].split() if flags else []
    wide = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "amx_int8") if flag in known]
    return f"{name[1] if name else platform.machine()} ({', '.join(wide)})"
