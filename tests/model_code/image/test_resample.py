"""The compiled resampling makes Pillow's bytes, of any image, and is used where it is compiled."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from classifier.artifact.manifest import Preprocessing
from classifier.image import preprocessing, resample_library
from classifier.image.decoding import decode_image
from classifier.image.preprocessing import ByteArray, crop_image
from classifier.image.resample import Pixels, Resampler
from classifier.image.resample_weights import Axis, compute_weights
from classifier.image.resizing import resample_centre, resize_centre
from tests.model_code.conftest import MODEL_CODE
from tests.model_code.image.image_files import encode, exif_of


def _settings(resize: int, crop: int, interpolation: str) -> Preprocessing:
    return Preprocessing(
        resize=resize, crop=crop, interpolation=interpolation, mean=(0.5,) * 3, std=(0.5,) * 3
    )


def _noise(width: int, height: int, *, hard: bool = False) -> Image.Image:
    """Noise, which is `hard` if each channel is 0 or 255: sums below and above the bytes."""
    generator = numpy.random.default_rng([width, height])
    pixels = generator.integers(0, 256, (height, width, 3), dtype=numpy.uint8)
    return Image.fromarray(
        numpy.where(pixels > 127, 255, 0).astype(numpy.uint8) if hard else pixels
    )


def _expect_pillows_bytes(
    resampler: Resampler, image: Image.Image, settings: Preprocessing
) -> None:
    crop: ByteArray = numpy.full((settings.crop, settings.crop, 3), 99, numpy.uint8)
    resample_centre(Pixels.of_image(image), settings, resampler, crop)
    assert numpy.array_equal(crop, numpy.asarray(resize_centre(image, settings)))


# The last ones: resized down first; in several of Pillow's blocks; 65,535 pixels a side.
SIZES = [
    *((1, 1), (2, 1), (1, 133), (133, 1), (3, 400), (224, 224), (256, 256), (500, 375), (375, 500)),
    *((257, 1000), (1920, 1080), (1000, 3000), (3001, 2000), (65_535, 60), (60, 65_535)),
]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: "{}x{}".format(*size))
def test_any_size_has_pillows_bytes(
    resampler: Resampler, size: tuple[int, int], interpolation: str
) -> None:
    for resize, crop in ((256, 224), (232, 224), (224, 224), (33, 30), (1, 1)):
        settings = _settings(resize, crop, interpolation)
        _expect_pillows_bytes(resampler, _noise(*size), settings)
    _expect_pillows_bytes(resampler, _noise(*size, hard=True), _settings(256, 224, interpolation))


@given(
    size=st.tuples(st.integers(1, 700), st.integers(1, 700)),
    resize=st.integers(1, 300),
    share=st.floats(0.01, 1),
    interpolation=st.sampled_from(["bilinear", "bicubic"]),
)
def test_any_settings_have_pillows_bytes(
    resampler: Resampler, size: tuple[int, int], resize: int, share: float, interpolation: str
) -> None:
    settings = _settings(resize, max(1, round(resize * share)), interpolation)
    _expect_pillows_bytes(resampler, _noise(*size), settings)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "CMYK", "RGBA", "LA", "I;16"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_any_decoded_image_has_pillows_bytes(
    resampler: Resampler, mode: str, orientation: int
) -> None:
    format_name = "JPEG" if mode in ("RGB", "L", "CMYK") else "PNG"
    data = encode(_noise(310, 207).convert(mode), format_name, exif=exif_of(orientation))
    _expect_pillows_bytes(resampler, decode_image(data), _settings(64, 56, "bicubic"))


@given(
    length=st.integers(1, 2000),
    edges=st.tuples(st.floats(0, 1), st.floats(0, 1)).filter(lambda edges: edges[0] < edges[1]),
    size=st.integers(1, 500),
    interpolation=st.sampled_from(["bilinear", "bicubic"]),
)
def test_no_pixel_outside_of_the_image_is_read(
    length: int, edges: tuple[float, float], size: int, interpolation: str
) -> None:
    start, end = (length * edge for edge in edges)
    axis = Axis(length, start, end, size, offset=0, needed=size, interpolation=interpolation)
    weights = compute_weights(axis)
    assert weights.values.shape == (size, weights.taps)
    assert weights.starts.min() >= 0
    assert weights.starts.max() + weights.taps <= length


def test_a_photo_that_the_decoder_reduced_has_pillows_bytes(resampler: Resampler) -> None:
    reduced = decode_image(encode(_noise(1301, 977), "JPEG"), reduce_to=64)
    assert reduced.width < 700
    _expect_pillows_bytes(resampler, reduced, _settings(64, 56, "bicubic"))


def test_a_crop_is_written_where_it_is_wanted_with_the_library_and_without(
    resampler: Resampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = _settings(64, 56, "bilinear")
    image = _noise(100, 90)
    crops = []
    for used in (resampler, None):
        monkeypatch.setattr(preprocessing, "_resampler", used)
        target: ByteArray = numpy.zeros((56, 56, 3), numpy.uint8)
        assert crop_image(image, settings, target) is target
        crops += [target, crop_image(image, settings)]
    assert all(numpy.array_equal(crop, crops[0]) for crop in crops)
    assert crops[0].any()


def test_memory_that_is_not_contiguous_is_refused(resampler: Resampler) -> None:
    target: ByteArray = numpy.zeros((56, 112, 3), numpy.uint8)[:, ::2]
    with pytest.raises(ValueError, match="not contiguous"):
        resample_centre(
            Pixels.of_image(_noise(80, 70)), _settings(64, 56, "bilinear"), resampler, target
        )


def test_an_environment_with_the_library_uses_it(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resample_library, "library_path", lambda: library)
    assert resample_library.installed_library() is not None
    monkeypatch.setattr(resample_library, "library_path", lambda: library / "none.so")
    assert resample_library.installed_library() is None


def test_a_training_job_without_the_source_resizes_with_pillow(
    library: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(resample_library, "library_path", lambda: library)
    monkeypatch.setattr(resample_library, "_SOURCE", tmp_path / "resample.c")
    assert resample_library.installed_library() is None


def test_another_source_has_another_library(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = resample_library.library_path()
    changed = tmp_path / "resample.c"
    changed.write_text("int changed;\n")
    monkeypatch.setattr(resample_library, "_SOURCE", changed)
    assert resample_library.library_path() != first


def test_without_a_compiler_the_program_says_what_resizes() -> None:
    script = MODEL_CODE / "classifier" / "image" / "resample_library.py"
    ended = subprocess.run(
        [sys.executable, script, "--compiler", "no-such-compiler"], capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert "no-such-compiler" in ended.stderr
    assert ended.stderr.endswith("Pillow resizes the images\n")
    assert ended.stderr.count("\n") == 1
