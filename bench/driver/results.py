"""Keeps what was measured in results.json and writes it as RESULTS.md; its short form goes into README.md."""

import json
import platform
import subprocess
import tomllib
from datetime import datetime, timezone
from pathlib import Path

from . import peers, sections
from .paths import BENCH, PARTS, REPOSITORY, WORK

BEGIN, END = "<!-- bench: written by bench/run -->", "<!-- /bench -->"


def machine() -> str:
    """The processor, its cores, the kernel."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    facts = dict(map(str.strip, line.split(":", 1)) for line in lines if ":" in line)
    cores = sum(line.startswith("processor") for line in lines)
    virtual = ", virtual" if "hypervisor" in facts["flags"].split() else ""
    model = f"{facts['model name']} (family {facts['cpu family']}, model {facts['model']})"
    kernel = ".".join(platform.release().split("-")[0].split("."))
    return f"{model}, {cores} cores{virtual}, Linux {kernel}"


def versions() -> dict[str, str]:
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.split()
    with open(REPOSITORY / "Cargo.toml", "rb") as file:
        imds = tomllib.load(file)["workspace"]["package"]["version"]
    return {"imds": imds, "rustc": rustc[1] if len(rustc) > 1 else "?", "Python": platform.python_version()}


def store_part(name: str, part: dict) -> None:
    """Called inside the namespace: the part is picked up by `write` outside."""
    PARTS.mkdir(parents=True, exist_ok=True)
    part["measured"] = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    part["machine"] = machine()
    (PARTS / f"{name}.json").write_text(json.dumps(part, indent=1))


def write(names: list[str], quick: bool) -> Path:
    """Puts the new parts in place of the old ones; the other sections stay."""
    folder = WORK / "quick" if quick else BENCH
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "results.json"
    known = json.loads(kept.read_text()) if kept.exists() else {"sections": {}}
    for name in names:
        known["sections"][name] = json.loads((PARTS / f"{name}.json").read_text())
    installed = peers.state()
    if not installed["skipped"]:
        known["peers"] = installed
    known["versions"] = versions()
    known["sections"] = {name: known["sections"][name] for name in sections.NAMES if name in known["sections"]}
    kept.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    (folder / "RESULTS.md").write_text(page(known))
    if not quick:
        into_readme(known)
    return folder


def table(columns: list[str], rows: list[list[str]]) -> str:
    """The first column is text, the others are figures."""
    head = f"| {' | '.join(columns)} |\n|---|{'--:|' * (len(columns) - 1)}\n"
    return head + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def aims(known: dict, among: tuple[str, ...] = ()) -> str:
    rows = [
        [item["what"], item["ours"], item["aim"], "yes" if item["met"] else "**no**"]
        for part in known["sections"].values()
        for item in part["aims"]
        if not among or item["what"] in among
    ]
    return table(["what", "measured", "aim", "met"], rows)


def page(known: dict) -> str:
    parts = known["sections"]
    text = ["# Results\n", "Written by `bench/run`; what it does, it says itself. Wall time, CPU time (user and system) and peak resident "
            "memory are those of whole processes, run in turn with each other: the median, and from the least to the most. "
            "Instructions are callgrind's, of the whole process in user mode: they hardly move from run to run. “ratio” is that row's "
            "figure by ours (above 1: ours needs less), “floor” is ours by the floor that the row names.\n",
            "Every program runs in a network namespace where 169.254.169.254 is `imds fake`, or where every packet is dropped.\n",
            "## In short\n", aims(known)]
    for part in parts.values():
        if not all(item["met"] for item in part["aims"]):
            text += [f"{part['title']}: {why}\n" for why in part.get("why", [])]
    for part in parts.values():
        text += [f"## {part['title']}\n", f"{part['about']}\n"]
        for each in part["tables"]:
            text += [f"{each['caption']}\n"] if each.get("caption") else []
            text.append(table(each["columns"], each["rows"]))
        for curve in part.get("curves", []):
            text.append(f"![{curve['title']}]({curve['name']}.png)\n")
        text += [f"- {note}" for note in part["notes"]]
        text += ["" if part["notes"] else "", f"*{part['machine']}; {part['measured']}*\n"]
    text.append("## Versions\n")
    found = known["versions"] | known.get("peers", {}).get("versions", {})
    text.append(", ".join(f"{name} {version}" for name, version in found.items()) + ".\n")
    missing = known.get("peers", {}).get("missing", {})
    if missing:
        text.append("Not compared, because it couldn't be installed here:\n")
        text += [f"- {name}: {why}" for name, why in missing.items()]
    return "\n".join(text).rstrip() + "\n"


def into_readme(known: dict) -> None:
    """The short form, between its marks."""
    path = REPOSITORY / "README.md"
    before, found, rest = path.read_text().partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not (found and closed):
        return
    rows = [
        [item["what"], item["ours"], item["against"]]
        for part in known["sections"].values()
        for item in part["aims"]
        if item.get("against")
    ]
    newest = max(known["sections"].values(), key=lambda part: part["measured"])
    short = table(["what", "`imds`", "beside it"], rows)
    path.write_text(f"{before}{BEGIN}\n{short}\nOn {newest['machine']}.\n{END}{after}")
