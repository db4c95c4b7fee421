#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# /init of the guest: mount what a Linux system has, load the modules, run /vm/command, report, reboot.
# ttyS0 is the console, ttyS1 and ttyS2 carry the command's stdout and stderr, ttyS3 the reports to the host:
# "failed TEXT", "started", "exit STATUS".

report() { echo "$*" >/dev/ttyS3; }
end() { report "$@"; reboot -f; }

export PATH=/bin HOME=/root TERM=dumb
mount -t devtmpfs none /dev
mount -t proc none /proc
mount -t sysfs none /sys
mount -t tmpfs none /tmp
mount -t tmpfs none /run
mkdir -p /dev/pts /dev/shm
mount -t devpts none /dev/pts
mount -t tmpfs none /dev/shm
mount -t debugfs none /sys/kernel/debug
mount -t tracefs none /sys/kernel/tracing
mount -t cgroup2 none /sys/fs/cgroup
ip link set lo up

stty -F /dev/ttyS3 raw -echo
while read -r module parameters; do
    # shellcheck disable=SC2086  # the parameters are words of their own
    reason=$(insmod "$module" $parameters 2>&1) || end failed "cannot load ${module##*/}: ${reason:-unknown reason}"
done </vm/modules

# Memory that was plugged in; elsewhere there is none that is offline.
for state in /sys/devices/system/memory/memory*/state; do
    [ "$(cat "$state" 2>/dev/null)" != offline ] || echo online >"$state" || end failed "cannot put $state online"
done

# The command writes to pipes, as in any script, so it sees no terminal; relays copy them to the serial lines unchanged.
mkfifo /run/vm.out /run/vm.err
relay() { stty -F "$2" raw -echo && exec cat "$1" >"$2"; }
relay /run/vm.out /dev/ttyS1 & out=$!
relay /run/vm.err /dev/ttyS2 & err=$!
exec 8>/run/vm.out 9>/run/vm.err

report started
cd /
PATH=$(cat /vm/path) setsid sh /vm/command </dev/null >&8 2>&9 8>&- 9>&-
status=$?

# Closing a serial line waits until it is sent. A process that the command left behind may hold a pipe open: do not
# wait for it for ever.
exec 8>&- 9>&-
{ sleep 10; kill $out $err; } 2>/dev/null &
wait $out $err
end exit "$status"
