# SPDX-License-Identifier: Apache-2.0
"""Run a command in a stock kernel under QEMU.

Four serial lines: the console (to a file), the command's stdout and stderr, and the control line on which init.sh
reports. QEMU gets each of the last three as one end of a socket pair. Always emulation (TCG) on one host thread:
QEMU's multi-threaded mode now and then breaks a kernel that patches its own code while booting.
"""

import ctypes
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import initramfs
from common import Failure, cache_dir, lock, require_program, say

START_LIMIT_S = 90   # from power-on to the "started" report
END_LIMIT_S = 10     # from the "exit" report to the end of QEMU
STATUS_TIMEOUT = 124
STATUS_NO_REPORT = 125
PR_SET_PDEATHSIG = 1


@dataclass
class Request:
    """What to boot and what to run in it."""
    command: list
    files: list = field(default_factory=list)    # (Path on the host, path in the guest)
    modules: list = field(default_factory=list)  # names, or paths of .ko files, each maybe followed by parameters
    memory_mb: int = 1024
    cpus: int = 1
    append: str = ""
    hotplug_mb: int = 0
    timeout_s: float = 600
    icount: bool = False
    keep_console: Path | None = None


@dataclass
class Outcome:
    """How one boot ended. `status` is the exit status of the command, None if it was not reported."""
    status: int | None = None
    started: bool = False
    timed_out: bool = False
    failed: str = ""


def run(kernel, request):
    """Boot `kernel`, run the command, pass on its output as it comes; returns the exit status for this process."""
    require_program("qemu-system-x86_64", "qemu-system-x86")
    deadline = None
    with tempfile.TemporaryDirectory(prefix="orphan-vm-") as directory:
        archive = Path(directory) / "initramfs"
        console = Path(directory) / "console.log"
        initramfs.build(archive, kernel, request)
        with lock(cache_dir() / "vm.lock", "another VM to end"):
            for attempt in (1, 2):
                deadline = time.monotonic() + request.timeout_s
                outcome = boot(kernel, request, archive, console, deadline)
                if outcome.started or outcome.timed_out or outcome.failed or attempt == 2:
                    break
                say(f"{kernel.release} did not start ({console_reason(console)}); trying once more")
        return conclude(outcome, request, console)


def boot(kernel, request, archive, console, deadline):
    """One boot, until QEMU has ended."""
    streams = {name: socket.socketpair() for name in ("stdout", "stderr", "control")}
    process = None
    try:
        ends = {name: pair[1].fileno() for name, pair in streams.items()}
        process = subprocess.Popen(qemu_command(kernel, request, archive, console, ends), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=ends.values(),
                                   start_new_session=True, preexec_fn=die_with_parent)
        for pair in streams.values():
            pair[1].close()
        outcome = follow({name: pair[0] for name, pair in streams.items()}, deadline)
        if end(process) == 1:  # what it exits with when it cannot do what it was asked to
            complaint = process.stderr.read().decode(errors="replace").strip() or "it does not say why"
            raise Failure(f"QEMU failed: {complaint.splitlines()[-1]}")
        return outcome
    finally:
        if process:
            process.kill()
            process.communicate()
        for pair in streams.values():
            pair[0].close()
            pair[1].close()


def end(process):
    """QEMU's exit status; one that does not end by itself is killed."""
    try:
        return process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def memory_options(request):
    """What is plugged in besides is no memory of the kernel's before init puts it online."""
    if not request.hotplug_mb:
        return ["-m", str(request.memory_mb)]
    most = request.memory_mb + request.hotplug_mb
    return ["-m", f"{request.memory_mb}M,slots=1,maxmem={most}M",
            "-object", f"memory-backend-ram,id=plugged,size={request.hotplug_mb}M", "-device", "pc-dimm,memdev=plugged"]


def qemu_command(kernel, request, archive, console, ends):
    # Warnings (level 4) and worse go to the console: a test that makes the kernel warn should see it.
    arguments = f"console=ttyS0 loglevel=5 panic=-1 {request.append}".strip()
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=single", "-cpu", "max", *memory_options(request),
               "-smp", str(request.cpus), "-nodefaults", "-no-user-config", "-display", "none", "-nic", "none",
               "-no-reboot", "-kernel", kernel.image, "-initrd", archive, "-append", arguments,
               "-chardev", f"file,id=console,path={console}", "-device", "isa-serial,chardev=console,index=0"]
    # Interrupts of their own: by default the third and fourth line share those of the first and second.
    for index, (name, irq) in enumerate((("stdout", 3), ("stderr", 5), ("control", 7)), start=1):
        command += ["-chardev", f"socket,id={name},fd={ends[name]}",
                    "-device", f"isa-serial,chardev={name},index={index},irq={irq}"]
    if request.icount:
        command += ["-icount", "shift=0,sleep=off"]
    return command


def follow(streams, deadline):
    """Pass on what the guest writes, until QEMU closes all three streams or a limit is reached."""
    outcome = Outcome()
    limit = min(deadline, time.monotonic() + START_LIMIT_S)
    reports = b""
    sinks = {"stdout": sys.stdout.buffer, "stderr": sys.stderr.buffer}
    with selectors.DefaultSelector() as selector:
        for name, stream in streams.items():
            selector.register(stream, selectors.EVENT_READ, name)
        while selector.get_map():
            ready = selector.select(max(0, limit - time.monotonic()))
            if not ready and time.monotonic() >= limit:
                outcome.timed_out = limit == deadline and outcome.status is None
                return outcome
            for key, _ in ready:
                data = receive(key.fileobj)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.data == "control":
                    *lines, reports = (reports + data).split(b"\n")
                    for line in lines:
                        take_report(line.decode(errors="replace").strip(), outcome)
                    limit = min(deadline, time.monotonic() + END_LIMIT_S) if has_ended(outcome) else (
                        deadline if outcome.started else limit)
                else:
                    sinks[key.data].write(data)
                    sinks[key.data].flush()
    return outcome


def receive(stream):
    try:
        return stream.recv(1 << 16)
    except ConnectionResetError:  # QEMU ended with something unread on its side
        return b""


def take_report(line, outcome):
    word, _, rest = line.partition(" ")
    if word == "started":
        outcome.started = True
    elif word == "failed":
        outcome.failed = rest
    elif word == "exit" and rest.isdigit():
        outcome.status = int(rest)


def has_ended(outcome):
    return outcome.status is not None or outcome.failed


def conclude(outcome, request, console):
    """Say what went wrong, keep the console if that may help, and choose our exit status."""
    if request.keep_console:
        try:
            shutil.copyfile(console, request.keep_console)
        except OSError as error:
            raise Failure(f"cannot write {request.keep_console}: {error.strerror}")
    if outcome.status is not None:
        return outcome.status
    kept = request.keep_console or keep(console)
    if outcome.failed:
        say(f"{outcome.failed}; console: {kept}")
        return STATUS_NO_REPORT
    if outcome.timed_out:
        say(f"the command did not end in {request.timeout_s:g} s (see --timeout); console: {kept}")
        return STATUS_TIMEOUT
    stage = "the guest ended before the command did" if outcome.started else "the guest did not start"
    say(f"{stage} ({console_reason(console)}); console: {kept}")
    return STATUS_NO_REPORT


def keep(console):
    place = cache_dir("consoles") / time.strftime(f"%Y%m%d-%H%M%S-{os.getpid()}.log")
    shutil.copyfile(console, place)
    return place


def console_reason(console):
    """The most telling line of a console: what the kernel stopped with, else the last thing it said."""
    lines = [line.strip() for line in console.read_text(errors="replace").splitlines() if line.strip()]
    for text in ("BUG:", "Oops", "general protection", "Kernel panic", "Out of memory"):
        for line in lines:
            if text in line:
                return line
    return lines[-1] if lines else "the console is empty"
