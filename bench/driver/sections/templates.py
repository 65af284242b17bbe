"""Placeholders. One byte of a hundred belongs to one. In memory beside `memchr` for every `$` and a copy of the bytes; as a
process that reads a file, beside `envsubst` with a variable in its place."""

import subprocess
from pathlib import Path
from statistics import median

from .. import build, namespace, peers, service
from ..figures import processes, ratio, spread, time
from ..paths import IMDS, WORK
from ..timing import Command, interleaved, works

TITLE = "Placeholders"
SHARE = 100
VALUE = "i-0fedcba9876543210"
OURS, THEIRS = "imds resolve", "envsubst (gettext)"


def measure(quick: bool) -> dict:
    namespace.show_firmware(service.firmware("aws"))
    sizes = {"text": 100_000_000, "json": 10_000_000, "yaml": 10_000_000, "toml": 10_000_000}
    tables, aims, notes, rows = [], [], [], []
    for form, size in sizes.items():
        size //= 10 if quick else 1
        file = template(form, size, "${cloud:InstanceId}")
        found = in_process(form, file)
        shown = f"{form}, {size // 1_000_000} MB"
        name = "stream" if "stream" in found else "whole"
        for way in ("whole", "stream"):
            if way in found:
                own = median(found[way])
                rows.append([f"{shown}, {way}", spread(found[way]), f"{size / own / 1e9:.2f} GB/s", time(median(found["memchr"])),
                             ratio(own / median(found["memchr"])), time(median(found["memcpy"])), ratio(own / median(found["memcpy"]))])
        own, floor = median(found[name]), median(found["memchr"])
        if form == "text":
            aims.append({"what": f"resolve, {shown} with 1 % placeholders", "ours": f"{size / own / 1e9:.2f} GB/s, {floor / own:.0%} of memchr",
                         "aim": "≥ 30 % of memchr's speed", "met": floor / own >= 0.3})
        variable = template(form, size, "${CLOUD_INSTANCEID}")
        ours = Command(OURS, [str(IMDS), "resolve", "--format", form, str(file)])
        theirs = Command(THEIRS, ["sh", "-c", f"exec {peers.envsubst()} '${{CLOUD_INSTANCEID}}' <{variable}"],
                         environment={"CLOUD_INSTANCEID": VALUE})
        with service.fake("aws"):
            assert works(ours) is None, works(ours)
            figures = interleaved([ours, theirs], 3 if quick else 9)
        tables.append({"caption": f"As a process, {shown}:", **processes(figures, OURS, {})})
        factor = figures[THEIRS].median / figures[OURS].median
        aims.append({"what": f"resolve, process, {shown}", "ours": f"{time(figures[OURS].median)}, {ratio(factor)} × envsubst's speed",
                     "aim": "≥ the fastest peer", "met": factor >= 1, "against": f"envsubst {time(figures[THEIRS].median)}"})
        file.unlink(), variable.unlink()
    columns = ["in memory", "ours", "speed", "memchr", "floor (memchr)", "memcpy", "floor (memcpy)"]
    notes.append("envsubst knows no format: what it makes of a value with quotes in JSON, YAML or TOML need not parse.")
    return {"tables": [{"columns": columns, "rows": rows}, *tables], "aims": aims, "notes": notes, "why": [
        "YAML and TOML are parsed whole, by well-kept libraries that take most of that time, so that a value can't break them; envsubst only "
        "replaces text, and what comes of it need not parse."]}


def in_process(form: str, file: Path) -> dict[str, list[float]]:
    """Seconds of every run, by what was done."""
    output = subprocess.run([build.program(), "resolve", form, str(file)], capture_output=True, text=True, check=True)
    lines = (line.split("\t") for line in output.stdout.splitlines())
    return {name: [float(run) / 1e9 for run in runs] for name, *runs in lines}


def template(form: str, size: int, placeholder: str, share: int = SHARE) -> Path:
    """A file of about that many bytes, of which one in `share` belongs to a placeholder."""
    lines = {
        "text": "location /static {{ root /srv/www; expires 30d; set $cache public; }} # {host} as it was\n",
        "json": '  {{"name": "check-{number}", "host": "{host}", "port": 5432, "labels": ["a", "b"], "note": "line\\none"}},\n',
        "yaml": "- name: check-{number}\n  host: {host}\n  port: 5432 # as it was\n  labels: [a, 'b']\n  note: |\n    line\n    one\n",
        "toml": "[[check]]\nname = \"check-{number}\"\nhost = '{host}'\nport = 5432 # as it was\nlabels = [\"a\", 'b']\nnote = \"line\\none\"\n",
    }[form]
    path = WORK / f"template-{'ours' if ':' in placeholder else 'theirs'}.{form}"
    with open(path, "w") as file:
        written = number = placed = 0
        written += file.write("[\n") if form == "json" else 0
        while written < size:
            due = bool(share) and placed * share <= written
            placed += len(placeholder) if due else 0
            written += file.write(lines.format(number=number, host=placeholder if due else "db.example.com"))
            number += 1
        if form == "json":
            file.write("  {}\n]\n")
    return path
