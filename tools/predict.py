"""`make predict IMAGE=path`: what the local deployment sees in a picture."""

import argparse
from pathlib import Path

from tools.api_client import ApiAnswer, predict
from tools.console import ToolError, run_tool
from tools.local_deployment import DEFAULT_FILE, read_local_deployment


def main() -> None:
    """Print the answer; fail when it is an error."""
    parser = argparse.ArgumentParser(prog="python -m tools.predict", description=__doc__)
    parser.add_argument("image", type=Path, help="a JPEG, PNG or WebP file")
    parser.add_argument("--top-k", type=int, default=5, help="how many classes (%(default)s)")
    parser.add_argument(
        "--deployment", type=Path, default=DEFAULT_FILE, help="what `make up` wrote (%(default)s)"
    )
    arguments = parser.parse_args()
    deployment = read_local_deployment(arguments.deployment)
    answer = predict(deployment.api_url, deployment.api_key, arguments.image, top_k=arguments.top_k)
    print(describe(answer))


def describe(answer: ApiAnswer) -> str:
    """Return the predictions as lines for a person.

    Raises:
        ToolError: the answer is an error.
    """
    if answer.status != 200:
        content = answer.content
        error = content.get("error", content) if isinstance(content, dict) else content
        raise ToolError(f"The API answered {answer.status}: {error}")
    model = answer.content["model"]
    lines = [
        f"  {item['probability']:7.2%}  {item['label']}" for item in answer.content["predictions"]
    ]
    lines.append(f"  {model['name']} {model['version']}, {answer.milliseconds:.0f} ms")
    return "\n".join(lines)


if __name__ == "__main__":
    run_tool(main)
