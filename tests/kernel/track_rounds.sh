#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# In the guest of track_test: track modules that leak while they are loaded, and a storm of allocations.
#   track_rounds.sh idle|load
# Leaves in /tmp/results: all.json, sampled.json, gone.json, storm.json, each with .status and .errors; truth; programs: how many
# programs the kernel had before the first, during the storm, and after the last; kernel.log; load.

mode=$1
cd /tmp/results || exit

track() { # into file $1, with options and command $2…
    name=$1
    shift
    orphan-static track --format json --max-objects 100000 --interval 2 --min-age 2 "$@" >"$name" 2>"$name.errors"
    echo $? >"$name.status"
}
programs() { echo "$1 $(grep -c '	\[bpf\]$' /proc/kallsyms)" >>programs; }

[ "$mode" = idle ] || load.sh start
programs before
track all.json --stacks all -- insmod /root/leaky.ko
track sampled.json -- sh -c 'echo 1 >/sys/kernel/debug/leaky/plant'
cat /sys/kernel/debug/leaky/truth >truth
track gone.json -- sh -c 'insmod /root/leaver.ko && sleep 1 && rmmod leaver'
# Far too few places, more allocations than there can be notes of, and frees in interrupts.
track storm.json --table-size 4K -- sh -c 'insmod /root/pairs.ko interrupts=1; rmmod pairs; insmod /root/pairs.ko; rmmod pairs; grep -c "	\[bpf\]$" /proc/kallsyms >/tmp/during'
echo "during $(cat /tmp/during)" >>programs
programs after
[ "$mode" = idle ] || load.sh stop >load
dmesg >kernel.log
