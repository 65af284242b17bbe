"""`imds get instance_id` and its peers, each a process from start to end, where every answer takes 2 ms: on AWS with a
session token (two round trips), on GCP without (one)."""

from .. import build, namespace, peers, service
from ..figures import processes, ratio, time
from ..paths import IMDS
from ..timing import Command, instructions, interleaved, works

TITLE = "One value, 2 ms away"
OURS = "imds get instance_id"
FLOOR = "smallest client"
SLOW = ("(PyPI)", "botocore", "google-auth", "ec2-metadata-service", "gcp-metadata")
CLOUDS = {
    "aws": (
        "/latest/dynamic/instance-identity/document", "i-0fedcba9876543210",
        ["aws-config (crate)", "cloud-meta (crate), identity document", "aws-sdk-go-v2",
         "ec2-metadata (PyPI)", "botocore", "@aws-sdk/ec2-metadata-service", "curl in a shell script",
         "ec2-metadata (shell, amazon-ec2-utils)"],
    ),
    "gcp": ("/computeMetadata/v1/instance/id", "", ["compute/metadata (Go)", "google-auth", "gcp-metadata"]),
}


def measure(quick: bool) -> dict:
    tables, aims, notes, why = [], [], [], []
    for cloud, (path, value, names) in CLOUDS.items():
        namespace.show_firmware(service.firmware(cloud))
        floor = Command(FLOOR, [build.floor("smallest-client"), cloud, f"{namespace.ADDRESS}:80", path], value)
        ours = Command(OURS, [str(IMDS), "get", "instance_id"], value)
        others = [peers.command(name, value, GCE_METADATA_HOST=namespace.ADDRESS) for name in names]
        with service.fake(cloud, delay="2ms"):
            for command in (ours, floor):
                assert works(command) is None, (command.name, works(command))
            runnable, failed = peers.runnable(others)
            notes += failed
            figures = interleaved([ours, floor], 20 if quick else 151)
            figures = interleaved([ours, *runnable], 3 if quick else 25) | figures
            for command in [ours, floor, *runnable]:
                if command.name.endswith(("(crate)", "document")) or command in (ours, floor):
                    figures[command.name].instructions = instructions(command)
        own = figures[OURS].median
        by = own / figures[FLOOR].median
        beside = [f"{command.name} {time(figures[command.name].median)}" for command in runnable]
        aims.append({
            "what": f"one value, {cloud.upper()}, 2 ms a request", "ours": f"{time(own)}, {ratio(by)} × the smallest client",
            "aim": "≤ 1.2 × the smallest client", "met": by <= 1.2, "against": "; ".join(beside) or "–",
        })
        for kind, least in (("Python and Node", 10.0), ("the others", 1.0)):
            slow = kind != "the others"
            factors = {command.name: figures[command.name].median / own for command in runnable
                       if any(part in command.name for part in SLOW) == slow}
            if factors:
                nearest = min(factors, key=factors.get)
                if slow and factors[nearest] <= least:
                    why.append(f"{nearest} takes {time(own * factors[nearest])}, of which a tenth is little more than the {time(figures[FLOOR].median)} "
                               "that the smallest client takes for the same two round trips; the others of Python and Node are further away.")
                aims.append({
                    "what": f"one value, {cloud.upper()}, against {kind}",
                    "ours": f"{ratio(factors[nearest])} × faster than the nearest, {nearest}",
                    "aim": "≥ 10 × faster" if slow else "faster", "met": factors[nearest] > least,
                })
        table = processes(figures, OURS, {FLOOR: "the smallest client with the same round trips"})
        tables.append({"caption": f"{cloud.upper()}:", **table})
    notes.append("afterburn reads all its attributes; it can't be asked for one.")
    return {"tables": tables, "aims": aims, "notes": notes, "why": [
        *why,
        "what is above the smallest client is the start of a program that knows twenty clouds: about half a millisecond more to load and to look at "
        "the firmware, however long the service takes. A peer that is told its cloud, and can read one, has less to start."]}
