# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus: Debian's, which is unpacked into the cache and not installed, since the package would start a service."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools" / "vm"))

import packages
from common import cached


def fetch_prometheus():
    """The directory with the programs prometheus and promtool."""
    def fill(directory, unpacked):
        packages.Machine().download(["prometheus"], directory, unpacked)

    return cached("programs", "prometheus", fill) / "usr/bin"
