"""A handler as in Powertools' documentation: resolver, validation by pydantic, logs and metrics.

Its Tracer is left out, which is in its favour: the X-Ray SDK would slow its start further.
"""

import base64
import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.metrics import MetricUnit
from pydantic import BaseModel

logger = Logger()
metrics = Metrics()
app = APIGatewayRestResolver(enable_validation=True)
client = boto3.client("sagemaker-runtime")


class Prediction(BaseModel):
    """One class."""

    label: str
    index: int
    probability: float


class Model(BaseModel):
    """The model that computed the classes."""

    name: str
    version: str


class Classification(BaseModel):
    """The response."""

    predictions: list[Prediction]
    model: Model


@app.post("/predict")
def predict() -> Classification:
    """Invoke the endpoint and validate its response."""
    response = client.invoke_endpoint(
        EndpointName=os.environ["ENDPOINT_NAME"],
        Body=base64.b64decode(app.current_event.body or ""),
        ContentType="image/jpeg",
    )
    metrics.add_metric("Predictions", MetricUnit.Count, 1)
    return Classification.model_validate_json(response["Body"].read())


@logger.inject_lambda_context
@metrics.log_metrics
def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return the response to an API Gateway REST proxy event."""
    return app.resolve(event, context)
