"""The compiled resampling, which the tests' environment does not have."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from classifier.image import resample_library
from classifier.image.resample import Resampler

# macOS has no such file.
_PROCESSOR = Path("/proc/cpuinfo")


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    has_avx2 = _PROCESSOR.exists() and "avx2" in _PROCESSOR.read_text().split()
    if shutil.which("cc") is None or not has_avx2:
        pytest.skip("needs a C compiler, and a processor with AVX2")
    path = tmp_path_factory.mktemp("a folder") / "resample.so"
    resample_library.compile_library(path, "cc")
    return path


@pytest.fixture(scope="session")
def resampler(library: Path) -> Resampler:
    loaded = resample_library.load_library(library)
    assert loaded is not None
    return Resampler(loaded)
