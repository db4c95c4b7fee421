#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# In the guest of serve_robust_test: the daemon is killed, twice started, left without room, and used by many at once. What is to be the same after it
# was started again is written down before and after. Leaves in /tmp/results what serve_robust_test reads.
#   robust_rounds.sh KILLS

# shellcheck disable=SC1091,SC2086,SC2154  # daemon.sh, beside this file, sets mount, file and daemon
# shellcheck disable=SC3028  # busybox has RANDOM
cd /tmp/results || exit
. /root/daemon.sh
kills=$1
fast="--interval 0.2 --min-age 0"
listed() { grep -c '^unreferenced' $file; }
figure() { # of the status line $1
    sed -n "s/^$1: //p" $mount/kernel/status
}

kill_daemon() {
    kill -9 "$daemon"
    wait "$daemon" 2>/dev/null
}

# A reader and a writer that wait for a scan when the daemon is killed get an error.
killed_in_a_scan() {
    start $fast
    load_module
    scan_for 14 known
    # A long scan, of which there is enough to be killed in.
    kill_daemon
    start --interval 3 --min-age 6
    (echo scan >$file) 2>writer.errors &
    writer=$!
    wait_for is_scanning
    cat $file >/dev/null 2>reader.errors &
    reader=$!
    usleep 500000
    kill_daemon
    end_of $writer writer.end
    end_of $reader reader.end
    run restart start $fast
    cat $file >known.restarted
    say restart.scan scan
    cat $file >known.scanned
    cat $mount/kernel/status >status.restarted
    kill_daemon
}

# Kills the daemon at some moment, $2 ms at most, while the word $1 is carried out, and starts it again. Into `killed` goes a line
# "WORD LISTED STATUS LISTED NEW": what was listed before, the writer's exit status, and what is listed and new after one more scan.
killed_while() {
    before=$(listed)
    (usleep $((RANDOM % $2 * 1000)) && kill -9 "$daemon") &
    killer=$!
    (printf '%s' "$1" | cat >$file) 2>/dev/null
    result=$?
    wait $killer
    wait "$daemon" 2>/dev/null
    start $fast || return
    echo scan >$file
    echo "$1 $before $result $(listed) $(figure 'new in the last scan')" >>killed
}

# The module's 14 leaks are listed in the beginning, and new or cleared in the end, all of them or none.
killed_at_any_moment() {
    start $fast
    number=0
    while [ $number -lt "$kills" ]; do
        number=$((number + 1))
        echo forget >$file && echo scan >$file
        killed_while clear 200
        echo forget >$file && echo scan >$file
        echo clear >$file && echo forget >$file # all are new with the next scan
        killed_while scan 8000
    done
    kill_daemon
}

# Ten writers get through to a disk without room.
without_room() {
    mkdir /tmp/small
    mount -t tmpfs -o size=$1 none /tmp/small
    state=/tmp/small/state
    : >daemon.errors.before && cp daemon.errors daemon.errors.before
    run small-$1.start start $fast
    dd if=/dev/zero of=/tmp/small/filler bs=1024 2>/dev/null
    say small-$1.scan scan
    listed >small-$1.listed
    say small-$1.clear clear
    say small-$1.clear-2 clear
    listed >>small-$1.listed
    say small-$1.scan-2 scan
    listed >>small-$1.listed
    tail -n +$(($(wc -l <daemon.errors.before) + 1)) daemon.errors >small-$1.messages
    rm /tmp/small/filler
    # With room again the next save has all of it.
    say small-$1.clear-3 clear
    kill_daemon
    run small-$1.restart start $fast
    say small-$1.scan-3 scan
    listed >>small-$1.listed
    kill_daemon
    umount -l $mount 2>/dev/null
    umount /tmp/small
    rmdir /tmp/small
    state=/tmp/state
}

two_at_once() {
    start $fast
    run second orphan-static serve --state $state $quiet
    run second-elsewhere orphan-static serve --state $state --mount /tmp/elsewhere --socket /tmp/elsewhere.sock $quiet
    run second-state orphan-static serve --state /tmp/other-state --socket /tmp/elsewhere.sock $quiet
    say first-lives stack=on
    kill "$daemon"
    end_of "$daemon" two.end
}

# Whoever has the file open when the daemon goes is not in its way, nor it in theirs.
under_a_reader() {
    start $fast
    echo scan >$file
    (
        exec 3<$file
        dd bs=10 count=1 <&3 2>/dev/null
        sleep 5
        cat <&3
    ) >/dev/null 2>&1 &
    reader=$!
    sleep 1
    kill "$daemon"
    end_of "$daemon" under-reader.daemon
    end_of $reader under-reader.reader
    is_mounted && echo mounted >under-reader.left-behind
    start $fast
    (
        exec 3<$file
        sleep 3
        cat <&3
    ) >/dev/null 2>&1 &
    reader=$!
    sleep 1
    umount -l $mount
    sleep 1
    kill "$daemon" 2>/dev/null # it may have ended by itself
    end_of "$daemon" unmounted.daemon
    end_of $reader unmounted.reader
}

# Each writes down what it was refused.
reader_loop() {
    while [ ! -e /tmp/stop ]; do
        cat $file >/dev/null && cat $mount/kernel/status $mount/kernel/leaks.json $mount/kernel/log >/dev/null
        echo >>crowd/$1.done
    done 2>crowd/$1.errors
}
writer_loop() {
    while [ ! -e /tmp/stop ]; do
        for word in stack=on junk scan=off clear dump=0x123 forget age=0 $2; do
            echo $word >$file || echo "refused $word"
            [ -e /tmp/stop ] && break
        done
        echo >>crowd/$1.done
    done >crowd/$1.refused 2>crowd/$1.errors
}
crowd() {
    mkdir crowd
    start $fast
    rm -f /tmp/stop
    for number in $(seq 25); do
        reader_loop r$number &
        echo $! >>crowd.pids
        word=scan
        [ $number -le 5 ] || word=stack=on # or else all wait for scans most of the time
        writer_loop w$number $word &
        echo $! >>crowd.pids
    done
    sleep 20
    touch /tmp/stop
    while read -r pid; do
        end_of "$pid" crowd.end
        cat crowd.end >>crowd.ends
    done <crowd.pids
    cat crowd/*.done | wc -l >crowd.rounds
    cat crowd/*.refused | sort | uniq -c >crowd.refused
    cat crowd/*.errors | sed 's/.*: //' | sort | uniq -c >crowd.errors
    rm -r crowd
    say crowd.scan scan
}

junk() {
    dd if=/dev/urandom of=$file bs=1M count=1 2>junk.errors
    echo $? >junk.status
    dd if=/dev/zero of=$file bs=1M count=1 2>zeros.errors
    echo $? >zeros.status
    say junk.scan scan
    kill -INT "$daemon"
    end_of "$daemon" junk.end
    is_mounted && echo mounted >junk.left-behind
    dmesg >kernel.log
}

step() { # $1, with arguments; when it ended stands in the file steps
    "$@"
    echo "$(cut -d . -f 1 /proc/uptime) $*" >>steps
}

step killed_in_a_scan
step killed_at_any_moment
step without_room 256k
step without_room 64k
step two_at_once
step under_a_reader
step crowd
step junk
