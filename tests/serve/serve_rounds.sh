#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# In the guest of serve_test: what a user does with the daemon's files, one thing after the other. Leaves what came back in /tmp/results: for each
# command NAME, NAME.errors and NAME.status.

# shellcheck disable=SC1091,SC2086,SC2154  # daemon.sh, beside this file, sets mount, file and daemon
cd /tmp/results || exit
. /root/daemon.sh
status() { cat $mount/kernel/status >"$1"; }

files_and_a_clean_kernel() {
    run start start --interval 1 --min-age 2
    run list ls -ln $mount/kernel
    run before-any-scan cat $file
    status status.before
    (say scan scan) &
    scanner=$!
    wait_for is_scanning && echo yes >scanning
    status status.meanwhile
    run clean cat $file
    status status.read
    end_of $scanner scanner
    # When a write returns, its scan has ended.
    say scan-2 scan
    status status.after
    run clean-2 cat $file
}

reading() {
    load_module
    cat /sys/kernel/debug/kmemleak-test/objects >truth
    scan_for 14 loaded
    status status.loaded
    cat $mount/kernel/leaks.json >leaks.json
    run again cat $file
    for size in 1 7 4096; do
        run read-$size dd if=$file bs=$size
    done
    run skipped dd if=$file bs=16 skip=5
    run tail tail -c +1001 $file
    # From one open file: the list of the moment when it was opened, though another scan has ended meanwhile.
    { dd bs=100 count=1 && echo scan >$file && cat; } <$file >open-file 2>/dev/null
}

# As kmemleak answers them, which ends with being off.
all_words() {
    run words words.sh $file
    say words-on on
    say words-scan-off scan=off
    say words-stack-on stack=on
}

# kmemleak's words are prefixes, ours are not.
wrong_words() {
    for word in onward statusx forgetful age= age=x age=-1 age=5x why= why=junk; do
        say "wrong-$word" "$word"
    done
    (: >$file) 2>truncate.errors
    echo $? >truncate.status
    (echo stack=on >>$file) 2>append.errors
    echo $? >append.status
}

good_words() {
    say stack-off stack=off
    status status.stack-off
    say stack-on 'stack=on and more'
    status status.stack-on
    say scan-on scan=on
    status status.scan-on
    say scan-off scan=off
    status status.scan-off
    # Octal, as 0 in front says, in kmemleak too: 0600 is 384. One byte more, and the last digit is cut off.
    say bytes-63 "$(printf 'scan=%058d' 600)"
    status status.bytes-63
    say bytes-64 "$(printf 'scan=%059d' 600)"
    status status.bytes-64
    say scan-0 scan=0
    status status.scan-0
    say age age=3
    status status.age
    run age-2 orphan-static ctl age=2
    say scanx scanx
    status status.scanx
}

# Of one leak, by its start and by an address inside of it; of what is in use only why.
asking() {
    leak=$(awk '$2 == "kmalloc" && $4 == 1024 { print $3; exit }' truth)
    kept=$(awk '$1 == "kept" { print $3; exit }' truth)
    say dump-start "dump=$leak"
    say dump-inside "dump=$(printf '0x%x' $((leak + 72)))"
    cat $mount/kernel/log >log.dump
    run ctl-dump orphan-static ctl "dump=$leak"
    run ctl-why-leak orphan-static ctl "why=$leak"
    run ctl-why-kept orphan-static ctl "why=$kept"
    say why "why=$kept"
    cat $mount/kernel/log >log.why
    run ctl-status orphan-static ctl status
    run ctl-junk orphan-static ctl scan=junk
    run ctl-nobody orphan-static ctl --socket /tmp/nobody.sock status
    run ctl-nothing orphan-static ctl
}

off_and_on() {
    say off off
    status status.off
    for word in age=5 forget why=0x123; do # of ours; the others are among all_words
        say "off-$word" "$word"
    done
    run ctl-off orphan-static ctl scan
    run read-off cat $file
    say on on
    status status.on
    say scan-on-again scan
}

clearing() {
    scan_for 14 before-clear
    say clear clear
    run cleared cat $file
    status status.cleared
    rmmod kmemleak_test
    # kmemleak-test keeps ten elements and a block for each CPU until it is unloaded.
    scan_for $((10 + $(possible_cpus))) unloaded
    status status.unloaded
    say clear-2 clear
    say scan-after-clear scan
    run cleared-2 cat $file
    say forget forget
    scan_for $((24 + $(possible_cpus))) forgotten
    status status.forgotten
    cat $mount/kernel/log >log
    possible_cpus >cpus
}

checker() {
    run checker-leaks leak_checker.sh $file /root/kmemleak-test.ko
    say clear-3 clear
    run checker-clean leak_checker.sh $file
}

ending() {
    kill "$daemon"
    end_of "$daemon" daemon.end
    is_mounted && echo mounted >left-behind
    [ ! -e /run/orphan.sock ] || echo socket >>left-behind
    run ctl-ended orphan-static ctl status
    dmesg >kernel.log
}

files_and_a_clean_kernel
all_words
reading
wrong_words
good_words
asking
off_and_on
clearing
checker
ending
