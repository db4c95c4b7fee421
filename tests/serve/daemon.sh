#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Functions for the scripts that run in guests of the daemon's tests. Each result is a file in the working directory.
# shellcheck disable=SC2034  # what is set here is used there

mount=/run/orphan
file=$mount/kernel/kmemleak
state=/tmp/state
# Only scans that are asked for.
quiet="--first 100000 --period 100000"

# Most seconds that anything may take which is not to hang. A scan of a guest takes one or two, and emulated CPUs are slow.
patience=60

start() { # the daemon with options $1…, whose number is then in $daemon; fails when its files do not appear
    # shellcheck disable=SC2086  # several words
    orphan-static serve --state $state $quiet "$@" 2>>daemon.errors &
    daemon=$!
    wait_for answers_or_ended && answers && return
    echo "the daemon does not answer: $*: $(tail -n 3 daemon.errors)" >>trouble
    return 1
}
answers() {
    grep -q '^state: ' $mount/kernel/status 2>/dev/null
}
answers_or_ended() {
    answers || has_ended "$daemon"
}

# Waits until the command $1… succeeds; fails after $patience seconds.
wait_for() {
    waited=0
    until "$@"; do
        [ "$waited" -lt $((patience * 10)) ] || return 1
        waited=$((waited + 1))
        usleep 100000
    done
}
has_ended() {
    ! kill -0 "$1" 2>/dev/null
}
is_scanning() {
    grep -q '^scanning: yes' $mount/kernel/status
}
is_mounted() {
    grep -q " $mount fuse" /proc/mounts
}

# Waits for the process $1, for $patience seconds, and leaves its exit status in the file $2; "hangs" if it has to be killed.
end_of() {
    if wait_for has_ended "$1"; then
        wait "$1"
        echo $? >"$2"
    else
        kill -9 "$1"
        echo hangs >"$2"
    fi
}

run() { # into file $1, the command $2…
    name=$1
    shift
    "$@" >"$name" 2>"$name.errors"
    echo $? >"$name.status"
}

say() { # the word $2 to the file, with what it says to that in $1
    (printf '%s' "$2" | cat >$file) >"$1" 2>"$1.errors"
    echo $? >"$1.status"
}

# Scans until $1 leaks are listed, three times at most: what a stale word hides now is found by the next scan. The last list is in $2.
scan_for() {
    for attempt in 1 2 3; do
        say "$2.scan" scan
        cat $file >"$2"
        [ "$(grep -c '^unreferenced' "$2")" -lt "$1" ] || return 0
        echo "attempt $attempt: $(grep -c '^unreferenced' "$2") of $1" >>"$2.attempts"
    done
}

possible_cpus() {
    # 0-1, or 0
    sed 's/.*-//' /sys/devices/system/cpu/possible | awk '{ print $1 + 1 }'
}

# In a process of its own, since what is leaked might stay in a stack of this shell.
load_module() {
    sh -c 'insmod /root/kmemleak-test.ko'
}
