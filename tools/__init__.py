import sys
from pathlib import Path

# The proxy's package is not installed, but the root of a Lambda asset; api_docs reads its tables.
sys.path.append(str(Path(__file__).resolve().parent.parent / "lambda_src"))
