#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# In the guest of account_test: an account of the machine as it is, one with known amounts of memory taken, and one after they
# were given back.
# Leaves in /tmp/results: before.json, held.json, after.json, text, each with .status, .errors and .meminfo; amounts.

cd /tmp/results || exit
parameters=/sys/module/hoarder/parameters

account() { # into file $1, with options $2…
    name=$1
    shift
    orphan-static account "$@" >"$name" 2>"$name.errors"
    echo $? >"$name.status"
    cat /proc/meminfo >"$name.meminfo"
}

insmod /root/hoarder.ko || exit
for name in plain blocks kmalloc_pages vmalloc_pages; do
    echo "$name $(cat $parameters/$name)"
done >amounts
echo 1 >$parameters/hold # once, so that what stays behind is there before
echo 0 >$parameters/hold
account warm.json --format json
account before.json --format json

echo 1 >$parameters/hold
echo 4 >/proc/sys/vm/nr_hugepages
dd if=/dev/zero of=/tmp/hoard bs=1M count=8 2>/dev/null
# dd has read all of its buffer and waits: the pipe takes only 16 pages.
dd if=/dev/zero bs=16M count=1 2>/dev/null | sh -c 'exec sleep 600' &
sleeper=$!
sleep 2
account held.json --format json
account text

echo 0 >$parameters/hold
echo 0 >/proc/sys/vm/nr_hugepages
rm /tmp/hoard
kill $sleeper
sleep 1
account after.json --format json
