import sys
from pathlib import Path

# The proxy's package is the root of a Lambda asset, not installed; the documents read its errors.
sys.path.append(str(Path(__file__).resolve().parent.parent / "lambda_src"))
