"""Builds `imds` and our own small programs."""

import os
import subprocess

from .paths import BENCH, FLOORS, IMDS, PROGRAMS, REPOSITORY, STATIC, TARGET, WORK


def cargo(*arguments: str, target, flags: str = "") -> None:
    environment = dict(os.environ, CARGO_TARGET_DIR=str(target), CARGO_INCREMENTAL="0")
    if flags:
        environment["RUSTFLAGS"] = flags
    subprocess.run(["cargo", *arguments], cwd=REPOSITORY, env=environment, check=True)


def ours() -> None:
    """`imds` as it is released, the programs beside it, and the floors, also without a dynamic linker."""
    WORK.mkdir(parents=True, exist_ok=True)
    if "IMDS_BENCH_BINARY" not in os.environ:
        cargo("build", "--release", "--locked", "-p", "imds-cli", target=TARGET)
    assert IMDS.exists(), f"{IMDS} is missing"
    programs, floors = (str(BENCH / name / "Cargo.toml") for name in ("programs", "floors"))
    cargo("build", "--release", "--locked", "--manifest-path", programs, "--bin", "in-process", target=PROGRAMS)
    cargo("build", "--release", "--locked", "--manifest-path", floors, target=FLOORS)
    # The launcher is static so that it needs as little memory as can be; see its own page.
    cargo("build", "--release", "--locked", "--manifest-path", floors, "--target", host(),
          target=STATIC, flags="-C target-feature=+crt-static")


def host() -> str:
    version = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    return next(line.removeprefix("host: ") for line in version.splitlines() if line.startswith("host: "))


def program() -> str:
    """Measures what happens inside a process (../programs)."""
    return str(PROGRAMS / "release" / "in-process")


def floor(name: str) -> str:
    """One of the smallest programs (../floors)."""
    return str(FLOORS / "release" / name)


def static(name: str) -> str:
    """The same, linked statically."""
    return str(STATIC / host() / "release" / name)
