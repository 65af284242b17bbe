"""`imds fake`, at the address where clients look for a metadata service."""

import subprocess
import tomllib
from contextlib import contextmanager
from pathlib import Path

from .namespace import ADDRESS, assert_inside
from .paths import IMDS, REPOSITORY, WORK

SCENARIOS = REPOSITORY / "crates" / "imds-fake" / "scenarios"


@contextmanager
def fake(scenario: str | Path, delay: str | None = None, changes: dict[str, str] | None = None):
    """Serves a scenario (a built-in one, or a file), each answer that much later."""
    assert_inside()
    command = [str(IMDS), "fake", "--listen", f"{ADDRESS}:80"]
    command += ["--scenario-file", str(scenario)] if isinstance(scenario, Path) else [scenario]
    command += [word for name, value in (changes or {}).items() for word in ("--set", f"{name}={value}")]
    command += ["--fault", f"delay={delay}"] if delay else []
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        # It prints how to reach it as soon as it listens.
        if not process.stdout.readline():
            raise RuntimeError(f"imds fake: {process.stderr.read()}")
        yield
    finally:
        process.terminate()
        process.communicate()


def firmware(cloud: str) -> dict[str, str]:
    """What the firmware of this cloud's plain scenario says."""
    with open(SCENARIOS / cloud / "plain.toml", "rb") as file:
        return tomllib.load(file)["firmware"]


def scenario_file(name: str, text: str) -> Path:
    """A scenario of the benchmark's own."""
    path = WORK / f"{name}.toml"
    path.write_text(text)
    return path
