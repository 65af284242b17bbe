"""How cost grows: with tags and interfaces (`imds show`, 2 ms a request), and with the size of a template and its
placeholders (`imds resolve`, text). An exponent is a slope on logarithmic axes, from the middle point to the last: 1 is linear, less is better. That of tags and interfaces
is of instructions, since the time also has the fake's own in it; that of templates of time, each point at its fastest."""

from math import log
from pathlib import Path

from .. import namespace, service
from ..paths import IMDS
from ..timing import Command, instructions, interleaved, works
from .everything import aws
from .templates import template

TITLE = "Growth"
LEAST = 1.15
"""An exponent that is linear, with some noise."""


def measure(quick: bool) -> dict:
    namespace.show_firmware(service.firmware("aws"))
    rounds = 2 if quick else 7
    tags = [(number, shown(aws(interfaces=1, tags=number), rounds)) for number in (10, 50, 100, 200, 400)]
    interfaces = [(number, shown(aws(interfaces=number, tags=10), rounds)) for number in (1, 4, 8, 16, 32)]
    scale = 10 if quick else 1
    sizes = [(megabytes, resolved(megabytes * 1_000_000 // scale, 100, rounds)) for megabytes in (10, 25, 50, 100, 200)]
    dense = [(percent, resolved(20_000_000 // scale, 100 // percent, rounds)) for percent in (1, 5, 10, 20, 33)]
    curves = [
        curve("tags", "Tags", "tags", tags),
        curve("interfaces", "Interfaces", "interfaces", interfaces),
        curve("template-size", "Size of a template, 1 % placeholders", "MB", sizes),
        curve("placeholders", "Placeholders in 20 MB of text", "% of the bytes", dense),
    ]
    rows = [[each["title"], f"{each['x']}: {each['from']}–{each['to']}", f"{each['exponent']:.2f}"] for each in curves]
    worst = max(curves, key=lambda each: each["exponent"])
    aims = [{"what": "growth", "ours": f"exponent {worst['exponent']:.2f} at most ({worst['title'].lower()})", "aim": "linear or better",
             "met": worst["exponent"] <= LEAST}]
    return {"tables": [{"columns": ["of", "range", "exponent"], "rows": rows}], "aims": aims, "notes": [], "curves": curves}


def curve(name: str, title: str, x: str, points: list) -> dict:
    line = [[number, *figures] for number, figures in points]
    (before, early), (last, late) = ((point[0], point[4] or point[2]) for point in (line[len(line) // 2], line[-1]))
    return {"name": f"growth-{name}", "title": title, "x": x, "y": "ms", "lines": {"imds": line},
            "from": line[0][0], "to": last, "exponent": log(late / early) / log(last / before)}


def shown(scenario: str, rounds: int) -> list:
    command = Command("show", [str(IMDS), "show", "--json", "--timeout", "60s"], '"instance_id"')
    file = service.scenario_file("growth", scenario)
    with service.fake(file, delay="2ms"):
        assert works(command) is None, works(command)
        taken = milliseconds(command, rounds)
    with service.fake(file):
        return [*taken, instructions(command)]


def resolved(size: int, share: int, rounds: int) -> list:
    file: Path = template("text", size, "${cloud:InstanceId}", share)
    command = Command("resolve", [str(IMDS), "resolve", "--format", "text", str(file)])
    with service.fake("aws"):
        assert works(command) is None, works(command)
        taken = milliseconds(command, rounds)
    file.unlink()
    return [*taken, None]


def milliseconds(command: Command, rounds: int) -> list[float]:
    """Median, least, most."""
    figures = interleaved([command], rounds)[command.name]
    return [round(value * 1000, 3) for value in (figures.median, min(figures.wall), max(figures.wall))]
