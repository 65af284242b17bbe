"""Network namespaces: whatever is measured sees only what is put there.

`cloud` has 169.254.169.254 on its loopback device, for `imds fake` to listen on. `nowhere` has a default route into a device
that drops every packet, and counts them. In both, /sys is an empty file system of the section's own, so that programs
find the firmware that the section puts there, or none.
"""

import os
import subprocess
import sys
from pathlib import Path

from .paths import BENCH

OUTSIDE = "IMDS_BENCH_OUTSIDE"
ADDRESS = "169.254.169.254"
DMI = Path("/sys/class/dmi/id")

SETUP = f"""set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /sys
ip link set lo up
sysctl -q -w net.ipv6.conf.all.disable_ipv6=1
"""
CLOUD = SETUP + f"ip address add {ADDRESS}/32 dev lo\n"
# A cable whose other end takes no packet for its own. Nobody is asked for first (ARP), so only real packets count.
NOWHERE = SETUP + """ip link add void type veth peer name end
ip address add 192.0.2.2/24 dev void
ip link set void arp off up
ip link set end up
ip route add default dev void
"""


def identity() -> str:
    return os.readlink("/proc/self/ns/net")


def require_rights() -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        sys.exit("bench/run: needs Linux and root, to make network namespaces")


def run(section: str, quick: bool) -> None:
    """Runs one section of ../run in a namespace of its own."""
    environment = dict(os.environ, **{OUTSIDE: identity()})
    # What cargo or the caller set for other purposes; inside, the metadata address is ours.
    for name in list(environment):
        if name.startswith(("IMDS_NETWORK", "AWS_", "GCE_", "GOOGLE_")) or name.lower().endswith("_proxy"):
            del environment[name]
    setup = NOWHERE if section == "off-cloud" else CLOUD
    command = [sys.executable, str(BENCH / "run"), "--inside", section, *(["--quick"] if quick else [])]
    subprocess.run(["unshare", "--net", "--mount", "sh", "-c", setup + 'exec "$@"', "sh", *command],
                   env=environment, check=True)


def assert_inside() -> None:
    """Nothing is measured where packets could leave."""
    outside = os.environ.get(OUTSIDE)
    if not outside or outside == identity():
        sys.exit("bench/run: this is not a network namespace of its own; nothing was run")


def show_firmware(values: dict[str, str]) -> None:
    """Makes /sys/class/dmi/id show these files and no others."""
    assert_inside()
    DMI.mkdir(parents=True, exist_ok=True)
    for old in DMI.iterdir():
        old.unlink()
    for name, value in values.items():
        (DMI / name).write_text(value + "\n")


def packets() -> int:
    """How many packets were sent so far, by whatever device."""
    lines = Path("/proc/net/dev").read_text().splitlines()[2:]
    return sum(int(line.split(":")[1].split()[9]) for line in lines)
