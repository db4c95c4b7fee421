#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Churn of kernel memory in a test guest: processes, tmpfs, ext4 on a loop device, pipes, TCP over loopback.
#   load.sh start   start the workers in the background, at a low priority
#   load.sh stop    end them, wait for them, and print how many rounds each has made
# Each worker frees in a round what it made in it, so memory does not grow. The ext4 worker needs the loop driver.

STATE=/run/load
WORKERS="processes tmpfs pipes tcp ext4"
PORT=8099

round_of_processes() {
    /bin/busybox true
    sh -c '/bin/busybox sh -c "exit 0"'
    ls -l /proc/self/fd >/dev/null
    cat /proc/self/maps /proc/self/status >/dev/null
}

write_and_delete_files() { # in directory $1
    mkdir -p "$1/a/b/c"
    for i in 1 2 3 4 5 6 7 8; do
        dd if=/dev/zero of="$1/a/b/file$i" bs=1k count=$((i * 8))
        ln "$1/a/b/file$i" "$1/a/b/c/link$i"
        ln -s "$1/a/b/file$i" "$1/a/symlink$i"
        mv "$1/a/b/file$i" "$1/a/moved$i"
    done
    find "$1" -type f
    rm -r "$1/a"
}

round_of_tmpfs() {
    write_and_delete_files $STATE/tmpfs
}

round_of_pipes() {
    dd if=/dev/zero bs=4k count=64 | cat | tr '\0' x | wc -c
}

setup_tcp() {
    dd if=/dev/zero of=$STATE/www/file bs=1k count=100
    httpd -f -p 127.0.0.1:$PORT -h $STATE/www &
    httpd_pid=$!
    sleep 1
}
round_of_tcp() {
    wget -q -O /dev/null http://127.0.0.1:$PORT/file
    # Each connection stays a minute in TIME_WAIT: bound how many there are.
    usleep 100000
}
teardown_tcp() {
    kill "$httpd_pid"
    wait "$httpd_pid"
}

setup_ext4() {
    dd if=/dev/zero of=$STATE/image bs=1M count=16 &&
        mke2fs -F $STATE/image &&
        mount -t ext4 -o loop $STATE/image $STATE/ext4
}
round_of_ext4() {
    write_and_delete_files $STATE/ext4
    sync -f $STATE/ext4
}
teardown_ext4() {
    umount -d $STATE/ext4
}

setup_processes() { :; }
setup_tmpfs() { :; }
setup_pipes() { :; }
teardown_processes() { :; }
teardown_tmpfs() { :; }
teardown_pipes() { :; }

work() { # as worker $1, until told to stop
    rounds=0
    if setup_"$1"; then
        while [ ! -e $STATE/stop ]; do
            round_of_"$1"
            rounds=$((rounds + 1))
        done
        teardown_"$1"
    fi
    echo "$1 $rounds" >"$STATE/rounds.$1"
}

start() {
    if [ -e $STATE ]; then
        echo "load.sh: already started" >&2
        return 1
    fi
    mkdir -p $STATE/tmpfs $STATE/ext4 $STATE/www
    renice -n 10 -p $$ >/dev/null
    for worker in $WORKERS; do
        work "$worker" </dev/null >/dev/null 2>&1 &
        echo $! >>$STATE/pids
    done
}

stop() {
    if [ ! -e $STATE/pids ]; then
        echo "load.sh: not started" >&2
        return 1
    fi
    touch $STATE/stop
    while read -r pid; do
        while kill -0 "$pid" 2>/dev/null; do usleep 100000; done
    done <$STATE/pids
    cat $STATE/rounds.*
    rm -r $STATE
}

case "$1" in
start) start ;;
stop) stop ;;
*)
    echo "usage: load.sh start|stop" >&2
    exit 2
    ;;
esac
