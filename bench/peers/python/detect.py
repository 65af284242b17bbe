"""Which cloud is it? By cloud-detect. An argument is its time-out in seconds; by default it has none."""

import sys

import cloud_detect

print(cloud_detect.provider(timeout=float(sys.argv[1]) if len(sys.argv) > 1 else None))
