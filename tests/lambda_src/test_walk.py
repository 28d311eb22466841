"""How many files a reader follows from a request to its response."""

import sys
import threading
from pathlib import Path
from types import FrameType

import classifier_proxy
from tests.lambda_src.conftest import Proxy

PACKAGE = Path(classifier_proxy.__path__[0])
MAX_FILES = 8


def test_one_image_runs_code_of_at_most_eight_files(proxy: Proxy) -> None:
    files_run: set[str] = set()

    def profile(frame: FrameType, _event: str, _argument: object) -> None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(PACKAGE):
            files_run.add(path.relative_to(PACKAGE).as_posix())

    assert proxy.call().status == 200
    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        assert proxy.call().status == 200
    finally:
        sys.setprofile(None)
        threading.setprofile(None)

    files = {name for name in files_run if not name.startswith("observability/")}
    assert {"event_handler.py", "endpoint/invoke.py"} <= files, files
    assert len(files) <= MAX_FILES, sorted(files)
