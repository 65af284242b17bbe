"""Readers of a provider while it is refreshed over HTTP, in one process: nanoseconds of a core for one read, beside the load
of an atomic pointer and the usual locks. A `Reader` is a thread's own view; `Provider::snapshot` hands out an owner."""

import subprocess

from .. import build
from ..figures import ratio

TITLE = "Reads of a provider"
OURS, FLOOR = "Reader::snapshot", "atomic pointer"
READERS = (1, 2, 8)


def measure(quick: bool) -> dict:
    from statistics import median

    found: dict[str, dict[int, list[float]]] = {}
    for threads in READERS[:1] if quick else READERS:
        output = subprocess.run([build.program(), "reads", str(threads)], capture_output=True, text=True, check=True)
        for line in output.stdout.splitlines():
            name, *runs = line.split("\t")
            found.setdefault(name, {})[threads] = [float(run) for run in runs]

    def cell(name: str, threads: int) -> str:
        runs = found[name][threads]
        return f"{median(runs):.2f} ns ({min(runs):.2f}–{max(runs):.2f})"

    measured = list(found[OURS])
    own = {threads: median(found[OURS][threads]) for threads in measured}
    worst = max(own[threads] / median(found[FLOOR][threads]) for threads in measured)
    rows = [[f"**{name}**" if name == OURS else name, *(cell(name, threads) for threads in measured),
             ratio(median(found[name][measured[-1]]) / own[measured[-1]])] for name in found]
    columns = ["read", *(f"{threads} reader{'s' if threads > 1 else ''}" for threads in measured), "ratio (most readers)"]
    shown = " / ".join(f"{value:.2f} ns" for value in own.values())
    locks = "; ".join(f"{name} {median(found[name][measured[-1]]):.0f} ns" for name in ("RwLock<Arc<_>>", "Mutex<Arc<_>>"))
    aims = [
        {"what": f"provider read, {', '.join(map(str, measured))} readers during refreshes",
         "ours": f"{shown}, at most {ratio(worst)} × an atomic load", "aim": "≤ 2 × an atomic pointer load", "met": worst <= 2,
         "against": locks},
        {"what": "provider read, the same with more readers", "ours": f"{ratio(max(own.values()) / min(own.values()))} × between the two ends",
         "aim": "≤ 1.5 × (the noise of two cores)", "met": max(own.values()) <= 1.5 * min(own.values())},
    ]
    floors = [median(found[FLOOR][threads]) for threads in measured]
    why = (f"a read is a third of a nanosecond, and two cores are shared by up to eight readers and what refreshes: between the same ends the "
           f"atomic load itself differs by {ratio(max(floors) / min(floors))} ×. It doesn't grow with the readers.")
    return {"tables": [{"columns": columns, "rows": rows}], "aims": aims, "notes": [], "why": [why]}
