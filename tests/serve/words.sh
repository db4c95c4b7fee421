#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes words to a file that takes kmemleak's, and prints for each whether it was taken, or why not: "WORD: taken", "WORD: Invalid argument".
#   words.sh FILE    FILE is /sys/kernel/debug/kmemleak, or the daemon's. In the end it is off, which kmemleak stays until the machine is booted anew.

file=$1

try() { # the word $1, which is called $2 where it cannot be printed as it is
    if error=$( (printf "%s" "$1" | cat >"$file") 2>&1); then
        echo "${2:-$1}: taken"
    else
        echo "${2:-$1}: ${error##*: }"
    fi
}

for word in clear clearly 'clear ' Clear ' clear' stack=on stack=off stack=only stack= stack stack=maybe scan=on scan=off scan=offside scan=0 \
    scan=0x10 scan=010 scan=08 scan=+5 scan=-1 scan= scan=junk scan=5x 'scan=5 ' scan=4294967295 scan=4294967296 scan=99999999999 \
    scan=18446744073709551616 scan scanx 'scan now' dump= dump=junk dump=0x123 dump=123 dump=-1 dump=0x10000000000000000 dump dumb foo \
    o ofF on onward '?'; do
    try "$word"
done
try 'scan=7
' 'scan=7 and a newline'
try 'scan=7

' 'scan=7 and two newlines'
try '
' 'a newline'
try "$(printf 'scan=%058d' 600)" '63 bytes'
try "$(printf 'scan=%057dx9' 600)" '64 bytes, the 63rd of them an x'
try "$(printf 'scan=%058dx' 600)" '64 bytes, the last of them an x'
try "$(printf 'scan%0200d' 0)" '204 bytes that begin with scan'
for word in off scan scan=on stack=on dump=0x123 foo clear off; do
    echo "$(try "$word") (off)"
done
