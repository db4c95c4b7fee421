#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `orphan watch` costs a machine with 1,000 processes and 300 caches: CPU time of a sample as a share of the 300 seconds between
two, memory, and the size of a day. It samples this machine's /proc, in which it starts what is missing to 1,000 processes; caches
that are missing to 300 are made up. A sample is taken each second, so that a segment of as many samples as six hours have is
finished, exported and compressed within the measurement.

At an interval of a second there is next to no PSS in a sample: its budget is a share of the interval (src/watch/sampler.cc). That share is
added to what was measured.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

INTERVAL, DAY = 300, 288  # seconds; samples
SEGMENT = 72              # samples, as six hours have
PSS_SHARE = 0.0003
MOST_SHARE, MOST_RSS_KIB, MOST_DAY_BYTES = 0.001, 20 << 10, 20 << 20


def process_count():
    return sum(1 for name in os.listdir("/proc") if name.isdigit() and os.path.exists(f"/proc/{name}/exe"))


def make_root(place, caches):
    """/proc as it is, with more caches."""
    proc = place / "root/proc"
    proc.mkdir(parents=True)
    for name in os.listdir("/proc"):
        if name != "slabinfo":
            (proc / name).symlink_to(f"/proc/{name}")
    (place / "root/sys").symlink_to("/sys")
    lines = Path("/proc/slabinfo").read_text().splitlines()
    for number in range(max(0, caches - (len(lines) - 2))):
        lines.append(f"made-up-{number} {number * 37} {number * 40} 192 21 1 : tunables 0 0 0 : slabdata {number * 2} {number * 2} 0")
    (proc / "slabinfo").write_text("\n".join(lines) + "\n")
    return len(lines) - 2


def run(orphan, place, samples):
    """CPU seconds and the most memory, in KiB, of a run."""
    words = [orphan, "watch", "--root", place / "root", "--store", place / f"{samples}.db", "--interval", "1", "--samples",
             str(samples), "--segment", str(SEGMENT - 1), "--export", place / f"spool-{samples}"]
    pid = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"orphan watch ended with {status}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orphan", default="build/release/src/cli/orphan-static")
    parser.add_argument("--processes", type=int, default=1000)
    parser.add_argument("--caches", type=int, default=300)
    arguments = parser.parse_args()
    sleepers = [subprocess.Popen(["sleep", "3600"]) for _ in range(max(0, arguments.processes - process_count()))]
    place = Path(tempfile.mkdtemp(prefix="orphan-watch-cost-"))
    try:
        processes, caches = process_count(), make_root(place, arguments.caches)
        start, _ = run(arguments.orphan, place, 1)
        samples = SEGMENT + 8
        whole, rss_kib = run(arguments.orphan, place, samples)
        size = (place / f"{samples}.db").stat().st_size
        exported = sum(path.stat().st_size for path in (place / f"spool-{samples}").iterdir())
    finally:
        for sleeper in sleepers:
            sleeper.kill()
            sleeper.wait()
        shutil.rmtree(place)
    sample = (whole - start) / (samples - 1)
    share = sample / INTERVAL + PSS_SHARE
    rows = ((f"CPU time of a sample, {processes} processes, {caches} caches", f"{sample * 1000:.1f} ms", ""),
            (f"of one CPU at {INTERVAL} s, with all of PSS's budget", f"{share:.3%}", "met" if share <= MOST_SHARE else "MISSED"),
            ("most memory", f"{rss_kib / 1024:.1f} MiB", "met" if rss_kib <= MOST_RSS_KIB else "MISSED"),
            ("a day in the file", f"{size * DAY / samples / (1 << 20):.1f} MiB",
             "met" if size * DAY / samples <= MOST_DAY_BYTES else "MISSED"),
            ("a segment of six hours, exported", f"{exported / 1024:.0f} KiB", ""))
    for what, value, verdict in rows:
        print(f"{what:60} {value:>10}  {verdict}")
    return any(verdict == "MISSED" for _, _, verdict in rows)


if __name__ == "__main__":
    sys.exit(main())
