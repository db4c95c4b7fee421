#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# In the guest of serve_hotplug_test: memory that comes while the daemon runs, and is used at once. Leaves in /tmp/results: before,
# after and list, what the control file has then; offline, how many pieces of memory came; daemon.errors.

# shellcheck disable=SC1091,SC2086,SC2154,SC2012,SC2094  # daemon.sh, beside this file, sets mount, file and daemon
cd /tmp/results || exit
. /root/daemon.sh

memory() { # the last pieces of memory to the state $1
    for piece in $(ls -d /sys/devices/system/memory/memory* | sort -V | tail -3); do
        echo "$1" >"$piece/state" 2>/dev/null
    done
}

memory offline
cat /sys/devices/system/memory/memory*/state | grep -c offline >offline
start --min-age 1 --interval 1
say scan-before scan
run before cat $file
memory online
cat /sys/devices/system/memory/memory*/state | grep -c offline >offline.after
# More of the kernel's objects than the old memory has room for: what these refer to is used.
mount -t tmpfs -o nr_inodes=0 none /mnt
for directory in 1 2 3 4 5 6 7 8 9 10; do
    mkdir /mnt/$directory
    (cd /mnt/$directory && seq 3000 | xargs touch)
done
say scan-after scan
run after cat $file
load_module
scan_for 14 list
cat $mount/kernel/status >status
kill $daemon
end_of $daemon end
