"""A machine without a cloud and without firmware, whose network drops every packet: how long each takes to give up, and how
many packets it sends meanwhile. `imds` says `unknown`, since silence proves nothing."""

import os
import signal
import subprocess
import time as clock

from .. import namespace, peers
from ..figures import time
from ..paths import IMDS
from ..timing import Command

TITLE = "Off-cloud, packets dropped"
LIMIT = 60


def measure(quick: bool) -> dict:
    namespace.show_firmware({})
    ours = Command("imds detect", [str(IMDS), "detect"])
    others = [peers.command(name, GCE_METADATA_HOST=namespace.ADDRESS) for name in (
        "cloud-detect (crate)", "cloud-detect (PyPI)", "aws-config (crate)", "cloud-meta (crate), identity document",
        "aws-sdk-go-v2", "compute/metadata (Go)", "ec2-metadata (PyPI)", "botocore", "google-auth",
        "@aws-sdk/ec2-metadata-service", "gcp-metadata", "afterburn, AWS", "OpenTelemetry's detector, AWS (npm)",
        "OpenTelemetry's detector, Azure (npm)", "OpenTelemetry's detector, GCP (npm)", "curl in a shell script")]
    runnable, notes = peers.present(others)
    seen = {}
    for command in [ours, ours, ours, *runnable]:
        limit = 10 if quick else LIMIT
        seen[command.name] = max(seen.get(command.name, (0.0, 0, "")), attempt(command, limit))
    took, sent, _ = seen[ours.name]
    rows = [[f"**{name}**" if name == ours.name else name, "more than " * (took >= limit) + time(took), str(sent), said]
            for name, (took, sent, said) in sorted(seen.items(), key=lambda item: item[1])]
    beside = [name for name in ("cloud-detect (crate)", "cloud-detect (PyPI)") if name in seen]
    aims = [{"what": "off-cloud, packets dropped, no firmware", "ours": f"{time(took)}, {sent} packets",
             "aim": "≤ 1.0 s, ≤ 8 packets", "met": took <= 1.0 + STARTING and sent <= 8,
             "against": "; ".join(f"{name} {rows_of(rows, name)}" for name in beside) or "–"}]
    notes.append(f"Each was ended after {limit} s. Of ours the worst of three. A packet that is sent again by the kernel counts again.")
    return {"tables": [{"columns": ["program", "took", "packets", "said"], "rows": rows}], "aims": aims, "notes": notes}


STARTING = 0.01
"""Seconds that a process may need besides what it waits for."""


def rows_of(rows: list[list[str]], name: str) -> str:
    return next(f"{took}, {sent} packets" for title, took, sent, _ in rows if title == name)


def attempt(command: Command, limit: float) -> tuple[float, int, str]:
    """Seconds, packets, and the end of what it said."""
    before, begun = namespace.packets(), clock.monotonic()
    process = subprocess.Popen(command.words, env=command.variables(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                               start_new_session=True)
    try:
        output, _ = process.communicate(timeout=limit)
        said = f"exit {process.returncode}"
        said += f": {output.strip().splitlines()[-1][:40]}" if output.strip() else ""
    except subprocess.TimeoutExpired:
        # With what it has started itself.
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        said = "ended"
    return clock.monotonic() - begun, namespace.packets() - before, said
