"""All that is known of a machine, where every answer takes 20 ms: `imds show --json` beside peers that read many values. A
round trip is what the smallest client takes for one request; time is counted in those."""

from .. import build, namespace, peers, service
from ..figures import processes, ratio, time
from ..paths import IMDS
from ..timing import Command, interleaved, works

TITLE = "Everything, 20 ms away"
OURS = "imds show"
FLOOR = "one request"
CLOUDS = {
    "aws": ("two interfaces and 10 tags", 5,
            ["afterburn, AWS", "cloud-meta (crate), AWS", "OpenTelemetry's detector, AWS (npm)"]),
    "azure": ("", 2, ["afterburn, Azure", "cloud-meta (crate), Azure", "OpenTelemetry's detector, Azure (npm)",
                      "OpenTelemetry's detector, Azure (PyPI)"]),
    "gcp": ("", 4, ["afterburn, GCP", "cloud-meta (crate), GCP", "OpenTelemetry's detector, GCP (npm)"]),
}


def measure(quick: bool) -> dict:
    tables, aims, notes = [], [], []
    for cloud, (what, trips, names) in CLOUDS.items():
        namespace.show_firmware(service.firmware(cloud))
        scenario = service.scenario_file("everything", aws(interfaces=2, tags=10)) if cloud == "aws" else cloud
        # One request without a token is one round trip, whatever its answer.
        floor = Command(FLOOR, [build.floor("smallest-client"), "azure", f"{namespace.ADDRESS}:80", "/"])
        ours = Command(OURS, [str(IMDS), "show", "--json"], '"instance_id"')
        others = [peers.command(name, GCE_METADATA_HOST=namespace.ADDRESS) for name in names]
        with service.fake(scenario, delay="20ms"):
            assert works(ours) is None, works(ours)
            runnable, failed = peers.runnable(others)
            notes += failed
            figures = interleaved([ours, floor, *runnable], 3 if quick else 15)
        own = figures[OURS].median
        took = own / figures[FLOOR].median
        beside = "; ".join(f"{command.name} {time(figures[command.name].median)}" for command in runnable)
        title = f"everything, {cloud.upper()}{', ' + what if what else ''}, 20 ms a request"
        aims.append({"what": title, "ours": f"{time(own)}, {ratio(took)} round trips", "aim": f"≤ {trips} round trips in time",
                     "met": took <= trips, "against": beside or "–"})
        table = processes(figures, OURS, {FLOOR: "the smallest client, one request"})
        tables.append({"caption": f"{cloud.upper()}{': ' + what if what else ''}", **table})
    return {"tables": tables, "aims": aims, "notes": notes}


def aws(interfaces: int, tags: int) -> str:
    """An EC2 instance with so many interfaces and tags, as a scenario file."""
    lines = ['summary = "for the benchmark"', 'cloud = "aws"', 'base = "plain"', "[set]"]
    lines += [f'"meta-data/tags/instance/key-{number}" = "value {number}"' for number in range(tags - PLAIN_TAGS)]
    for number in range(1, interfaces):
        mac = f"06:00:00:00:{number // 256:02x}:{number % 256:02x}"
        for name, value in {
            "device-number": str(number), "interface-id": f"eni-{number:017x}", "local-ipv4s": f"10.20.31.{number}", "mac": mac,
            "owner-id": "210987654321", "security-group-ids": "sg-0aa11bb22cc33dd44", "subnet-id": "subnet-0123abcd4567ef890",
            "vpc-id": "vpc-0f1e2d3c4b5a69788",
        }.items():
            lines.append(f'"meta-data/network/interfaces/macs/{mac}/{name}" = "{value}"')
    return "\n".join(lines) + "\n"


PLAIN_TAGS = 3
"""How many tags the scenario `aws:plain` has."""
