#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What checkers in CI do with kmemleak: forget what was there before, run the workload, scan twice, and fail if anything is listed.
#   leak_checker.sh FILE [MODULE.ko]
# FILE is /sys/kernel/debug/kmemleak, or the daemon's file of the same words. The workload is loading the module, or without one some
# processes, files and pipes. Exit status: 0 no leaks; 1 leaks, which are printed; 2 could not look.

file=$1
module=$2

fail() {
    echo "leak_checker: $*" >&2
    exit 2
}

command_to_kmemleak() {
    echo "$1" >"$file" || fail "$file does not take '$1'"
}

workload() {
    if [ -n "$module" ]; then
        insmod "$module"
        return
    fi
    directory=$(mktemp -d) || return
    for i in 1 2 3 4 5 6 7 8 9 10; do
        dd if=/dev/zero bs=4096 count=$i 2>/dev/null | cat >"$directory/$i"
        mv "$directory/$i" "$directory/moved$i"
    done
    rm -r "$directory"
}

[ -n "$file" ] || fail "usage: leak_checker.sh FILE [MODULE.ko]"
[ -e "$file" ] || fail "there is no $file"
command_to_kmemleak clear
workload || fail "the workload failed"
# Two scans, since one may come while a reference moves. Younger than five seconds nothing is reported.
command_to_kmemleak scan
sleep 6
command_to_kmemleak scan
leaks=$(cat "$file") || fail "$file cannot be read"
if [ -n "$leaks" ]; then
    printf '%s\n' "$leaks"
    exit 1
fi
