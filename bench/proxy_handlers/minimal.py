"""The smallest handler that invokes an endpoint: boto3 and nothing else."""

import base64
import json
import os
from typing import Any

import boto3

client = boto3.client("sagemaker-runtime")


def handle(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Invoke the endpoint with the body of an API Gateway REST proxy event, unchecked."""
    response = client.invoke_endpoint(
        EndpointName=os.environ["ENDPOINT_NAME"],
        Body=base64.b64decode(event["body"]),
        ContentType="image/jpeg",
    )
    return {"statusCode": 200, "body": json.dumps(json.loads(response["Body"].read()))}
