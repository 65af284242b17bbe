"""`imds detect` where firmware decides, beside a program that does nothing, and others that say which cloud this is. The
machine's firmware is an EC2 instance's, and its service answers at once, for peers that ask it."""

import json
from os import environ
from pathlib import Path
from statistics import median
from subprocess import DEVNULL, run

from .. import build, namespace, peers, service
from ..figures import processes, ratio, time
from ..paths import IMDS, WORK
from ..timing import Command, instructions, interleaved, page_faults, works

TITLE = "Detection by firmware"
OURS = "imds detect"
FLOORS = {"empty": "an empty Rust program", "empty-static": "the same, linked statically"}
DS_IDENTIFY = "ds-identify (cloud-init)"


def measure(quick: bool) -> dict:
    firmware = service.firmware("aws")
    namespace.show_firmware(firmware)
    root = root_with(firmware)
    commands = [
        Command(OURS, [str(IMDS), "detect"], "aws"),
        Command("empty", [build.floor("empty")]),
        Command("empty-static", [build.static("empty")]),
    ]
    others = [
        peers.command("cloud-detect (crate)", "aws"),
        peers.command("cloud-detect (PyPI)", "aws"),
        peers.command(DS_IDENTIFY, PATH_ROOT=str(root), PATH=f"{root}/bin:{environ['PATH']}"),
    ]
    notes, rows = [], []
    with service.fake("aws:plain"):
        runnable, failed = peers.runnable(others)
        notes += failed
        for command in commands:
            assert works(command) is None, (command.name, works(command))
        if DS_IDENTIFY in [command.name for command in runnable]:
            found = (root / "run" / "cloud-init" / "cloud.cfg").read_text()
            assert "Ec2" in found, found
        native = interleaved(commands, 20 if quick else 301)
        figures = native | interleaved([commands[0], *runnable], 3 if quick else 21)
        figures[OURS] = native[OURS]
        for command in [*commands, *runnable]:
            if not command.name.endswith(("(PyPI)", "(cloud-init)")):
                figures[command.name].instructions = instructions(command)
            before = namespace.packets()
            run(command.words, env=command.variables(), stdout=DEVNULL, stderr=DEVNULL, check=True)
            if command.name not in FLOORS:
                rows.append([command.name, str(namespace.packets() - before)])
    own, floor = figures[OURS], figures["empty"]
    sent = int(rows[0][1])
    aims = [
        {
            "what": "detection by firmware, process",
            "ours": f"{time(own.median)}, {ratio(own.median / floor.median)} × an empty Rust program, {sent} packets",
            "aim": "≤ 1.5 × an empty Rust program, 0 packets",
            "met": own.median <= 1.5 * floor.median and sent == 0,
            "against": "; ".join(f"{name} {time(figures[name].median)}" for name in [c.name for c in runnable]) or "–",
        }
    ]
    within = detection_itself(5 if quick else 51)
    aims.insert(0, {"what": "detection by firmware, without the process around it", "ours": time(within), "aim": "under a millisecond",
                    "met": within < 1e-3, "against": "–"})
    for command in runnable:
        factor = figures[command.name].median / own.median
        aims.append({"what": f"detection, against {command.name}", "ours": f"{ratio(factor)} × faster",
                     "aim": "≥ 10 × faster", "met": factor >= 10})
    tables = [processes(figures, OURS, FLOORS),
              {"caption": "Packets sent, on loopback, where a service answers at once:", "columns": ["program", "packets"], "rows": rows}]
    why = []
    if not aims[1]["met"]:
        why.append(f"beside the detection itself, the process pays for being larger: {page_faults(commands[0])} page faults, where an empty "
                   f"program has {page_faults(commands[1])}, for its code, for thousands of addresses that the loader fixes up, and for the "
                   "table of signatures, which is unpacked.")
    for command in runnable:
        if figures[command.name].median < 10 * own.median:
            share = figures[command.name].median / floor.median
            why.append(f"{command.name} takes {ratio(share)} × an empty Rust program in all, so ten times faster than it would be "
                       f"{'faster than doing nothing' if share < 10 else 'hardly slower than doing nothing'}.")
    return {"tables": tables, "aims": aims, "notes": notes, "why": why}


def detection_itself(rounds: int) -> float:
    """Seconds that the command itself says it took (`elapsed_ms`), the median."""
    words = [str(IMDS), "detect", "--format", "json"]
    return median(json.loads(run(words, capture_output=True, check=True).stdout)["elapsed_ms"] for _ in range(rounds)) / 1000


def root_with(firmware: dict[str, str]) -> Path:
    """A file system for ds-identify, which reads below a root of its own."""
    root = WORK / "root"
    for name, text in {
        **{f"sys/class/dmi/id/{name}": value for name, value in firmware.items()},
        "sys/class/dmi/id/product_uuid": "ec2abcde-1234-5678-9abc-def012345678",
        "sys/class/dmi/id/product_serial": "ec2abcde-1234-5678-9abc-def012345678",
        "proc/cmdline": "ro quiet", "proc/1/cmdline": "init", "proc/1/environ": "", "proc/uptime": "10.0 10.0",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    # The machine that measures may be a container; the one that is imitated isn't.
    path = root / "bin" / "systemd-detect-virt"
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\necho amazon\n")
    path.chmod(0o755)
    return root
