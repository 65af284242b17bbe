"""Where things are."""

import os
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
REPOSITORY = BENCH.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or REPOSITORY / "target").resolve()
WORK = TARGET / "bench"
PEERS = WORK / "peers"
PARTS = WORK / "parts"
PROGRAMS, FLOORS, STATIC, LOAD = WORK / "programs", WORK / "floors", WORK / "static", WORK / "agent-load"
IMDS = Path(os.environ.get("IMDS_BENCH_BINARY") or TARGET / "release" / "imds").resolve()
"""The release binary, stripped, with default features."""
