import subprocess
import sys
from pathlib import Path

CORE = [
    "circuit_breaker",
    "deadlines",
    "encoded_images",
    "endpoint.protocol",
    "errors",
    "event_handler",
    "forms",
    "health",
    "image_checks",
    "image_url.addresses",
    "image_url.url",
    "model_response",
    "observability.emf",
    "parameters",
    "requests",
    "settings",
    "unsupported_bodies",
    "uploads.keys",
    "uploads.protocol",
    "uploads.signing",
    "uploads.single_use",
]
SOURCES = Path(__file__).parents[2] / "lambda_src"


def test_the_core_imports_without_the_sdk_and_powertools() -> None:
    program = f"""
import sys
sys.path.insert(0, {str(SOURCES)!r})
for name in ("boto3", "botocore", "aws_lambda_powertools", "aws_xray_sdk", "socket"):
    sys.modules[name] = None
for name in {CORE}:
    __import__("classifier_proxy." + name)
"""
    subprocess.run([sys.executable, "-I", "-c", program], check=True)
