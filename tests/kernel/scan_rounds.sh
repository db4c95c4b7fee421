#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# In the guest of scan_test: scan the kernel as it is, load the module that leaks, then scan once a round.
#   scan_rounds.sh idle|load ROUNDS SCANS [OPTION]
# The option is given to each scan whose report is JSON. With 0 rounds there is no module; SCANS of the kernel as it is come before it.
# Leaves in /tmp/results: clean-N.json, round-N.json, report.kmemleak, report.txt, each with .status and .errors; truth;
# load (what load.sh has done); for a round that missed leaks round-N.who: who refers to them, and again-N.json: a second scan.

mode=$1
rounds=$2
scans=$3
option=$4
cd /tmp/results || exit

scan() { # into file $1, with options $2…
    name=$1
    shift
    orphan-static scan "$@" >"$name" 2>"$name.errors"
    echo $? >"$name.status"
}

# Of the leaks planted so far those that are not in the report $1, as addresses without leading zeros.
missed() {
    awk -F '[\t"]' '
        function plain(address) { sub(/^0x0*/, "", address); return address }
        FNR == NR { if ($2 == "address") reported[plain($4)] = 1; next }
        $1 == "leak" && !(plain($3) in reported) { print plain($3) }' "$1" /sys/kernel/debug/leaky/truth
}

interval=5
if [ "$mode" = load ]; then
    interval=2 # busy machines take more passes
    load.sh start
    sleep 5
fi
number=1
while [ "$number" -le "$scans" ]; do
    scan "clean-$number.json" --format json --interval $interval ${option:+"$option"}
    number=$((number + 1))
done
if [ "$rounds" -gt 0 ]; then
    insmod /root/leaky.ko || exit
fi
round=1
while [ "$round" -le "$rounds" ]; do
    # In a process of its own, as insmod is: what leaked stands in no stack that lives on.
    [ "$round" -eq 1 ] || sh -c 'echo 1 >/sys/kernel/debug/leaky/plant'
    scan "round-$round.json" --format json --max-objects 100000 --interval $interval ${option:+"$option"}
    missing=$(missed "round-$round.json")
    # shellcheck disable=SC2086  # one word each
    [ -z "$missing" ] || orphan-static who $missing >"round-$round.who"
    # A word that was left somewhere hides a leak only until something else is written there.
    [ -z "$missing" ] || scan "again-$round.json" --format json --max-objects 100000 --interval $interval ${option:+"$option"}
    round=$((round + 1))
done
if [ "$mode" = idle ] && [ "$rounds" -gt 0 ]; then
    scan report.kmemleak --format kmemleak --max-objects 100000 --interval 1 --min-age 0
    scan report.txt --format text --interval 1 --min-age 0
fi
[ "$rounds" -eq 0 ] || cat /sys/kernel/debug/leaky/truth >truth
[ "$mode" = idle ] || load.sh stop >load
