# SPDX-License-Identifier: Apache-2.0
"""Run a shell script in a guest of tools/vm and get the files back that it leaves in /tmp/results."""

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

TESTS = Path(__file__).resolve().parent
VM_TOOLS = TESTS.parent / "tools" / "vm"

# Ends every script: its results travel as one compressed archive, since the serial line is slow.
SEND_RESULTS = "tar c -C /tmp/results . | gzip"


class GuestFailure(Exception):
    """The guest gave no results; its text says why."""


@dataclass
class Guest:
    """How to boot. `files`: paths that are copied to the guest's /root, which is on its PATH."""
    kernel: str = "6.1-cloud"
    cpus: int = 1
    memory_mb: int = 1024
    append: str = ""
    hotplug_mb: int = 0
    icount: bool = False
    modules: list = field(default_factory=list)
    files: list = field(default_factory=list)
    timeout_s: int = 600


def build_module(name, kernel, folder=TESTS / "kernel"):
    """Path of a module, one of tests/kernel unless told otherwise, built for `kernel`."""
    result = subprocess.run([VM_TOOLS / "build-module", folder / name, kernel], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, text=True)
    if result.returncode != 0:
        raise GuestFailure(f"the module {name} does not build for {kernel}; see above")
    return Path(result.stdout.strip())


def build_leaky(kernel):
    """Path of the module that leaks on purpose, built for `kernel`."""
    return build_module("leaky", kernel)


def run(guest, script):
    """Boot, run `script` (text of a shell script), and return {name: bytes} of what it left in /tmp/results."""
    with tempfile.TemporaryDirectory(prefix="orphan-test-") as directory:
        path = Path(directory) / "script.sh"
        path.write_text(f"mkdir /tmp/results\n{script}\n{SEND_RESULTS}\n")
        command = [VM_TOOLS / "vm", "--kernel", guest.kernel, "--cpus", str(guest.cpus), "--memory",
                   str(guest.memory_mb), "--timeout", str(guest.timeout_s), f"--append={guest.append}"]
        command += ["--hotplug", str(guest.hotplug_mb)] if guest.hotplug_mb else []
        command += ["--icount"] if guest.icount else []
        for module in guest.modules:
            command += ["--module", module]
        for file in [path, *stripped(guest.files, Path(directory))]:
            command += ["--file", file]
        result = subprocess.run([*command, "--", "sh", "/root/script.sh"], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE)
    if result.returncode != 0:
        raise GuestFailure(f"the guest ended with status {result.returncode}; see above")
    return unpack(result.stdout)


def stripped(files, directory):
    """Programs are copied without their debug information: everything in the guest takes up its memory."""
    for file in map(Path, files):
        if file.read_bytes()[:4] != b"\x7fELF" or file.suffix == ".ko" or not shutil.which("strip"):
            yield file
            continue
        copy = directory / file.name
        subprocess.run(["strip", "-o", copy, file], check=True)
        yield copy


def unpack(archive):
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            return {Path(member.name).name: tar.extractfile(member).read() for member in tar if member.isfile()}
    except (tarfile.TarError, EOFError) as error:
        sys.stderr.buffer.write(archive[-2000:])
        raise GuestFailure(f"the guest's results cannot be unpacked: {error}")
