# SPDX-License-Identifier: Apache-2.0
"""What `orphan track` costs those who allocate: instructions, beside the same kernel with nothing attached."""

import subprocess
import sys

import vm_run

MOST_A_PAIR = 900  # instructions of a kmalloc and its kfree, tracked as by default
MODES = (("off", None), ("default", ""), ("all stacks", "--stacks all"), ("4 KiB or more", "--min-size 4096"),
         ("one cache", "--cache dentry"), ("one process", "--pid 1"), ("1 in 64 KiB", "--sample-bytes 64K"),
         ("outstanding", "--outstanding"))
LOOPS = ("open", "pipe", "socketpair", "fork")

SCRIPT = """
measure() { # into file $1
    insmod /root/pairs.ko
    echo "pair $(cat /sys/module/pairs/parameters/nanoseconds)" >"/tmp/results/$1"
    rmmod pairs
    loops >>"/tmp/results/$1"
}
tracked() { # into file $1, with options $2…
    name=$1
    shift
    orphan-static track "$@" >/dev/null 2>"/tmp/results/$name.errors" &
    tracker=$!
    sleep 3
    measure "$name"
    kill -TERM $tracker # ends the tracking
    sleep 2
    kill -TERM $tracker 2>/dev/null # and the scan, if there is one
    wait $tracker
}
sleep 5
measure 0
"""


def measure(program, build, kernel):
    """Prints the table; 1 if it costs more than is asked."""
    if subprocess.run(["cmake", "--build", build, "--target", "loops"], stdout=subprocess.DEVNULL).returncode != 0:
        print("bench: loops cannot be built", file=sys.stderr)
        return 1
    script = SCRIPT + "".join(f"tracked {i} {options}\n" for i, (_, options) in enumerate(MODES) if options is not None)
    guest = vm_run.Guest(kernel=kernel, icount=True, timeout_s=600,
                         files=[program, build / "bench" / "loops", vm_run.build_module("pairs", kernel)])
    results = {name: content.decode() for name, content in vm_run.run(guest, script).items()}
    for name, text in results.items():
        if name.endswith(".errors") and text:
            print(f"bench: orphan track: {text.strip()}", file=sys.stderr)
            return 1
    costs = [dict(line.split() for line in results[str(i)].splitlines()) for i in range(len(MODES))]
    print(f"\n{'INSTRUCTIONS, ' + kernel:<26}" + "".join(f"{name:>15}" for name, _ in MODES))
    for what in ("pair", *LOOPS):
        base = float(costs[0][what])
        cells = [f"{float(cost[what]):,.0f}" + (f" ({float(cost[what]) / base:.2f})" if cost is not costs[0] else "") for cost in costs]
        name = "kmalloc and kfree" if what == "pair" else f"{what}, and undone"
        print(f"{name:<26}" + "".join(f"{cell:>15}" for cell in cells))
    pair = float(costs[1]["pair"])
    is_met = pair <= MOST_A_PAIR
    print(f"a pair by default at most {MOST_A_PAIR}: {'pass' if is_met else 'FAIL'}")
    return not is_met
