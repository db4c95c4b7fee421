#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# In the guest of serve_endurance_test: many scans, one after the other.
#   endurance_rounds.sh SCANS
# Leaves in /tmp/results: memory, a line "SCANS KIB THREADS FILES" of the daemon after each fortieth of them; found: what was listed in the end and whenever
# anything was; status.end; daemon.end.

# shellcheck disable=SC1091,SC2086,SC2154  # daemon.sh, beside this file, sets mount, file and daemon
cd /tmp/results || exit
. /root/daemon.sh
scans=$1
start --interval 0.2 --min-age 0
step=$(((scans + 39) / 40))
number=0
: >found
while [ $number -lt "$scans" ]; do
    number=$((number + 1))
    echo scan >$file || echo "scan $number was refused" >>trouble
    cat $file >>found
    if [ $((number % step)) -eq 0 ]; then
        files=$(find "/proc/$daemon/fd" -type l | wc -l)
        awk '$1 == "VmRSS:" { kib = $2 } $1 == "Threads:" { threads = $2 } END { print number, kib, threads, files }' number=$number \
            files="$files" "/proc/$daemon/status" >>memory
    fi
done
cat $mount/kernel/status >status.end
kill "$daemon"
end_of "$daemon" daemon.end
dmesg >kernel.log
