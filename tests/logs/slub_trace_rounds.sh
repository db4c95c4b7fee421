#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# In the guest of slub_trace_test: a kernel that traces kmalloc-4k, and keeps the users of kmalloc-1k. Leaves in /tmp/results for each
# command NAME, NAME.errors and NAME.status.

cd /tmp/results || exit
run() {
    name=$1
    shift
    "$@" >"$name" 2>"$name.errors"
    echo $? >"$name.status"
}

run before sh -c 'dmesg | orphan-static slub-trace --format json -'
insmod /root/kmemleak-test.ko
cat /sys/kernel/debug/kmemleak-test/objects >truth
dmesg >/tmp/log
run trace orphan-static slub-trace --format json /tmp/log
run text orphan-static slub-trace --top 3 /tmp/log
run packed sh -c 'gzip -c /tmp/log | orphan-static slub-trace --format json -'
# The kernel's own records.
run users orphan-static slub-trace --live kmalloc-1k --for 1 --format json
grep '^kmalloc-1k ' /proc/slabinfo >slabinfo
# It cannot be switched on at run time since 5.9.
run untraced orphan-static slub-trace --live kmalloc-64 --for 1
run nowhere orphan-static slub-trace --live no-such-cache --for 1
# Out of /dev/kmsg, while the module leaks again.
rmmod kmemleak-test
run live orphan-static slub-trace --live kmalloc-4k --for 12 --format json &
sleep 3
insmod /root/kmemleak-test.ko
wait
cat /sys/kernel/slab/kmalloc-4k/trace >state
