#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# In the guest of watch_test: a module and a process leak at known rates beside load, and orphan watch looks on. Leaves in /tmp/results what
# it said, and the truth at both ends. $SAMPLES: so many.
# shellcheck disable=SC2154

cd /tmp/results || exit
PARAMETERS=/sys/module/dripper/parameters

# A line: the time since the boot, then what was leaked until then: blocks, bytes of areas, per-CPU bytes of a CPU, bytes of the process.
truth() {
    : >/tmp/drip.said
    kill -USR1 "$drip"
    while [ ! -s /tmp/drip.said ]; do sleep 0.1; done
    read -r now _ </proc/uptime
    echo "$now $(cat $PARAMETERS/leaked_blocks) $(cat $PARAMETERS/leaked_area_bytes) $(cat $PARAMETERS/leaked_percpu_bytes) \
$(cat /tmp/drip.said)" >>truth
}

sh /root/load.sh start
insmod /root/dripper.ko
: >/tmp/drip.said
drip 65536 >>/tmp/drip.said &
drip=$!
sleep 10
truth
orphan-static watch --store /tmp/watch.db --interval 1 --samples "$SAMPLES" --alarm 'cat >>/tmp/results/alarms.json' 2>watch.errors
echo $? >watch.status
truth
nproc >cpus
sh /root/load.sh stop >load
orphan-static trend --store /tmp/watch.db --format json >trend.json 2>trend.errors
orphan-static trend --store /tmp/watch.db --alarm >trend.text 2>>trend.errors
echo $? >trend.status
kill "$drip"
rmmod dripper
