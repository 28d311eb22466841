"""Import one ONNX file in a process of its own: what it is given is JSON, on standard input.

ONNX Runtime and OpenVINO are compiled code. A file that makes them crash, or compute without end,
ends this process alone.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from classifier.artifact.manifest_errors import ManifestError
from classifier.training.errors import TrainingError
from classifier.training.preprocessing_flags import PreprocessingFlags
from classifier.training.program import run_program


def main() -> int:
    """Import; on failure print one line on standard error and return 1."""
    _limit_memory()
    from classifier.training.onnx_import.job import OnnxFile, import_network

    given = json.load(sys.stdin)
    flags: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in given["preprocessing"].items()
    }
    file = OnnxFile(
        path=Path(given["path"]),
        name=given["name"],
        labels=tuple(given["labels"]),
        preprocessing_flags=PreprocessingFlags(**flags),
    )
    try:
        import_network(file, Path(given["directory"]))
    except (TrainingError, ManifestError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except MemoryError:
        print(f"{file.path} needs more memory than this machine has", file=sys.stderr)
        return 1
    except Exception as error:
        # What a damaged file raises in the libraries that read it has no base of its own.
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"{file.path} cannot be used: {reason}", file=sys.stderr)
        return 1
    return 0


def _limit_memory() -> None:
    """Let a network that needs more memory than there is fail, instead of other processes."""
    if sys.platform != "linux":
        return
    import resource

    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (total, most))


if __name__ == "__main__":
    run_program(main)
