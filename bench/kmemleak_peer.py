# SPDX-License-Identifier: Apache-2.0
"""orphan and kmemleak on one running kernel, which has both: what each finds of what a module leaked, and what it costs."""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "kernel"))

import verdict
import vm_run

KERNEL = "6.1-kmemleak"
MILLION = 1e6
POOL = 16_000  # CONFIG_DEBUG_KMEMLEAK_MEM_POOL_SIZE: records that kmemleak has from the start

# kmemleak wants to have seen a block twice, and not in the block's first five seconds.
SCRIPT = """
clock() { awk '/^now at/ { print $3; exit }' /proc/timer_list; }
pair() { # into file $1
    insmod /root/pairs.ko
    cat /sys/module/pairs/parameters/nanoseconds >"/tmp/results/$1"
    rmmod pairs
}
sleep 20
pair pair.on
insmod /root/leaky.ko
sleep 6
for scan in 1 2 3; do
    before=$(clock)
    echo scan >/sys/kernel/debug/kmemleak
    echo $(($(clock) - before)) >>/tmp/results/kmemleak.nanoseconds
done
cat /sys/kernel/debug/kmemleak >/tmp/results/kmemleak.txt
grep '^kmemleak_object ' /proc/slabinfo >/tmp/results/kmemleak.slab
orphan-static scan --format json --max-objects 100000 >/tmp/results/orphan.json
cat /sys/kernel/debug/leaky/truth >/tmp/results/truth
echo off >/sys/kernel/debug/kmemleak
sleep 3
pair pair.off
"""


class Verdict:
    """Of the blocks that a report names, by what the module says of them."""

    def __init__(self, reported, truth):
        leaks = {address for address, item in truth.items() if item.judgement == "leak"}
        live = {address for address, item in truth.items() if item.judgement == "live"}
        self.found = len(reported & leaks)
        self.live = len(reported & live)
        self.others = len(reported - set(truth))


def kmemleak_bytes(line):
    """What its records take up, by their line in /proc/slabinfo: those in slabs, and those of the pool."""
    _, objects, object_bytes, objects_a_slab, pages_a_slab = (int(word) for word in line.split()[1:6])
    return objects / objects_a_slab * pages_a_slab * 4096 + POOL * object_bytes


def measure(program):
    """0, or 1 if a pass of orphan costs more than a scan of kmemleak, or it finds less."""
    guest = vm_run.Guest(kernel=KERNEL, icount=True, timeout_s=1200,
                         files=[program, vm_run.build_leaky(KERNEL), vm_run.build_module("pairs", KERNEL)])
    results = {name: content.decode() for name, content in vm_run.run(guest, SCRIPT).items()}
    truth = verdict.parse_truth(results["truth"])
    report = json.loads(results["orphan.json"])
    ours = Verdict({address for address, _, _ in verdict.reported_objects(report)}, truth)
    theirs = Verdict({int(address, 16) for address in re.findall(r"(?m)^unreferenced object 0x([0-9a-f]+) ", results["kmemleak.txt"])},
                     truth)
    planted = sum(item.judgement == "leak" for item in truth.values())
    live = sum(item.judgement == "live" for item in truth.values())
    # The cheapest of theirs, the most expensive of ours.
    their_pass = min(map(int, results["kmemleak.nanoseconds"].split())) / MILLION
    our_pass = max(entry["seconds"] for entry in report["passes"]) * 1e9 / MILLION
    is_met = our_pass <= their_pass and ours.found >= theirs.found and ours.live == 0 and ours.others == 0
    print(f"\n{'BESIDE KMEMLEAK, ' + report['target'].removeprefix('kernel '):<44} {'ORPHAN':>12} {'KMEMLEAK':>12} {'RATIO':>7}")
    rows = [("a pass, million instructions", our_pass, their_pass),
            ("memory, MB", report["peak_memory"] / MILLION, kmemleak_bytes(results["kmemleak.slab"]) / MILLION),
            (f"leaks found, of {planted}", ours.found, theirs.found), (f"in use, but reported, of {live}", ours.live, theirs.live),
            ("others reported", ours.others, theirs.others)]
    for what, our, their in rows:
        number = lambda value: f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"
        print(f"{what:<44} {number(our):>12} {number(their):>12} {f'{our / their:.2f}' if their else '-':>7}")
    print(f"a kmalloc and its kfree: {int(results['pair.off']):,} instructions with kmemleak off, {int(results['pair.on']):,} with it")
    print(f"no more expensive, finds no less, nothing false: {'pass' if is_met else 'FAIL'}")
    return not is_met
