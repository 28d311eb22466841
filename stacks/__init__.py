import sys
from pathlib import Path

# Synthesis reads a model's manifest with the parser of the model's code, which is not installed. At
# the end of the path, because model_code has modules with names as common as "build".
sys.path.append(str(Path(__file__).resolve().parent.parent / "model_code"))
# The gateway's responses read the proxy's errors.
sys.path.append(str(Path(__file__).resolve().parent.parent / "lambda_src"))
