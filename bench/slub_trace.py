#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How fast `orphan slub-trace` reads, and in how much memory: logs of one size and of a fourth of it, in the formats that consoles and syslogs have.

A log is made up: allocations and frees of a few caches with stacks as x86-64 and ARM print them, of which one in a hundred stays. It comes from a
pipe and is never stored. Prints MB a second of CPU time and peak memory; fails when either is not what is asked."""

import argparse
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True

LEAST_RATE, MOST_GROWTH = 300, 1.5  # MB a second of one CPU; memory for four times the log
BLOCK_RECORDS = 2000

X86 = """CPU: {cpu} PID: {pid} Comm: worker{cpu} Not tainted 6.1.0
Hardware name: Generic, BIOS 1.0 01/01/2026
Call Trace:
 <TASK>
 dump_stack_lvl+0x44/0x5c
 {inside}+0x5b/0x7a
 ? _prb_read_valid+0x25a/0x2d0
 ___slab_alloc+0x6f1/0x990
 __kmem_cache_alloc_node+0x110/0x2a0
 __kmalloc+0x49/0x150
 caller_{site}+0x28/0x90 [widget]
 do_one_initcall+0x59/0x220
 do_syscall_64+0x5d/0x90
 entry_SYSCALL_64_after_hwframe+0x6e/0xd8
 </TASK>"""
ARM = """Backtrace: 
[<c0012378>] (dump_backtrace+0x0/0x114) from [<c0366d34>] (dump_stack+0x18/0x1c)
 r6:c7801e00 r5:c7a50000 r4:c04e5a00
[<c0366d1c>] (dump_stack+0x0/0x1c) from [<c00b8d60>] ({inside}+0xb4/0x158)
[<c00b8cac>] ({inside}+0x0/0x158) from [<c00b9a10>] (__slab_alloc+0x3ac/0x3e4)
[<c00b9664>] (__slab_alloc+0x0/0x3e4) from [<c00b9e38>] (__kmalloc+0x7c/0x104)
[<c00b9dbc>] (__kmalloc+0x0/0x104) from [<bf000128>] (caller_{site}+0x28/0x90 [widget])
[<bf000100>] (caller_{site}+0x0/0x90 [widget]) from [<c00c1a2c>] (chrdev_open+0x1e4/0x204)
[<c00c1848>] (chrdev_open+0x0/0x204) from [<c000e3a0>] (ret_fast_syscall+0x0/0x30)"""

PREFIXES = {
    "x86-64, console": (X86, "[{time:12.6f}] "),
    "x86-64, callers": (X86, "[{time:12.6f}][{caller:>6}] "),
    "x86-64, syslog": (X86, "Nov 27 06:49:44 host kernel: [{time:12.6f}] "),
    "ARM, console": (ARM, "[{time:12.6f}] "),
    "x86-64, with contents": (X86, "[{time:12.6f}] "),
}


def records(name, count, stack, prefix):
    """Records of one block of the log; addresses start with {base}, which is filled in for each block."""
    chance = random.Random(name)
    live, lines, now = [], [], 1000.0
    contents = "\n".join(f"Object {offset:016x}: 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b  kkkkkkkkkkkkkkkk" for offset in range(0, 1024, 16))
    for number in range(count):
        is_alloc = not live or chance.random() < 0.5
        if is_alloc:
            address = number * 4096 + 4096
            if number % 100 != 0:
                live.append(address)
        else:
            address = live.pop(chance.randrange(len(live)))
        cpu = chance.randrange(4)
        inside = "alloc_debug_processing" if is_alloc else "free_debug_processing"
        text = f"TRACE kmalloc-1k {'alloc' if is_alloc else 'free'} 0x@BASE@{address:08x} inuse=8 fp=0x00000000c7a50000\n"
        if not is_alloc and name.endswith("contents"):
            text += contents + "\n"
        text += stack.format(cpu=cpu, pid=100 + cpu, inside=inside, site=chance.randrange(50))
        now += 0.0001
        before = prefix.format(time=now, caller=f"T{100 + cpu}")
        lines += [before + line for line in text.split("\n")]
    return ("\n".join(lines) + "\n").encode()


def run(program, block, size):
    """Seconds of CPU time, seconds, peak memory in MB, bytes."""
    child = subprocess.Popen([program, "slub-trace", "--format", "json", "--output", "/dev/null", "-"], stdin=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
    written, base, start = 0, 0, time.monotonic()
    while written < size:
        # What stays of one block must not be allocated again in the next.
        data = block.replace(b"@BASE@", b"%08x" % (0xffff0000 + base))
        child.stdin.write(data)
        written, base = written + len(data), base + 1
    # Of a child that has ended the kernel tells the largest of it and of what it was before, which is us.
    memory = Path(f"/proc/{child.pid}/status").read_text()
    child.stdin.close()
    _, status, usage = wait4(child)
    if status not in (0, 1):
        sys.exit(f"slub_trace.py: the program ended with status {status}")
    return usage.ru_utime + usage.ru_stime, time.monotonic() - start, int(re.search(r"VmHWM:\s*(\d+)", memory)[1]) * 1024 / 1e6, written


def wait4(child):
    pid, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return pid, child.returncode, usage


def main():
    parser = argparse.ArgumentParser(prog="slub_trace.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("program", type=Path)
    parser.add_argument("--megabytes", type=int, default=1000, help="of each log (default: 1000)")
    options = parser.parse_args()
    failures = 0
    print(f"{'SLUB TRACE, ' + str(options.megabytes) + ' MB':<28} {'MB/s':>8} {'CPU s':>8} {'PEAK MB':>8} {'A FOURTH':>8}  ASKED")
    for name, (stack, prefix) in PREFIXES.items():
        block = records(name, BLOCK_RECORDS, stack, prefix)
        _, _, small, _ = run(options.program, block, options.megabytes * 250_000)
        cpu, _, peak, written = run(options.program, block, options.megabytes * 1_000_000)
        rate = written / 1e6 / cpu
        is_met = rate >= LEAST_RATE and peak <= small * MOST_GROWTH + 8
        failures += not is_met
        print(f"{name:<28} {rate:>8.0f} {cpu:>8.2f} {peak:>8.1f} {small:>8.1f}  at least {LEAST_RATE} MB/s, flat: {'pass' if is_met else 'FAIL'}", flush=True)
    return 1 if failures else 0


sys.exit(main())
