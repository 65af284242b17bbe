"""What it weighs: the release binary, the agent at rest, the crates behind the library."""

import subprocess
import time as clock
from pathlib import Path

from .. import namespace, peers, service
from ..agent import agent
from ..figures import memory
from ..paths import IMDS, PEERS, REPOSITORY, WORK

TITLE = "Sizes"
MIB = 1024 * 1024
IDLE = 3.0
"""Seconds after which an agent that has read everything is at rest."""


def measure(quick: bool) -> dict:
    namespace.show_firmware(service.firmware("aws"))
    size = IMDS.stat().st_size
    rows = [["`imds`, stripped, default features", f"{size / MIB:.2f} MiB"]]
    theirs = PEERS / "afterburn" / "bin" / "afterburn"
    against = "–"
    if not peers.state()["skipped"] and theirs.exists():
        stripped = WORK / "afterburn-stripped"
        subprocess.run(["strip", "-o", str(stripped), str(theirs)], check=True)
        against = f"afterburn {stripped.stat().st_size / MIB:.2f} MiB and dynamic OpenSSL"
        rows.append(["afterburn, stripped; it also needs libssl and libcrypto", f"{stripped.stat().st_size / MIB:.2f} MiB"])
    resident = agent_at_rest()
    rows.append(["the agent at rest, resident (all its processes)", memory(resident)])
    crates = crates_of("imds")
    rows.append(["crates behind the library without features, itself included", str(crates)])
    aims = [
        {"what": "release binary", "ours": f"{size / MIB:.2f} MiB", "aim": "≤ 4 MiB", "met": size <= 4 * MIB, "against": against},
        {"what": "agent at rest", "ours": memory(resident), "aim": "≤ 12 MB", "met": resident <= 12_000, "against": "–"},
        {"what": "crates behind the library", "ours": str(crates), "aim": "≤ 60", "met": crates <= 60, "against": "–"},
    ]
    return {"tables": [{"columns": ["what", "size"], "rows": rows}], "aims": aims, "notes": []}


def crates_of(package: str) -> int:
    """How many different crates `cargo tree` names, without build and development dependencies."""
    tree = ["cargo", "tree", "--locked", "--offline", "-p", package, "--no-default-features", "-e", "normal", "--prefix", "none", "-f", "{p}"]
    output = subprocess.run(tree, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    return len({line.split(" (")[0] for line in output.splitlines() if line})


def agent_at_rest() -> int:
    """Resident kB of an agent and its children, some seconds after it has read everything."""
    with service.fake("aws"), agent(WORK / "agent") as (process, _):
        clock.sleep(IDLE)
        return sum(resident(member) for member in family(process.pid))


def family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in family(int(child)))]


def resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
