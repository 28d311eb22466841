"""Snapshots of every template. After an intended change: pytest --snapshot-update."""

import json
import re

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from stacks.inputs import Inputs
from tests.stacks.assembly import PURPOSES, Assembly
from tests.stacks.delivery_pipeline import PipelineAssembly

_ASSET_HASH = re.compile(r"\b[0-9a-f]{64}\b")
# CDK puts a hash of the function's code and configuration in the version's logical id.
_VERSION_HASH = re.compile(r"(CurrentVersion[0-9A-F]{8})[0-9a-f]{32}")
# The ids of the rollback alarms contain a hash of what the endpoint runs, and CDK's hash of that.
_CONFIGURATION_HASH = re.compile(r"(RollbackAlarms)[0-9a-f]{8}([A-Za-z]+)[0-9A-F]{8}\b")


@pytest.mark.parametrize("purpose", PURPOSES)
def test_template(
    assembly: Assembly, inputs: Inputs, purpose: str, snapshot: SnapshotAssertion
) -> None:
    text = json.dumps(assembly.template(purpose))
    masked = _VERSION_HASH.sub(r"\1<version>", _ASSET_HASH.sub("<asset>", text))
    masked = _CONFIGURATION_HASH.sub(r"\1<configuration>\2", masked)
    # Depends on the archive's bytes, which differ between versions of zlib.
    masked = masked.replace(inputs.model.version, "<model version>")
    assert json.loads(masked) == snapshot(extension_class=JSONSnapshotExtension)


def test_pipeline(pipeline: PipelineAssembly, snapshot: SnapshotAssertion) -> None:
    masked = _ASSET_HASH.sub("<hash>", json.dumps(pipeline.template))
    assert json.loads(masked) == snapshot(extension_class=JSONSnapshotExtension)
