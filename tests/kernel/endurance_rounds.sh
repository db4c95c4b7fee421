#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# In the guest of endurance_test: track a busy kernel for long.
#   endurance_rounds.sh SECONDS OPTIONS…
# Leaves in /tmp/results: report, report.status, report.errors; memory: "SECONDS KIB KIB" of the process and of its tables in the kernel, now and
# then; truth; programs: how many the kernel had before, meanwhile and after; kernel.log; load.

seconds=$1
shift
cd /tmp/results || exit
programs() { echo "$1 $(grep -c '	\[bpf\]$' /proc/kallsyms)" >>programs; }
cat >/tmp/meanwhile.sh <<'END'
tables() { # of process $1, in KiB
    cat "/proc/$1"/fdinfo/* 2>/dev/null | awk '$1 == "memlock:" { sum += $2 } END { print int(sum / 1024) }'
}
for i in $(seq 10); do
    sleep $((SECONDS_OF_ALL / 10))
    echo "$((i * SECONDS_OF_ALL / 10)) $(awk '$1 == "VmRSS:" { print $2 }' "/proc/$PPID/status") $(tables $PPID)" >>/tmp/results/memory
done
insmod /root/leaky.ko # so late, since the kernel complains about a thread of it that never runs
echo "meanwhile $(grep -c '	\[bpf\]$' /proc/kallsyms)" >>/tmp/results/programs
END

load.sh start
programs before
SECONDS_OF_ALL=$seconds orphan-static track --format json --max-objects 100000 "$@" -- sh /tmp/meanwhile.sh >report 2>report.errors
echo $? >report.status
programs after
cat /sys/kernel/debug/leaky/truth >truth
load.sh stop >load
dmesg >kernel.log
