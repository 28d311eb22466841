"""`make predict IMAGE=path`: classify images with the local deployment."""

import argparse
import re
import sys
from pathlib import Path

from tools.console import ToolError, run_tool, slow_step
from tools.local.api_client import ApiResponse, predict
from tools.local.deployment import DEFAULT_FILE, LocalDeployment, read_local_deployment
from tools.local.images import find_images
from tools.local.predictions import describe
from tools.make_variables import MakeParser

_VARIABLES = {"image": "IMAGE", "--top-k": "TOP_K", "--order": "ORDER", "--scores": "SCORES"}


def main() -> int:
    """Print the predictions of each image; return 1 if a response is an error."""
    arguments = _parse()
    images = find_images(arguments.image)
    deployment = read_local_deployment(arguments.deployment)
    status = 0
    for image in images:
        response = _invoke(deployment, image, arguments)
        if len(images) > 1:
            print(image)
        try:
            print(describe(response), flush=True)
        except ToolError as error:
            print(error, file=sys.stderr, flush=True)
            status = 1
    return status


def _invoke(deployment: LocalDeployment, image: Path, arguments: argparse.Namespace) -> ApiResponse:
    with slow_step("Waiting for the API"):
        return predict(
            deployment.api_url,
            deployment.api_key,
            image,
            top_k=arguments.top_k,
            order=arguments.order,
            scores=arguments.scores,
        )


def _parse() -> argparse.Namespace:
    parser = MakeParser(
        variables=_VARIABLES, prog="python -m tools.local.predict", description=__doc__
    )
    parser.add_argument(
        "image",
        help="a JPEG, PNG or WebP file, a folder of them, or a pattern such as 'photos/**/*.jpg'",
    )
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
    arguments = parser.parse()
    if not arguments.image.strip():
        parser.error("argument image: expected a file, a folder or a pattern such as photos/*.jpg")
    if arguments.order == "class" and arguments.top_k is not None:
        parser.error("--order=class returns every class; remove --top-k")
    return arguments


def _top_k(text: str) -> str:
    if text != "all" and not re.fullmatch("[1-9][0-9]*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a whole number above 0 nor `all`")
    return text


if __name__ == "__main__":
    run_tool(main)
