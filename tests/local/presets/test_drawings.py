"""The model of the presets with breeds of dogs, where nothing is prepared."""

import json
import sys

import pytest

from tests.local.presets.conftest import Training

pytestmark = pytest.mark.presets
# Of t2.micro's 1 GiB Amazon Linux and the program that starts the training take the rest.
MIB_OF_A_T2_MICRO = 700


def test_it_is_ready_in_three_minutes(training: Training) -> None:
    print(f"\nDrawings of 133 classes, and a head for them: {training.seconds:.0f} s")
    assert training.seconds < 180
    manifest = json.loads((training.artifact / "manifest.json").read_text())
    assert len(manifest["labels"]) == 133


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_head_is_trained_in_the_memory_of_the_smallest_machine(training: Training) -> None:
    print(f"\nMemory of the training: {training.peak_mib:.0f} MiB")
    assert 300 < training.peak_mib < MIB_OF_A_T2_MICRO
