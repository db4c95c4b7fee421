#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# In the guest of record_test: load the module that leaks, then scan once, with a recording and, for its costs, without.
#   record_rounds.sh idle|load
# Leaves in /tmp/results: recording, report.json, plain.json, each with .status and .errors; truth.

cd /tmp/results || exit
[ "$1" = idle ] || load.sh start
insmod /root/leaky.ko || exit
sleep 3

scan() { # into file $1, with options $2…
    name=$1
    shift
    orphan-static scan --format json --max-objects 100000 --interval 1 "$@" >"$name" 2>"$name.errors"
    echo $? >"$name.status"
}

scan plain.json
scan report.json --record recording
cat /sys/kernel/debug/leaky/truth >truth
[ "$1" = idle ] || load.sh stop >load
