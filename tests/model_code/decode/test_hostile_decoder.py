"""An image that has taken control of its decode process harms nobody else."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
import pytest
from PIL import Image

from classifier.artifact.manifest import Preprocessing
from classifier.errors import RequestError
from classifier.image.decoding import decode_image
from classifier.image.preprocessing import crop_image
from tests.model_code.conftest import MODEL_CODE
from tests.model_code.serving.blocking_pool import BlockingPool

PREPROCESSING = Preprocessing(
    resize=32, crop=28, interpolation="bilinear", mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2)
)
# What `hostile_worker` executes.
CODE = b"#!python\n"
PROCESS_COUNT = 2
# A hostile process may hang; an honest one replies within this even on a busy machine.
SILENCE_SECONDS = 2.0
BROKEN = "The image broke its decoder; save it again."
HANG = "; __import__('signal').pause()"
NO_REPLY = "; __import__('os')._exit(0)"


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlockingPool]:
    """A pool whose decode processes execute an image that is code."""
    packages = tmp_path_factory.mktemp("packages")
    shutil.copytree(MODEL_CODE / "classifier", packages / "classifier")
    folder = packages / "classifier" / "decode"
    (folder / "worker.py").rename(folder / "honest_worker.py")
    shutil.copy(Path(__file__).with_name("hostile_worker.py"), folder / "worker.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("classifier.decode.keeper_client._PACKAGE_PARENT", packages)
        patch.setattr("classifier.decode.process.SILENCE_SECONDS", SILENCE_SECONDS)
        pool = BlockingPool(PREPROCESSING, process_count=PROCESS_COUNT, max_image_bytes=100_000)
        yield pool
        pool.close()


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the same machine that has nothing to do with images."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def _png(seed: int) -> bytes:
    pixels = numpy.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=numpy.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _outcome(pool: BlockingPool, code: str, *, measured: bool = False) -> str:
    """Return `image`, or the refusal that the client gets."""
    decode = pool.measure if measured else pool.decode
    try:
        decode(CODE + code.encode())
    except RequestError as error:
        refusal = error
    else:
        return "image"
    # The server must know the status of the code.
    assert refusal.status in {413, 415, 422}
    return refusal.message


def _expect_whole(pool: BlockingPool) -> None:
    """All processes decode images as before, at the same time."""
    seeds = list(range(4 * PROCESS_COUNT))
    with ThreadPoolExecutor(PROCESS_COUNT) as threads:
        for seed, crop in zip(seeds, threads.map(pool.decode, map(_png, seeds)), strict=True):
            expected = crop_image(decode_image(_png(seed)), PREPROCESSING)
            assert numpy.array_equal(crop, expected)
    assert pool.pool.is_alive
    assert len(pool.processes()) == PROCESS_COUNT


@pytest.mark.parametrize("ending", ["", NO_REPLY, HANG], ids=["replies", "ends", "hangs"])
def test_a_memory_full_of_a_process_id_kills_no_process(
    pool: BlockingPool, bystander: subprocess.Popen[bytes], ending: str
) -> None:
    fill = f"memory[:] = ({bystander.pid}).to_bytes(8, 'little') * (len(memory) // 8)"
    expected = BROKEN if ending else "image"
    assert _outcome(pool, fill + ending) == expected
    assert bystander.poll() is None
    _expect_whole(pool)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"\x02\0\0", id="kind that no process sends"),
        pytest.param(b"\xff\xff\xff", id="kind and length of all ones"),
        pytest.param(b"\0\1\0x", id="image with a text"),
        pytest.param(b"\1\1\4" + bytes(1025), id="text that is too long"),
        pytest.param(b"\1\1\0", id="text that does not come"),
        pytest.param(b"\1\2\0\xff\xfe", id="text that is not UTF-8"),
        pytest.param(b"\1\x0c\0overloaded\tx", id="refusal of the server"),
        pytest.param(b"\1\x10\0internal_error\tx", id="error of the server"),
        pytest.param(b"\1\x07\0unknown", id="unknown code"),
        pytest.param(b"\1\x14\0unreadable_image\ta\nb ", id="refusal of two lines"),
    ],
)
def test_an_invalid_reply_ends_the_process_and_the_client_learns_nothing_of_it(
    pool: BlockingPool, reply: bytes
) -> None:
    before = set(pool.processes())
    assert _outcome(pool, f"channel.send({reply!r}){HANG}") == BROKEN
    assert len(before & set(pool.processes())) == PROCESS_COUNT - 1
    _expect_whole(pool)


def test_a_reply_that_was_not_requested_is_not_taken_for_the_next_image(
    pool: BlockingPool,
) -> None:
    assert _outcome(pool, "channel.send(bytes(3))") == "image"
    _expect_whole(pool)


def test_a_reply_that_was_not_requested_keeps_no_processor_busy(pool: BlockingPool) -> None:
    assert _outcome(pool, "channel.send(bytes(6))") == "image"
    before = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - before < 0.25
    _expect_whole(pool)


@pytest.mark.parametrize("number", ["nan", "inf", "-0.5", "1.5"])
def test_measurements_are_numbers_from_0_to_1(pool: BlockingPool, number: str) -> None:
    fill = f"memory[:16] = __import__('struct').pack('<2d', {number!r} and float('{number}'), 0.5)"
    assert _outcome(pool, f"{fill}; channel.send(bytes(3)){HANG}", measured=True) == BROKEN
    _expect_whole(pool)


def test_a_memory_that_is_made_smaller_does_not_end_the_server(pool: BlockingPool) -> None:
    truncate = """
import os
for name in os.listdir('/proc/self/fd'):
    try:
        os.ftruncate(int(name), 0)
    except OSError:
        pass
"""
    assert _outcome(pool, truncate) == "image"
    _expect_whole(pool)


def test_a_process_has_the_socket_and_the_memory_of_no_other(pool: BlockingPool) -> None:
    count = """
import os, stat
memories, sockets = set(), set()
for name in os.listdir('/proc/self/fd'):
    try:
        status, target = os.fstat(int(name)), os.readlink(f'/proc/self/fd/{name}')
    except OSError:
        continue
    if target.startswith('/memfd'):
        memories.add(status.st_ino)
    elif stat.S_ISSOCK(status.st_mode):
        sockets.add(status.st_ino)
channel.send(b'\\1\\x13\\0unreadable_image\\t%d%d' % (len(memories), len(sockets)))
"""
    assert _outcome(pool, count + "__import__('signal').pause()") == "11"
    assert _mapped_memories(pool) == [1] * PROCESS_COUNT
    _expect_whole(pool)


def _mapped_memories(pool: BlockingPool) -> list[int]:
    """Count the mappings of images' memory in each process."""
    return [
        sum("/memfd:image" in line for line in Path(f"/proc/{process}/maps").read_text().split())
        for process in pool.processes()
    ]


def test_a_process_can_start_no_other_process(pool: BlockingPool) -> None:
    assert _outcome(pool, "__import__('os').fork()") == BROKEN
    _expect_whole(pool)


def test_any_bytes_in_the_memory_and_on_the_socket_are_an_image_or_a_refusal(
    pool: BlockingPool, bystander: subprocess.Popen[bytes]
) -> None:
    generator = numpy.random.default_rng(11)
    outcomes = set()
    for _ in range(60):
        kind, length = generator.integers(0, 3), generator.choice([0, 1, 30])
        reply = bytes([kind, length, 0]) + generator.bytes(length)
        write = "memory[:] = __import__('os').urandom(len(memory))"
        outcomes.add(_outcome(pool, f"{write}; channel.send({reply!r}){NO_REPLY}"))
    assert outcomes == {"image", BROKEN}
    assert bystander.poll() is None
    _expect_whole(pool)
