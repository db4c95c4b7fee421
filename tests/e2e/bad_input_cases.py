# SPDX-License-Identifier: Apache-2.0
"""What goes wrong around `orphan scan`, `orphan track` and the daemon, and what they then have to say.

A case is a piece of shell that ends with one of them, and runs in a mount namespace of its own in /tmp/results, where it may
leave files. What it needs beside that is in PRELUDE.
"""

from dataclasses import dataclass

NO_LEAKS, LEAKS, USAGE, COULD_NOT_LOOK, PARTIAL = range(5)
KILLED = 128 + 2  # what a shell says of a program that SIGINT ended

# `quick` scans as fast as it can, `tracked` does so after tracking. `interrupted SIGNAL MICROSECONDS… -- COMMAND…` runs a command in the foreground (a
# shell's background jobs ignore SIGINT) and sends it the signal after each of the times.
PRELUDE = r"""
cd /tmp/results || exit
echo 'nobody:x:65534:65534::/:/bin/sh' >/etc/passwd
mount -t securityfs none /sys/kernel/security
mkdir /tmp/place
cat >/bin/quick <<'END'
#!/bin/sh
exec orphan-static scan --passes 2 --interval 0 --min-age 0 "$@"
END
cat >/bin/tracked <<'END'
#!/bin/sh
exec orphan-static track --passes 2 --interval 0 --min-age 0 "$@"
END
cat >/bin/interrupted <<'END'
#!/bin/sh
signal=$1 delays=
shift
while [ "$1" != -- ]; do delays="$delays $1"; shift; done
shift
( for delay in $delays; do usleep "$delay"; kill -s "$signal" $$; done ) >/dev/null 2>&1 </dev/null &
exec "$@"
END
chmod +x /bin/quick /bin/tracked /bin/interrupted
"""


@dataclass(frozen=True)
class Case:
    """`says`: every word that the one line on stderr has to contain; none: nothing on stderr. `json`: fields that the
    report, in `file`, has; `left`: names that the case leaves in /tmp/place (of which it writes a list)."""
    name: str
    shell: str
    status: int
    says: tuple = ()
    json: dict | None = None
    file: str = "out"
    left: str | None = None


def bind(path, content):
    """Shell: put what `content` writes in the place of a file."""
    return f"{content} >/tmp/bound; mount --bind /tmp/bound {path}"


def in_place(mount_options, then):
    """Shell: run `then` with a small file system at /tmp/place, note what is left there, keep the status."""
    return f"mount -t tmpfs -o {mount_options} none /tmp/place; {then}; s=$?; ls -A /tmp/place >left; exit $s"


FAILED_OUTPUT = ("cannot write the report", ";")
INTERRUPTED = {"interrupted": True, "settled": False, "leaks": []}

CASES = (
    # What it takes to read the kernel.
    Case("not-root", "su -s /bin/sh nobody -c '/root/orphan-static scan'", COULD_NOT_LOOK, ("/proc/kcore", "run as root")),
    Case("no-proc", "umount -l /proc; orphan-static scan", COULD_NOT_LOOK, ("/proc/kcore", "/proc is not mounted")),
    Case("hidden-kcore", "mount --bind /dev/null /proc/kcore; orphan-static scan", COULD_NOT_LOOK,
         ("/proc/kcore", "container")),
    Case("text-kcore", f"{bind('/proc/kcore', 'seq 1000')}; orphan-static scan", COULD_NOT_LOOK, ("/proc/kcore",)),
    Case("short-kcore", f"{bind('/proc/kcore', 'head -c 200 /proc/kcore')}; orphan-static scan", COULD_NOT_LOOK,
         ("/proc/kcore", "ends")),
    Case("headers-only-kcore", f"{bind('/proc/kcore', 'head -c 8192 /proc/kcore')}; orphan-static scan", COULD_NOT_LOOK,
         ("/proc/kcore",)),
    Case("no-btf", "mount -t tmpfs none /sys/kernel/btf; orphan-static scan", COULD_NOT_LOOK,
         ("/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF")),
    Case("empty-btf", f"{bind('/sys/kernel/btf/vmlinux', 'true')}; orphan-static scan", COULD_NOT_LOOK,
         ("/sys/kernel/btf/vmlinux",)),
    Case("short-btf", f"{bind('/sys/kernel/btf/vmlinux', 'head -c 1000000 /sys/kernel/btf/vmlinux')}; orphan-static scan",
         COULD_NOT_LOOK, ("/sys/kernel/btf/vmlinux",)),
    Case("text-btf", f"{bind('/sys/kernel/btf/vmlinux', 'seq 1000')}; orphan-static scan", COULD_NOT_LOOK,
         ("/sys/kernel/btf/vmlinux",)),
    Case("unknown-layout", bind("/sys/kernel/btf/vmlinux", "sed 's/slab_caches/slab_cachez/g; s/kmem_cache_node/"
                                "kmem_cache_nodf/g; s/pcpu_chunk/pcpu_chunc/g' /sys/kernel/btf/vmlinux") +
         "; orphan-static scan", COULD_NOT_LOOK, ("pcpu_chunk",)),
    # What it does without.
    Case("hidden-symbols", "echo 2 >/proc/sys/kernel/kptr_restrict; mount --bind /dev/null /proc/kallsyms; "
                           "quick --format json; s=$?; echo 0 >/proc/sys/kernel/kptr_restrict; exit $s",
         LEAKS, json={"interrupted": False}),
    Case("no-slabinfo", "mount --bind /dev/null /proc/slabinfo; quick --format json", LEAKS, json={"self_test": None}),
    Case("no-sysfs-names", "mount -t tmpfs none /sys/kernel/slab; quick --format json", LEAKS, json={"interrupted": False}),
    # Where the report goes.
    Case("file", in_place("size=1m", "quick --format json --output /tmp/place/report; "
                          "s=$?; cp /tmp/place/report report; (exit $s)"), LEAKS,
         json={"interrupted": False}, file="report", left="report"),
    Case("full-disk", in_place("size=8k", "quick --format json --output /tmp/place/report"), COULD_NOT_LOOK,
         (*FAILED_OUTPUT, "/tmp/place/report", "No space left", "make room"), left=""),
    Case("full-disk-old-report", in_place("size=8k", "echo '{\"old\": 1}' >/tmp/place/report; "
                                          "quick --format json --output /tmp/place/report; "
                                          "s=$?; cp /tmp/place/report report; (exit $s)"),
         COULD_NOT_LOOK, (*FAILED_OUTPUT, "make room"), json={"old": 1}, file="report", left="report"),
    Case("full-device", "quick --output /dev/full", COULD_NOT_LOOK, (*FAILED_OUTPUT, "/dev/full", "No space left")),
    Case("no-directory", "quick --output /tmp/place/missing/report; s=$?; ls -A /tmp/place >left; exit $s", COULD_NOT_LOOK,
         (*FAILED_OUTPUT, "/tmp/place/missing/report", "create its directory"), left=""),
    Case("read-only-disk", in_place("ro", "quick --output /tmp/place/report"), COULD_NOT_LOOK,
         (*FAILED_OUTPUT, "/tmp/place/report", "Read-only"), left=""),
    Case("directory", "quick --output /tmp/place", COULD_NOT_LOOK, (*FAILED_OUTPUT, "/tmp/place", "Is a directory")),
    Case("full-stdout", "quick >/dev/full", COULD_NOT_LOOK, (*FAILED_OUTPUT, "standard output", "No space left")),
    Case("closed-stdout", "quick >&-", COULD_NOT_LOOK, ("cannot write the report", "standard output", "it is closed")),
    Case("closed-stderr", "quick --format json 2>&-", LEAKS, json={"interrupted": False}),
    Case("nobody-reads", "( quick --format json; echo $? >/tmp/status ) | true; exit $(cat /tmp/status)", COULD_NOT_LOOK,
         (*FAILED_OUTPUT, "standard output")),
    # Suppressions.
    Case("no-suppressions", "quick --suppressions /tmp/nowhere.toml", COULD_NOT_LOOK, ("/tmp/nowhere.toml", "No such file")),
    Case("wrong-suppressions", "printf '[[suppress]]\nname = \"a\"\ncahce = \"b\"\n' >rules; quick --suppressions rules",
         COULD_NOT_LOOK, ("rules:3:", "cahce", "docs/suppressions.md")),
    Case("suppressed", "printf '[[suppress]]\nname = \"all\"\ncache = \"*\"\n' >rules; "
                       "quick --format json --suppressions rules", NO_LEAKS, json={"leaks": []}),
    # Recordings.
    Case("record-and-replay", "quick --format json --record recording >first; "
         "orphan-static scan core:recording --format json; s=$?; rm recording; exit $s", LEAKS, json={"interrupted": False}),
    Case("replay-without-root", "quick --format json --record /tmp/recording >first; chmod 644 /tmp/recording; "
         "su -s /bin/sh nobody -c '/root/orphan-static scan core:/tmp/recording --format json'; s=$?; rm /tmp/recording; exit $s",
         LEAKS, json={"interrupted": False}),
    Case("replay-of-another-user", "quick --format json --record /tmp/recording >first; "
         "su -s /bin/sh nobody -c '/root/orphan-static scan core:/tmp/recording'; s=$?; rm /tmp/recording; exit $s",
         COULD_NOT_LOOK, ("/tmp/recording", "Permission denied")),
    Case("replay-of-half", "quick --format json --record whole >first; head -c 1000000 whole >half; "
         "orphan-static scan core:half; s=$?; rm whole half; exit $s", COULD_NOT_LOOK, ("half", "at byte", "cut short", "copy it")),
    Case("replay-of-kcore", "orphan-static scan core:/proc/kcore", COULD_NOT_LOOK, ("/proc/kcore", "memory dump")),
    Case("record-full-disk", in_place("size=1m", "quick --record /tmp/place/recording"), COULD_NOT_LOOK,
         ("cannot write the recording", "/tmp/place/recording", "No space left", "make room"), left=""),
    Case("record-no-directory", "quick --record /tmp/place/missing/recording", COULD_NOT_LOOK,
         ("cannot write the recording", "create its directory")),
    Case("record-device", "quick --record /dev/null", COULD_NOT_LOOK, ("/dev/null", "not a regular file")),
    Case("record-not-root", in_place("size=1m,mode=777", "su -s /bin/sh nobody -c "
                                     "'/root/orphan-static scan --record /tmp/place/recording'"),
         COULD_NOT_LOOK, ("/proc/kcore", "run as root"), left=""),
    Case("record-stopped", in_place("size=200m", "interrupted INT 5000000 -- orphan-static scan --format json --interval 60 "
                                    "--record /tmp/place/recording"), PARTIAL, ("/tmp/place/recording: not written", "stopped"),
         json={**INTERRUPTED, "scans": 1}, left=""),
    Case("record-killed", in_place("size=200m", "sh -c 'interrupted KILL 3000000 -- orphan-static scan --interval 60 "
                                   "--record /tmp/place/recording; true' 2>/dev/null"), 0, left=""),
    # Tracking, and what it does without.
    Case("track-not-root", "su -s /bin/sh nobody -c '/root/orphan-static track -- true'", COULD_NOT_LOOK,
         ("/proc/kcore", "run as root")),
    Case("track-no-btf", "mount -t tmpfs none /sys/kernel/btf; orphan-static track -- true", COULD_NOT_LOOK,
         ("/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF")),
    Case("track-no-tracefs", "umount -l /sys/kernel/debug; tracked --format json -- true", LEAKS, json={"interrupted": False}),
    Case("track-no-program", "tracked -- /no/such/program", COULD_NOT_LOOK, ("/no/such/program", "cannot be started")),
    Case("track-unknown-cache", "tracked --cache no_such -- true", COULD_NOT_LOOK, ("--cache", "no_such", "/proc/slabinfo")),
    Case("track-no-cgroup", "tracked --cgroup /tmp -- true", COULD_NOT_LOOK, ("--cgroup", "/tmp", "/sys/fs/cgroup")),
    Case("track-no-report", "tracked --suspects /proc/version -- true", COULD_NOT_LOOK,
         ("/proc/version", "orphan scan --format=json")),
    Case("track-save-no-directory", "tracked --save /tmp/place/missing/notes -- true", COULD_NOT_LOOK,
         ("cannot write the notes", "/tmp/place/missing/notes", "create its directory")),
    Case("track-save-full-disk", in_place("size=4k", "tracked --save /tmp/place/notes -- sh -c 'ls -R /sys/kernel >/dev/null'"), COULD_NOT_LOOK,
         ("cannot write the notes", "/tmp/place/notes", "No space left", "make room"), left=""),
    Case("track-stopped", "interrupted TERM 2000000 4000000 -- orphan-static track --format json --interval 60 --min-age 0", PARTIAL,
         json={**INTERRUPTED, "scans": 1}),
    Case("notes-of-nothing", "quick --notes /proc/version", COULD_NOT_LOOK, ("/proc/version", "orphan track --save")),
    Case("notes-of-half", "tracked --save whole -- true >first; head -c 1000 whole >half; quick --notes half; s=$?; rm whole half; "
                          "exit $s", COULD_NOT_LOOK, ("half", "cut short")),
    Case("notes-of-another-boot", "tracked --save notes -- true >first; "
         f"{bind('/proc/sys/kernel/random/boot_id', 'echo 0-0')}; quick --notes notes; s=$?; rm notes; exit $s", COULD_NOT_LOOK,
         ("notes", "another boot", "track anew")),
    Case("outstanding-not-root", "su -s /bin/sh nobody -c '/root/orphan-static track --outstanding -- true'", COULD_NOT_LOOK,
         ("/proc/kallsyms", "run as root")),
    Case("outstanding-no-btf", "mount -t tmpfs none /sys/kernel/btf; orphan-static track --outstanding -- true", COULD_NOT_LOOK,
         ("/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF")),
    Case("outstanding-no-kcore", "mount --bind /dev/null /proc/kcore; orphan-static track --outstanding --min-age 0 --format json -- "
                                 "sh -c 'echo 1 >/sys/kernel/debug/leaky/plant'", LEAKS, json={"schema": 1}),
    # The daemon, before it runs. This guest has no FUSE.
    Case("serve-not-root", "su -s /bin/sh nobody -c '/root/orphan-static serve'", COULD_NOT_LOOK, ("run as root",)),
    Case("serve-no-fuse", "orphan-static serve --no-track", COULD_NOT_LOOK, ("/dev/fuse", "modprobe fuse")),
    Case("serve-no-kcore", "mount --bind /dev/null /proc/kcore; orphan-static serve", COULD_NOT_LOOK, ("/proc/kcore", "container")),
    Case("serve-no-group", "orphan-static serve --group nosuch", COULD_NOT_LOOK, ("--group", "nosuch", "number")),
    Case("serve-state-is-a-file", "orphan-static serve --state /proc/version", COULD_NOT_LOOK, ("/proc/version",)),
    Case("serve-mount-is-a-file", "orphan-static serve --no-track --mount /proc/version", COULD_NOT_LOOK, ("/proc/version",)),
    Case("serve-socket-too-long", f"orphan-static ctl --socket /{'x' * 120} status", COULD_NOT_LOOK, ("socket", "bytes")),
    Case("serve-bad-metrics", "orphan-static serve --metrics here", COULD_NOT_LOOK, ("--metrics", "here")),
    Case("ctl-no-daemon", "orphan-static ctl status", COULD_NOT_LOOK, ("/run/orphan.sock", "orphan serve")),
    # Signals. The first pass ends after about a second.
    *(Case(f"stopped-after-{ms}-ms", f"interrupted INT {ms}000 -- orphan-static scan --format json --interval 60", PARTIAL,
           json=INTERRUPTED) for ms in (50, 150, 250, 400, 600)),
    Case("stopped-while-waiting", "interrupted INT 4000000 -- orphan-static scan --format json --interval 60", PARTIAL,
         json={**INTERRUPTED, "scans": 1}),
    Case("terminated-while-waiting", "interrupted TERM 4000000 -- orphan-static scan --format json --interval 60", PARTIAL,
         json={**INTERRUPTED, "scans": 1}),
    Case("nohup", "trap '' HUP; interrupted HUP 300000 -- quick --format json", LEAKS, json={"interrupted": False}),
    # Nobody empties the pipe: the first ^C does not help, the second does.
    Case("stopped-twice", "mkfifo /tmp/pipe; sleep 60 </tmp/pipe & interrupted INT 6000000 1000000 -- quick --format json "
                          ">/tmp/pipe; s=$?; kill $!; exit $s", KILLED),
    # Lockdown can be raised but not lowered: these come last.
    Case("lockdown-integrity", "echo integrity >/sys/kernel/security/lockdown; quick --format json", LEAKS,
         json={"interrupted": False}),
    Case("lockdown-confidentiality", "echo confidentiality >/sys/kernel/security/lockdown; orphan-static scan",
         COULD_NOT_LOOK, ("/proc/kcore", "lockdown=confidentiality", "boot it with")),
    Case("lockdown-track", "orphan-static track -- true", COULD_NOT_LOOK, ("/proc/kcore", "lockdown=confidentiality")),
    Case("lockdown-outstanding", "orphan-static track --outstanding -- true", COULD_NOT_LOOK, ("locked down to confidentiality", "boot it with")),
    Case("lockdown-without-securityfs", "umount /sys/kernel/security; orphan-static scan", COULD_NOT_LOOK,
         ("/proc/kcore", "lockdown")),
)


def script():
    """Runs all cases; of each NAME.out, NAME.errors, NAME.status, NAME.FILE for what it left, and NAME.seconds."""
    parts = [PRELUDE]
    for case in CASES:
        parts.append(f"""
cat >/tmp/case.sh <<'END_OF_CASE'
{case.shell}
END_OF_CASE
read -r started _ </proc/uptime
mkdir {case.name}; cd {case.name}
unshare -m sh /tmp/case.sh >out 2>errors
echo $? >status
read -r ended _ </proc/uptime
echo "$started $ended" >seconds
cd ..; for file in {case.name}/*; do mv "$file" "{case.name}.${{file#*/}}"; done; rmdir {case.name}
""")
    return "".join(parts)
