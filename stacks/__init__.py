import sys
from pathlib import Path

# The gateway's responses read the proxy's errors.
sys.path.append(str(Path(__file__).resolve().parent.parent / "lambda_src"))
