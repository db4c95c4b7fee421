#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# In the guest of choices_test: `orphan track` with each of its ways to note less, or to go without a scan. In each round the module leaky
# leaks anew. Leaves in /tmp/results: NAME, NAME.status and NAME.errors of each command, and truth.

cd /tmp/results || exit
PLANT='echo 1 >/sys/kernel/debug/leaky/plant'

run() { # into file $1, the command $2…
    name=$1
    shift
    "$@" >"$name" 2>"$name.errors"
    echo $? >"$name.status"
}
scan() { # into file $1, with options $2…
    name=$1
    shift
    run "$name" orphan-static scan --format json --max-objects 100000 --interval 1 --min-age 1 "$@"
}
track() { # into file $1, with options and command $2…
    name=$1
    shift
    run "$name" orphan-static track --format json --max-objects 100000 --interval 1 --min-age 1 "$@"
}

insmod /root/leaky.ko
scan first.json
track suspects.json --suspects first.json --save /tmp/notes -- sh -c "$PLANT"
scan later.json --notes /tmp/notes
track cache.json --cache kmalloc-96 --cache vmalloc -- sh -c "$PLANT"
track sample.json --sample-bytes 4096 -- sh -c "$PLANT"
mkdir /tmp/cgroup && mount -t cgroup2 none /tmp/cgroup && mkdir /tmp/cgroup/above /tmp/cgroup/above/below
track cgroup.json --stacks all --cgroup /tmp/cgroup/above -- sh -c "echo \$\$ >/tmp/cgroup/above/below/cgroup.procs; $PLANT"
track other-cgroup.json --cgroup /tmp/cgroup/above/below -- sh -c "$PLANT"
track small.json --min-size 1000 -- sh -c "$PLANT"
# It comes and goes between two looks at the modules, or nearly so.
track gone.json --stacks all --debug-dir /root -- sh -c 'insmod /root/leaver.ko; rmmod leaver'
run profile.pb.gz orphan-static track --outstanding --min-age 0 --format pprof -- sh -c "$PLANT"
mount --bind /dev/null /proc/kcore
run outstanding.json orphan-static track --outstanding --stacks all --min-age 0 --format json -- \
    sh -c "insmod /root/pairs.ko count=10000; rmmod pairs; insmod /root/pairs.ko count=10000 interrupts=1; rmmod pairs; $PLANT; insmod /root/leaver.ko; sleep 3; rmmod leaver"
umount /proc/kcore
cat /sys/kernel/debug/leaky/truth >truth
grep -c '	\[bpf\]$' /proc/kallsyms >programs
dmesg >kernel.log
