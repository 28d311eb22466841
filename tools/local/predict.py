"""`make predict IMAGE=path`: what the local deployment sees in an image."""

import argparse
import re
from pathlib import Path

from tools.console import patience, run_tool
from tools.local.api_client import predict
from tools.local.deployment import DEFAULT_FILE, read_local_deployment
from tools.local.predictions import describe


def main() -> None:
    """Print the predictions; fail where the response is an error."""
    parser = argparse.ArgumentParser(prog="python -m tools.local.predict", description=__doc__)
    parser.add_argument("image", type=Path, help="a JPEG, PNG or WebP file")
    parser.add_argument(
        "--top-k", type=_top_k, metavar="N|all",
        help="how many classes, the most probable first; more than there are gives all of them "
        "(default: 5, as the API)",
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
        "--deployment", type=Path, default=DEFAULT_FILE, help="what `make up` wrote (%(default)s)"
    )
    arguments = parser.parse_args()
    if arguments.order == "class" and arguments.top_k is not None:
        parser.error("--order class gives every class; leave --top-k out")
    deployment = read_local_deployment(arguments.deployment)
    with patience("Waiting for the API"):
        answer = predict(
            deployment.api_url,
            deployment.api_key,
            arguments.image,
            top_k=arguments.top_k,
            order=arguments.order,
            scores=arguments.scores,
        )
    print(describe(answer))


def _top_k(text: str) -> str:
    if text != "all" and not re.fullmatch("[1-9][0-9]*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a whole number above 0 nor `all`")
    return text


if __name__ == "__main__":
    run_tool(main)
