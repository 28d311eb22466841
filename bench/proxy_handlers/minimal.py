"""The least that asks an endpoint: boto3 and nothing else."""

import base64
import json
import os
from typing import Any

import boto3

client = boto3.client("sagemaker-runtime")


def handle(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Pass a picture on, unchecked.

    Args:
        event: an API Gateway REST proxy event.
    """
    answer = client.invoke_endpoint(
        EndpointName=os.environ["ENDPOINT_NAME"],
        Body=base64.b64decode(event["body"]),
        ContentType="image/jpeg",
    )
    return {"statusCode": 200, "body": json.dumps(json.loads(answer["Body"].read()))}
