import os
import signal
import sys
from pathlib import Path
from types import TracebackType

# Synthesis reads a model's manifest with a module of model_code, which is not installed. Added at
# the end of the path, because model_code has modules with common names such as "build".
sys.path.append(str(Path(__file__).resolve().parent.parent / "model_code"))
# The gateway's error responses use the proxy's error classes.
sys.path.append(str(Path(__file__).resolve().parent.parent / "lambda_src"))

_print_traceback = sys.excepthook


def _end_quietly_if_interrupted(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        # At once: jsii's process was interrupted too, and what it reports would be printed.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    _print_traceback(kind, error, traceback)


# For Ctrl-C during the imports, which take seconds, and during synthesis.
sys.excepthook = _end_quietly_if_interrupted
