import sys
from pathlib import Path
from types import TracebackType

# Synthesis reads a model's manifest with a module of model_code, which is not installed. Added at
# the end of the path, because model_code has modules with common names such as "build".
sys.path.append(str(Path(__file__).resolve().parent.parent / "model_code"))
# The gateway's error responses use the proxy's error classes.
sys.path.append(str(Path(__file__).resolve().parent.parent / "lambda_src"))

_print_traceback = sys.excepthook


def _print_no_traceback_of_an_interrupt(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        _print_traceback(kind, error, traceback)


# For Ctrl-C during the imports, which take seconds, and during synthesis.
sys.excepthook = _print_no_traceback_of_an_interrupt
