"""The script that a notebook instance runs at each start, as root, also without root access."""

from pathlib import Path
from typing import Final

_PROGRAM: Final = Path(__file__).with_name("idle_stop.py")
_EVERY_SECONDS: Final = 300
_DIRECTORY: Final = "/opt/whippet"
_SCRIPT: Final = """#!/bin/bash
set -euo pipefail
mkdir -p {directory}
cat > {directory}/idle_stop.py <<'PROGRAM'
{program}PROGRAM
# A timer of systemd: Amazon Linux 2023 has no cron. It ends with the machine.
systemd-run --unit=whippet-idle-stop --on-active={seconds} --on-unit-active={seconds} \\
  /usr/bin/python3 {directory}/idle_stop.py {minutes}
"""


def start_script(idle_stop_minutes: int) -> str:
    """Return the script, which stops the instance when it has been idle for so long."""
    return _SCRIPT.format(
        directory=_DIRECTORY,
        program=_PROGRAM.read_text(encoding="utf-8"),
        seconds=_EVERY_SECONDS,
        minutes=idle_stop_minutes,
    )
