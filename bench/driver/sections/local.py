"""Local readers of the agent, 32 at a time, each asking again as soon as it was answered, beside a server of the same framework
(hyper) that answers a constant of the same length; each server is a process with one thread, and they are asked in turns. That
10,000 reads cost the service nothing more, and how the time until all clients have got 20 answers each grows with their number.
What the agent bears beside this is in [agent-load.md](agent-load.md)."""

import os
import subprocess
from math import log
from statistics import median

from .. import build
from ..figures import ratio

TITLE = "Local readers of the agent"
LEAST = 0.6
LINEAR = 1.15
"""An exponent that is linear, with some noise."""


def measure(quick: bool) -> dict:
    rates: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
    clients: dict[int, list[float]] = {}
    extra = reads = None
    environment = dict(os.environ, IMDS_NETWORK="loopback")
    command = [build.agent_load(), "--bench", "figures"]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    for kind, *figures in (line.split("\t") for line in output.splitlines()):
        match kind:
            case "rate":
                path, length, door, ours, floor = figures
                rates.setdefault((path, length, door), []).append((float(ours), float(floor)))
            case "extra":
                reads, extra = map(int, figures)
            case "clients":
                clients.setdefault(int(figures[0]), []).append(float(figures[1]) * 1000)
    shares = {asked: [ours / floor for ours, floor in runs] for asked, runs in rates.items()}
    rows = [
        [f"`{path}`, {length} bytes, {door}", *(f"{median(run[which] for run in runs):,.0f}/s" for which in (0, 1)),
         f"{median(shares[path, length, door]):.2f} ({min(shares[path, length, door]):.2f}–{max(shares[path, length, door]):.2f})"]
        for (path, length, door), runs in rates.items()
    ]
    least = min(median(runs) for runs in shares.values())
    most = max(median(runs) for runs in shares.values())
    fastest = max(rates.values(), key=lambda runs: median(run[0] for run in runs))
    line = [[number, *(round(value, 3) for value in (median(runs), min(runs), max(runs)))] for number, runs in clients.items()]
    middle, last = line[len(line) // 2], line[-1]
    exponent = log(last[1] / middle[1]) / log(last[0] / middle[0])
    aims = [
        {"what": f"{reads:,} local reads through the agent", "ours": f"{extra} further requests to the service", "aim": "0",
         "met": extra == 0, "against": "–"},
        {"what": "local reads, requests a second", "ours": f"{ratio(least)}–{ratio(most)} × the same framework answering a constant; up to "
         f"{median(run[0] for run in fastest):,.0f}/s", "aim": "≥ 0.6 ×", "met": least >= LEAST,
         "against": f"a constant: {median(run[1] for run in fastest):,.0f}/s"},
        {"what": "growth with local clients", "ours": f"exponent {exponent:.2f}", "aim": "linear or better", "met": exponent <= LINEAR},
    ]
    curve = {"name": "growth-clients", "title": f"Local clients: 20 answers for each ({line[0][0]}–{last[0]} at once)", "x": "clients",
             "y": "ms", "lines": {"imds agent": line}, "from": line[0][0], "to": last[0], "exponent": exponent}
    columns = ["asked", "agent", "constant", "agent / constant"]
    return {"tables": [{"columns": columns, "rows": rows}], "aims": aims, "notes": [], "curves": [curve]}
