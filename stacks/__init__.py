import sys
from pathlib import Path

# Synthesis reads a model's manifest with a module of model_code, which is not installed. Added at
# the end of the path, because model_code has modules with common names such as "build".
sys.path.append(str(Path(__file__).resolve().parent.parent / "model_code"))
# The gateway's error responses use the proxy's error classes.
sys.path.append(str(Path(__file__).resolve().parent.parent / "lambda_src"))
