"""Runs commands in turn and keeps what each run took."""

import os
import re
import shutil
import statistics
import subprocess
from dataclasses import dataclass, field

from . import build
from .namespace import assert_inside


@dataclass
class Command:
    """A program with its arguments, and what it must print somewhere for its time to count."""

    name: str
    words: list[str]
    expects: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    def line(self) -> str:
        variables = [f"@{name}={value}" for name, value in self.environment.items()]
        return "\t".join([self.name, *variables, *self.words])

    def variables(self) -> dict[str, str]:
        return dict(os.environ, **self.environment)


@dataclass
class Figures:
    """What some runs of one command took: wall and CPU seconds, peak resident kB."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    instructions: int | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.wall)


def works(command: Command) -> str | None:
    """Runs it once; None if it does what it should, else what it said."""
    assert_inside()
    result = subprocess.run(command.words, env=command.variables(), capture_output=True, text=True, timeout=300)
    if result.returncode == 0 and command.expects in result.stdout + result.stderr:
        return None
    return reason(result.stderr or result.stdout) or f"exit {result.returncode}, without a word that was waited for"


def reason(said: str) -> str | None:
    """The line that tells most of why a program failed: a panic's message, an error, or the last one."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    panics = [following for line, following in zip(lines, lines[1:]) if "panicked at" in line]
    errors = [line for line in lines if "error" in line.lower()]
    told = panics or errors or lines[-1:]
    return told[0][:120] if told else None


def interleaved(commands: list[Command], rounds: int) -> dict[str, Figures]:
    """Every command once a round, in turn. A command that fails ends everything: there is no figure for a failure."""
    assert_inside()
    lines = "".join(command.line() + "\n" for command in commands)
    launcher = [build.static("measure"), str(rounds)]
    output = subprocess.run(launcher, input=lines, capture_output=True, text=True, check=True).stdout
    figures = {command.name: Figures() for command in commands}
    for line in output.splitlines():
        name, wall, cpu, memory, code = line.split("\t")
        if code != "0":
            raise RuntimeError(f"{name} exited with {code}")
        figures[name].wall.append(int(wall) / 1e9)
        figures[name].cpu.append(int(cpu) / 1e9)
        figures[name].memory.append(int(memory))
    return figures


def page_faults(command: Command) -> int:
    """How often one run touches a page that the kernel first has to find, to copy or to clear."""
    quiet = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
    process = os.posix_spawn(command.words[0], command.words, command.variables(), file_actions=quiet)
    _, status, used = os.wait4(process, 0)
    assert status == 0, (command.name, status)
    return used.ru_minflt + used.ru_majflt


def instructions(command: Command) -> int | None:
    """How many instructions the whole process executes in user mode; None where it can't be told."""
    if not shutil.which("valgrind"):
        return None
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command.words]
    result = subprocess.run(valgrind, env=command.variables(), capture_output=True, text=True)
    collected = re.search(r"Collected : (\d+)", result.stderr)
    return int(collected[1]) if result.returncode == 0 and collected else None
