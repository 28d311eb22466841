"""Settings of a peer, from environment variables: the frameworks parse the arguments."""

import os
from pathlib import Path

MODEL_FOLDER = Path(os.environ["BENCH_MODEL_FOLDER"])
PORT = int(os.environ["BENCH_PORT"])
WORKER_COUNT = int(os.environ["BENCH_WORKERS"])
THREAD_COUNT = int(os.environ["BENCH_THREADS"])
BATCH_SIZE = int(os.environ.get("BENCH_BATCH_SIZE", "1"))
