"""Classify an image by a stage's endpoint with sagemaker-core: its bytes as they are, no JSON."""

import json
from pathlib import Path

from sagemaker.core.resources import Endpoint

from examples.stage import open_stage, parser_of
from tools.account.account import read_stage

_CONTENT_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png"}
_CONTENT_TYPES[".webp"] = "image/webp"


def main() -> None:
    """Print the labels of an image."""
    parser = parser_of(__doc__)
    parser.add_argument("image", type=Path)
    parser.add_argument("--top-k", type=int, default=5)
    arguments = parser.parse_args()
    stage = open_stage(arguments.stage)
    endpoint = Endpoint.get(
        endpoint_name=read_stage(arguments.stage).endpoint_name, session=stage.session.boto_session
    )
    response = endpoint.invoke(
        body=arguments.image.read_bytes(),
        content_type=_CONTENT_TYPES[arguments.image.suffix.lower()],
        accept="application/json",
        # What the API's proxy sends for the query `?top_k=5`.
        custom_attributes=f"top_k={arguments.top_k}",
        session=stage.session.boto_session,
    )
    for each in json.loads(response.body.read())["predictions"]:
        print(f"{each['probability']:.3f}  {each['label']}")


if __name__ == "__main__":
    main()
