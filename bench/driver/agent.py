"""`imds agent` with a socket of the benchmark's own."""

import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from .namespace import assert_inside
from .paths import IMDS

WITHIN = 10.0
"""Seconds in which an agent must know the instance's id."""


@contextmanager
def agent(folder: Path):
    """Runs one until the block ends; gives its process and its socket, once it knows what the service says."""
    assert_inside()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = folder / "imds.sock"
    config = folder / "agent.toml"
    config.write_text(f'[agent]\nsocket = "{path}"\nstate = ""\n')
    with open(folder / "log", "w") as log:
        process = subprocess.Popen([str(IMDS), "--config", str(config), "agent"], stdout=log, stderr=log)
    try:
        end = time.monotonic() + WITHIN
        while not answers(path):
            if time.monotonic() > end or process.poll() is not None:
                raise RuntimeError(f"imds agent: {(folder / 'log').read_text()}")
            time.sleep(0.02)
        yield process, path
    finally:
        process.terminate()
        process.wait()


def answers(path: Path) -> bool:
    """Whether it gives the instance's id."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(b"GET /v1/metadata/instance_id HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
