"""What happens to a decode process happens to it alone."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from PIL import Image

from classifier.artifact.manifest import Preprocessing
from classifier.decode.keeper import UNPRIVILEGED_ID
from classifier.decode.keeper_client import DecodePoolError
from classifier.decode.process import SILENCE_SECONDS, DecodeProcess
from classifier.errors import RequestError
from classifier.image.appearance import measure_appearance
from classifier.image.decoding import decode_image
from classifier.image.preprocessing import crop_image
from tests.model_code.conftest import MODEL_CODE
from tests.model_code.serving.blocking_pool import BlockingPool

PREPROCESSING = Preprocessing(
    resize=32, crop=28, interpolation="bilinear", mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2)
)
MAX_IMAGE_BYTES = 4_000_000
MAX_SIDE_PIXELS = 5000
# A third of what decoding `scan_bomb` takes where it took least, 0.85 s.
STRICT_CPU_SECONDS = 0.3


@pytest.fixture
def pool() -> Iterator[BlockingPool]:
    pool = BlockingPool(PREPROCESSING, process_count=2, max_image_bytes=MAX_IMAGE_BYTES)
    pool.decode(_image(1))
    yield pool
    pool.close()


@pytest.fixture
def strict_pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[BlockingPool]:
    """Two processes for which `scan_bomb` takes too long on any machine."""
    monkeypatch.setattr("classifier.decode.pool.CPU_SECONDS", STRICT_CPU_SECONDS)
    pool = BlockingPool(PREPROCESSING, process_count=2, max_image_bytes=MAX_IMAGE_BYTES)
    pool.decode(_image(1))
    yield pool
    pool.close()


def _image(seed: int) -> bytes:
    pixels = numpy.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=numpy.uint8)
    return _file(Image.fromarray(pixels), "PNG")


def _file(image: Image.Image, format_name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def scan_bomb(side_pixels: int = MAX_SIDE_PIXELS) -> bytes:
    """A progressive JPEG whose last scan, of next to nothing, comes again a hundred times."""
    plain = _file(Image.new("RGB", (side_pixels, side_pixels)), "JPEG", progressive=True)
    start = plain.rindex(b"\xff\xda")
    return plain[:start] + plain[start:-2] * 100 + plain[-2:]


def test_the_image_is_the_one_that_this_process_would_make(pool: BlockingPool) -> None:
    for seed in range(5):
        here = crop_image(decode_image(_image(seed)), PREPROCESSING)
        assert numpy.array_equal(pool.decode(_image(seed)), here)


def test_the_appearance_is_that_of_the_crop(pool: BlockingPool) -> None:
    for seed in range(5):
        crop = pool.decode(_image(seed))
        assert pool.measure(_image(seed)) == measure_appearance(crop)


def test_a_refusal_comes_through_whole(pool: BlockingPool) -> None:
    with pytest.raises(RequestError, match="is no JPEG, PNG or WebP") as caught:
        pool.decode(b"no image")
    assert caught.value.code == "unsupported_image"
    with pytest.raises(RequestError, match="25 megapixels") as caught:
        pool.decode(_file(Image.new("1", (5001, 5000)), "PNG"))
    assert caught.value.code == "image_too_large"


def test_results_do_not_mix_between_threads(pool: BlockingPool) -> None:
    processes = pool.processes()
    seeds = [number % 7 for number in range(70)]
    expected = [crop_image(decode_image(_image(seed)), PREPROCESSING) for seed in range(7)]
    with ThreadPoolExecutor(4) as threads:
        for seed, image in zip(seeds, threads.map(pool.decode, map(_image, seeds)), strict=True):
            assert numpy.array_equal(image, expected[seed])
    assert pool.processes() == processes, "a process that does well was replaced"


def test_a_process_keeps_the_memory_of_an_image_for_the_next_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Compiling its modules leaves the memory in an order with which glibc would return it.
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path))
    photo = replace(PREPROCESSING, resize=256, crop=224, interpolation="bicubic")
    pixels = numpy.random.default_rng(0).integers(0, 256, (375, 500, 3), dtype=numpy.uint8)
    image = _file(Image.fromarray(pixels), "JPEG", quality=50)
    pool = BlockingPool(photo, process_count=1, max_image_bytes=MAX_IMAGE_BYTES)
    try:
        for _ in range(3):
            pool.decode(image)
        before = _page_faults(*pool.processes())
        for _ in range(10):
            pool.decode(image)
        # Its pixels alone fill 183 pages.
        assert _page_faults(*pool.processes()) - before < 10 * 100
    finally:
        pool.close()


def _page_faults(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[7])


def test_an_image_that_takes_too_long_ends_its_process_and_no_other(
    strict_pool: BlockingPool,
) -> None:
    pool = strict_pool
    before = set(pool.processes())
    bomb = scan_bomb()
    with ThreadPoolExecutor(1) as threads:
        refused = threads.submit(pool.decode, bomb)
        decoded_meanwhile = 0
        while not refused.done():
            pool.decode(_image(decoded_meanwhile % 5))
            decoded_meanwhile += 1
        assert decoded_meanwhile >= 3
        with pytest.raises(RequestError, match="took too long") as caught:
            refused.result()
    assert caught.value.status == 422
    after = set(pool.processes())
    assert len(after) == 2
    assert len(before & after) == 1
    for seed in range(4):
        pool.decode(_image(seed))


def test_an_image_that_takes_too_much_memory_is_refused(pool: BlockingPool) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    side = MAX_SIDE_PIXELS
    layer = Image.new("RGBA", (side, side), (1, 2, 3, 100))
    data = _file(layer, "WEBP", lossless=True, quality=0, method=0, exif=exif.tobytes())
    with pytest.raises(RequestError, match=r"more memory|too long") as caught:
        pool.decode(data)
    assert caught.value.status == 422
    for process in pool.processes():
        status = Path(f"/proc/{process}/status").read_text()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        assert int(peak.split()[1]) * 1024 < 500_000_000
    pool.decode(_image(1))


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_an_image_that_kills_its_process_gets_422_and_the_process_is_replaced(
    pool: BlockingPool, end: signal.Signals
) -> None:
    with ThreadPoolExecutor(1) as threads:
        refused = threads.submit(pool.decode, scan_bomb(3000))
        while not refused.done():
            time.sleep(0.1)
            for process in pool.processes():
                os.kill(process, end)
        with pytest.raises(RequestError, match="broke its decoder") as caught:
            refused.result()
    assert caught.value.status == 422
    _expect_correct_labels(pool)


def test_a_process_that_dies_idle_is_replaced_unseen(pool: BlockingPool) -> None:
    before = pool.processes()
    for process in before:
        os.kill(process, signal.SIGKILL)
    # Two at a time, so that both are used.
    with ThreadPoolExecutor(2) as threads:
        threads.map(pool.decode, [_image(1)] * 20)
    _expect_correct_labels(pool)
    after = pool.processes()
    assert len(after) == 2
    assert not set(before) & set(after)


def test_a_process_that_could_not_be_replaced_is_replaced_for_the_next_image(
    pool: BlockingPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for process in pool.processes():
        os.kill(process, signal.SIGKILL)
    with monkeypatch.context() as patch:

        def fail() -> DecodeProcess:
            raise OSError(errno.EMFILE, "Too many open files")

        patch.setattr(pool.pool, "_start_process", fail)
        for _ in range(2):
            with pytest.raises(OSError, match="Too many open files"):
                pool.decode(_image(0))
    assert pool.pool.is_alive
    _expect_correct_labels(pool)


def test_a_process_that_died_idle_costs_nothing_until_the_next_image(pool: BlockingPool) -> None:
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(pool.decode, map(_image, range(20))))  # both have had an image
    for process in pool.processes():
        os.kill(process, signal.SIGKILL)
    time.sleep(0.1)
    before = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - before < 0.2
    assert numpy.array_equal(
        pool.decode(_image(3)), crop_image(decode_image(_image(3)), PREPROCESSING)
    )


def test_a_process_that_says_nothing_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("classifier.decode.process.SILENCE_SECONDS", 2.0)
    impatient = BlockingPool(PREPROCESSING, process_count=1, max_image_bytes=MAX_IMAGE_BYTES)
    try:
        # What a process leaves in the memory is not where its number stands.
        impatient.measure(_image(1))
        os.kill(impatient.processes()[0], signal.SIGSTOP)
        assert impatient.decode(_image(1)).shape == (28, 28, 3)
    finally:
        impatient.close()


def test_after_a_thousand_cancelled_images_every_process_is_used(strict_pool: BlockingPool) -> None:
    pool = strict_pool
    asyncio.run_coroutine_threadsafe(_cancel_images(pool, 1000), pool.loop).result(120)
    before = pool.processes()
    # Each of two images at a time takes too long and ends the process that it is given to. Both
    # may be given to the same one while the other still decodes an image that was cancelled.
    for _ in range(3):
        with ThreadPoolExecutor(2) as threads:
            for refused in [threads.submit(pool.decode, scan_bomb()) for _ in range(2)]:
                with pytest.raises(RequestError, match="took too long"):
                    refused.result(60)
        if not set(before) & set(pool.processes()):
            break
    assert not set(before) & set(pool.processes())
    _expect_correct_labels(pool)


async def _cancel_images(pool: BlockingPool, count: int) -> None:
    """Cancel images that wait, that are being decoded, and whose process is being replaced."""
    images, generator = [_image(seed) for seed in range(4)], numpy.random.default_rng(5)
    for number in range(count // 4):
        if number % 50 == 0:
            os.kill(pool.processes()[0], signal.SIGKILL)
        decoding = [asyncio.create_task(pool.pool.decode(image)) for image in images]
        for _ in range(generator.integers(6)):
            await asyncio.sleep(0.0005)
        for task in decoding:
            task.cancel()
        await asyncio.gather(*decoding, return_exceptions=True)


@pytest.mark.parametrize("steps", range(1, 4))
def test_a_request_that_is_cancelled_while_its_process_is_replaced_leaves_the_slot(
    steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classifier.decode.pool.CPU_SECONDS", STRICT_CPU_SECONDS)
    pool = BlockingPool(PREPROCESSING, process_count=1, max_image_bytes=MAX_IMAGE_BYTES)
    try:
        pool.decode(_image(1))
        _kill(pool.processes()[0])
        asyncio.run_coroutine_threadsafe(_cancel_after(pool, steps), pool.loop).result(30)
        _expect_correct_labels(pool)
        # The keeper's responses are still those to the last commands.
        with pytest.raises(RequestError, match="took too long"):
            pool.decode(scan_bomb())
        _expect_correct_labels(pool)
    finally:
        pool.close()


def _kill(process: int) -> None:
    """Kill a process and wait until it has ended; its parent has not noticed."""
    os.kill(process, signal.SIGKILL)
    while " Z " not in Path(f"/proc/{process}/stat").read_text():
        time.sleep(0.001)


async def _cancel_after(pool: BlockingPool, steps: int) -> None:
    decoding = asyncio.create_task(pool.pool.decode(_image(2)))
    for _ in range(steps):
        await asyncio.sleep(0)
    decoding.cancel()
    await asyncio.gather(decoding, return_exceptions=True)


@pytest.mark.parametrize("steps", range(4))
def test_a_reply_that_arrives_while_its_request_is_cancelled_is_not_lost(steps: int) -> None:
    pool = BlockingPool(PREPROCESSING, process_count=1, max_image_bytes=MAX_IMAGE_BYTES)
    try:
        pool.decode(_image(1))
        asyncio.run_coroutine_threadsafe(_cancel_at_reply(pool, steps), pool.loop).result(30)
    finally:
        pool.close()


async def _cancel_at_reply(pool: BlockingPool, steps: int) -> None:
    decoding = asyncio.create_task(pool.pool.decode(_image(2)))
    await asyncio.sleep(0)
    # The reply arrives while the event loop does not run.
    time.sleep(0.3)
    for _ in range(steps):
        await asyncio.sleep(0)
    decoding.cancel()
    await asyncio.gather(decoding, return_exceptions=True)
    # Far less than a lost reply is waited for.
    async with asyncio.timeout(SILENCE_SECONDS / 2):
        await pool.pool.decode(_image(3))


def test_an_image_that_is_larger_than_the_memory_leaves_the_slot(pool: BlockingPool) -> None:
    for _ in range(4):
        with pytest.raises(ValueError, match=f"of {MAX_IMAGE_BYTES} bytes"):
            pool.decode(bytes(MAX_IMAGE_BYTES + 1))
    _expect_correct_labels(pool)


def test_without_its_keeper_the_pool_says_that_it_is_dead(pool: BlockingPool) -> None:
    assert pool.is_alive
    processes = pool.processes()
    (keeper,) = {_parent(process) for process in processes}
    for process in (keeper, *processes):
        os.kill(process, signal.SIGKILL)
    with pytest.raises(DecodePoolError):
        pool.decode(_image(1))
    # Its sockets may be closed a moment before it is seen to have ended.
    deadline = time.monotonic() + 5
    while pool.is_alive and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not pool.is_alive


def test_decode_processes_know_nothing_of_our_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    pool = BlockingPool(PREPROCESSING, process_count=1, max_image_bytes=1000)
    try:
        pool.decode(_file(Image.new("L", (9, 9)), "PNG"))
        (keeper,) = {_parent(process) for process in pool.processes()}
        assert b"AWS" not in Path(f"/proc/{keeper}/environ").read_bytes()
    finally:
        pool.close()


def test_decode_processes_run_as_nobody(pool: BlockingPool) -> None:
    expected = UNPRIVILEGED_ID if os.geteuid() == 0 else os.geteuid()
    # Before its first image a process that has just been forked may still be root.
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(pool.decode, map(_image, range(20))))
    for process in pool.processes():
        status = Path(f"/proc/{process}/status").read_text()
        user = next(line for line in status.splitlines() if line.startswith("Uid:"))
        assert {int(identifier) for identifier in user.split()[1:]} == {expected}
    assert pool.is_alive


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_decoding_imports_nothing_after_the_fork(format_name: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = _file(Image.new("RGB", (40, 30)), format_name, exif=exif.tobytes())
    code = (
        "import sys, classifier.decode.keeper as keeper; from PIL import Image; Image.preinit()\n"
        "from classifier.artifact.manifest import Preprocessing\n"
        "settings = Preprocessing(\n"
        "    resize=24, crop=16, interpolation='bilinear', mean=(0, 0, 0), std=(1, 1, 1))\n"
        "decode = keeper.serve_requests.__globals__['decode_crop']\n"
        "before = set(sys.modules); decode(sys.stdin.buffer.read(), settings)\n"
        "print(sorted(set(sys.modules) - before))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        input=image,
        env={"PYTHONPATH": str(MODEL_CODE)},
        capture_output=True,
        check=True,
    )
    assert ended.stdout.strip() == b"[]"


def _parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def _expect_correct_labels(pool: BlockingPool) -> None:
    for seed in range(6):
        here = crop_image(decode_image(_image(seed)), PREPROCESSING)
        assert numpy.array_equal(pool.decode(_image(seed)), here)
