"""`make predict IMAGE=path`: classify images with the local deployment."""

import argparse
import json
import re
import sys
from http import HTTPStatus
from pathlib import Path

from tools.console import ToolError, run_tool, slow_step
from tools.local.api_client import MAX_IMAGE_BYTES, ApiResponse, predict, read_image
from tools.local.deployment import DEFAULT_FILE, LocalDeployment, read_local_deployment
from tools.local.images import find_images
from tools.local.predictions import Table, describe, has_predictions
from tools.local.shrink import shrink
from tools.make_variables import MakeParser
from tools.terminal import printable

_VARIABLES = {"image": "IMAGE", "--top-k": "TOP_K", "--order": "ORDER", "--scores": "SCORES"}


def main() -> int:
    """Print the predictions of each image; return 1 if one has none."""
    arguments = _parse()
    failed = False
    images: list[Path] = []
    for named in arguments.image:
        try:
            images += find_images(named)
        except ToolError as error:
            failed = True
            _report(named, error, as_json=arguments.json)
    if not images:
        return 1
    deployment = read_local_deployment(arguments.deployment)
    is_chosen = arguments.top_k is not None or arguments.order is not None
    others = None if is_chosen else 1
    table = Table(images, deployment.labels, others) if len(images) > 1 else None
    for image in images:
        try:
            response = _invoke(deployment, image, arguments)
            if arguments.json:
                failed |= not has_predictions(response)
                print(_as_json(image, response), flush=True)
            else:
                print(table.row(image, response) if table else describe(response), flush=True)
        except ToolError as error:
            failed = True
            _report(str(image), error, as_json=arguments.json, is_named=True)
    return int(failed)


def _report(file: str, error: ToolError, *, as_json: bool, is_named: bool = False) -> None:
    """Print why there are no predictions; `is_named`: with the file, which the error leaves out."""
    if as_json:
        print(json.dumps({"file": file, "error": str(error)}), flush=True)
    else:
        prefix = f"{printable(file)}: " if is_named else ""
        print(f"{prefix}{error}", file=sys.stderr, flush=True)


def _invoke(deployment: LocalDeployment, image: Path, arguments: argparse.Namespace) -> ApiResponse:
    """Send an image, made smaller if the API does not take it as large as it is."""
    content = read_image(image)
    is_shrunk = len(content) > MAX_IMAGE_BYTES
    response = _send(deployment, shrink(image) if is_shrunk else content, arguments)
    if response.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE and not is_shrunk:
        response = _send(deployment, shrink(image), arguments)  # it has too many pixels
    return response


def _send(
    deployment: LocalDeployment, content: bytes, arguments: argparse.Namespace
) -> ApiResponse:
    with slow_step("Waiting for the API"):
        return predict(
            deployment.api_url,
            deployment.api_key,
            content,
            top_k=arguments.top_k,
            order=arguments.order,
            scores=arguments.scores,
        )


def _as_json(image: Path, response: ApiResponse) -> str:
    line = {
        "file": str(image),
        "status": response.status,
        "milliseconds": round(response.milliseconds),
        "response": response.content,
    }
    return json.dumps(line, ensure_ascii=False)


def _parse() -> argparse.Namespace:
    parser = MakeParser(
        variables=_VARIABLES, prog="python -m tools.local.predict", description=__doc__
    )
    parser.add_argument(
        "image", nargs="+",
        help="a JPEG, PNG or WebP file, a folder of them, or a pattern such as 'photos/**/*.jpg'; "
        "of several images each is a row of a table",
    )  # fmt: skip
    parser.add_argument(
        "--json", action="store_true",
        help="print a line of JSON for each image: file, status, milliseconds and response, or "
        "file and error for one that could not be sent",
    )  # fmt: skip
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
    if not all(named.strip() for named in arguments.image):
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
