# SPDX-License-Identifier: Apache-2.0
"""What the VM tools share: the error that ends them, the cache directory, and locks."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


class Failure(Exception):
    """An expected failure; its text is one line: what failed, why, what to do about it."""


def say(text):
    print(f"vm: {text}", file=sys.stderr, flush=True)


def cache_dir(*parts):
    """A directory below the cache, which is always outside the source tree. Created if missing."""
    root = os.environ.get("ORPHAN_CACHE")
    if not root:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "orphan"
    path = Path(root).absolute().joinpath(*parts)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failure(f"cannot create the cache {path}: {error.strerror}; set ORPHAN_CACHE to a writable directory")
    return path


def require_program(name, package):
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if not path:
        raise Failure(f"{name} is not installed; run './dev setup' or 'apt-get install {package}'")
    return path


def run(command, what, **options):
    """Run `command` and return its stdout; on failure raise with its last line of stderr."""
    try:
        result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, **options)
    except FileNotFoundError as error:
        raise Failure(f"{what}: there is no {error.filename} here; a Debian host is needed")
    if result.returncode != 0:
        lines = (result.stderr.strip() or f"exit status {result.returncode}").splitlines()
        raise Failure(f"{what}: {lines[-1]}")
    return result.stdout


@contextlib.contextmanager
def lock(path, waiting_for):
    """Hold an exclusive lock on the file `path`; the kernel drops it if this process dies."""
    with open(path, "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for {waiting_for}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def cached(kind, entry, fill):
    """The directory <cache>/<kind>/<entry>, made by fill(a directory for downloads, where to unpack) when missing."""
    place = cache_dir(kind) / entry
    if place.is_dir():
        return place
    with lock(cache_dir() / f"{kind}.lock", "another download"):
        if place.is_dir():
            return place
        say(f"fetching {entry}")
        with tempfile.TemporaryDirectory(prefix=".new-", dir=place.parent) as temporary:
            unpacked = Path(temporary) / "root"
            fill(Path(temporary), unpacked)
            unpacked.rename(place)
    return place


def main(function, failure_status=1):
    """Run a tool's main function: failures become one line on stderr and `failure_status`."""
    try:
        sys.exit(function())
    except Failure as failure:
        say(failure)
        sys.exit(failure_status)
    except KeyboardInterrupt:
        sys.exit(130)
