"""`make predict IMAGE=path`: classify an image with the local deployment."""

import argparse
import re
from pathlib import Path

from tools.console import run_tool, slow_step
from tools.local.api_client import predict
from tools.local.deployment import DEFAULT_FILE, read_local_deployment
from tools.local.predictions import describe


def main() -> None:
    """Print the predictions; fail if the response is an error."""
    parser = argparse.ArgumentParser(prog="python -m tools.local.predict", description=__doc__)
    parser.add_argument("image", type=Path, help="a JPEG, PNG or WebP file")
    parser.add_argument(
        "--top-k", type=_top_k, metavar="N|all",
        help="number of classes, the most probable first; if the model has fewer, all of them "
        "(default: 5, as in the API)",
    )  # fmt: skip
    parser.add_argument(
        "--order", choices=("score", "class"),
        help="class: every class, in the order of the labels, not together with --top-k "
        "(default: score)",
    )  # fmt: skip
    parser.add_argument(
        "--scores", choices=("probabilities", "logits"),
        help="logits: what the network computes before the softmax (default: probabilities)",
    )  # fmt: skip
    parser.add_argument(
        "--deployment", type=Path, default=DEFAULT_FILE, help="file of `make up` (%(default)s)"
    )
    arguments = parser.parse_args()
    if arguments.order == "class" and arguments.top_k is not None:
        parser.error("--order class returns every class; remove --top-k")
    deployment = read_local_deployment(arguments.deployment)
    with slow_step("Waiting for the API"):
        response = predict(
            deployment.api_url,
            deployment.api_key,
            arguments.image,
            top_k=arguments.top_k,
            order=arguments.order,
            scores=arguments.scores,
        )
    print(describe(response))


def _top_k(text: str) -> str:
    if text != "all" and not re.fullmatch("[1-9][0-9]*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a whole number above 0 nor `all`")
    return text


if __name__ == "__main__":
    run_tool(main)
