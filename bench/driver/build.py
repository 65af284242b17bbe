"""Builds `imds` and our own small programs."""

import json
import os
import subprocess

from .paths import BENCH, FLOORS, IMDS, LOAD, PROGRAMS, REPOSITORY, STATIC, TARGET, WORK

AGENT_LOAD = ["bench", "--locked", "-p", "imds-cli", "--bench", "agent_load", "--no-run"]


def cargo(*arguments: str, target, flags: str = "") -> None:
    variables = environment(target)
    if flags:
        variables["RUSTFLAGS"] = flags
    subprocess.run(["cargo", *arguments], cwd=REPOSITORY, env=variables, check=True)


def environment(target) -> dict[str, str]:
    return dict(os.environ, CARGO_TARGET_DIR=str(target), CARGO_INCREMENTAL="0")


def ours() -> None:
    """`imds` as it is released, the programs beside it, and the floors, also without a dynamic linker."""
    WORK.mkdir(parents=True, exist_ok=True)
    if "IMDS_BENCH_BINARY" not in os.environ:
        cargo("build", "--release", "--locked", "-p", "imds-cli", target=TARGET)
    assert IMDS.exists(), f"{IMDS} is missing"
    programs, floors = (str(BENCH / name / "Cargo.toml") for name in ("programs", "floors"))
    cargo("build", "--release", "--locked", "--manifest-path", programs, "--bin", "in-process", target=PROGRAMS)
    cargo("build", "--release", "--locked", "--manifest-path", floors, target=FLOORS)
    # Apart, since the features of what only tests need would get into the `imds` that is measured.
    cargo(*AGENT_LOAD, target=LOAD)
    # The launcher is static so that it needs as little memory as can be; see its own page.
    cargo("build", "--release", "--locked", "--manifest-path", floors, "--target", host(),
          target=STATIC, flags="-C target-feature=+crt-static")


def host() -> str:
    version = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    return next(line.removeprefix("host: ") for line in version.splitlines() if line.startswith("host: "))


def agent_load() -> str:
    """The benchmark of the agent, which asks the `imds` that cargo built beside it."""
    said = subprocess.run(["cargo", *AGENT_LOAD, "--offline", "--message-format=json"], cwd=REPOSITORY, env=environment(LOAD),
                          check=True, capture_output=True, text=True).stdout
    built = (json.loads(line) for line in said.splitlines())
    return next(each["executable"] for each in built if each.get("target", {}).get("name") == "agent_load")


def program() -> str:
    """Measures what happens inside a process (../programs)."""
    return str(PROGRAMS / "release" / "in-process")


def floor(name: str) -> str:
    """One of the smallest programs (../floors)."""
    return str(FLOORS / "release" / name)


def static(name: str) -> str:
    """The same, linked statically."""
    return str(STATIC / host() / "release" / name)
