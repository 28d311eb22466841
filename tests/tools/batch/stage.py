"""A stage whose S3 and Step Functions are in memory."""

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from stacks.settings.stage import StageSettings, load_stage_settings
from tools.batch.stage import BatchStage
from tools.cdk import ROOT

MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:Batch"
BUCKET = "captures"


class FakeS3:
    """Objects of any bucket.

    Attributes:
        objects: bytes by bucket and key.
        modified: when objects were written, if not now.
        written: keys in the order in which they were written.
    """

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.modified: dict[str, datetime] = {}
        self.written: list[str] = []

    def put_object(self, **given: Any) -> None:
        body = given["Body"]
        self.objects[given["Bucket"], given["Key"]] = (
            body if isinstance(body, bytes) else body.read()
        )
        self.written.append(given["Key"])

    def get_object(self, **given: Any) -> dict[str, Any]:
        if (given["Bucket"], given["Key"]) not in self.objects:
            raise error_of("NoSuchKey")
        return {"Body": io.BytesIO(self.objects[given["Bucket"], given["Key"]])}

    def list_objects_v2(self, **given: Any) -> dict[str, Any]:
        keys = [key for _, key in self.objects if key.startswith(given["Prefix"])]
        folders = {f"{'/'.join(key.split('/')[:3])}/" for key in keys}
        return {"CommonPrefixes": [{"Prefix": each} for each in sorted(folders)]}

    @staticmethod
    def etag_of(content: bytes) -> str:
        return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_objects_v2"
        return self

    def paginate(self, **given: Any) -> Iterator[dict[str, Any]]:
        """Yield pages of two objects each."""
        found = [
            {
                "Key": key,
                "LastModified": self.modified.get(key, datetime.now(UTC)),
                "Size": len(content),
                "ETag": self.etag_of(content),
            }
            for (bucket, key), content in sorted(self.objects.items())
            if bucket == given["Bucket"] and key.startswith(given["Prefix"])
        ]
        yield from ({"Contents": found[n : n + 2]} for n in range(0, len(found), 2))


class FakeStates:
    """Executions that end.

    Attributes:
        running: how often they are described before that.
        ends: how the executions end, in the order of their start: members of a description.
        started: the inputs by the name of the execution.
        s3: gets the results of an execution that starts.
    """

    def __init__(self, s3: FakeS3) -> None:
        self.s3 = s3
        self.ends: list[dict[str, Any]] = []
        self.started: dict[str, dict[str, Any]] = {}
        self.stopped: list[str] = []
        self.results = 10**6
        self.running = 1
        self._looks: Counter[str] = Counter()

    def start_execution(self, **given: Any) -> None:
        name = given["name"]
        if name in self.started:
            raise error_of("ExecutionAlreadyExists")
        assert given["stateMachineArn"] == MACHINE
        self.started[name] = json.loads(given["input"])
        run = self.started[name]["run"]
        manifest = json.loads(self.s3.objects[BUCKET, f"batch/inputs/{name}.manifest"])
        for image in manifest[1:][: self.results]:
            content = self.s3.objects[BUCKET, f"batch/inputs/{image}"]
            response: dict[str, Any] = {"predictions": [{"label": content.decode()}]}
            if content == b"broken":
                response = {"error": {"code": "unreadable_image", "message": "broken"}}
            # SageMaker's folder below the output is not relied on.
            self.s3.objects[BUCKET, f"batch/outputs/{run}/some/{image}.out"] = json.dumps(
                response
            ).encode()

    def describe_execution(self, **given: Any) -> dict[str, Any]:
        arn = given["executionArn"]
        name = arn.rpartition(":")[2]
        if name not in self.started:
            raise error_of("ExecutionDoesNotExist")
        described = {"status": "RUNNING", "startDate": datetime.now(UTC)}
        if self._looks[name] >= self.running:
            number = list(self.started).index(name)
            ends = [*self.ends, *([{"status": "SUCCEEDED"}] * len(self.started))]
            described |= ends[number]
        self._looks[name] += 1
        return described

    def stop_execution(self, **given: Any) -> None:
        self.stopped.append(given["executionArn"].rpartition(":")[2])


def fake_stage(s3: FakeS3, states: Any, settings: StageSettings | None = None) -> BatchStage:
    """Return a deployed stage."""
    return BatchStage(
        settings=settings or load_stage_settings("dev", ROOT / "config"),
        client={"s3": s3, "stepfunctions": states}.__getitem__,
        bucket=BUCKET,
        state_machine_arn=MACHINE,
    )


def error_of(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, "Operation")
