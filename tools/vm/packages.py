# SPDX-License-Identifier: Apache-2.0
"""Debian packages by apt-get: from the machine's own sources, or from another suite of the same mirror.

Nothing is installed. Another suite is asked through a configuration of its own in the cache, so that the machine's apt
never learns of it. Where the mirror is comes from the machine's sources; only the suite's name is added.
"""

import re
import shutil
from pathlib import Path

from common import Failure, cache_dir, lock, run, say

KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")  # of the package debian-archive-keyring
SECURITY = "-security"  # suites with such names have a repository of their own


class Machine:
    """apt as it is configured here."""
    name = "the machine's apt sources"
    options = ()

    def names(self, pattern):
        """The names of the packages that `pattern` matches as a whole."""
        known = run(["apt-cache", *self.options, "search", "--names-only", f"^{pattern}$"],
                    "cannot ask apt for packages")
        names = [line.split(" ")[0] for line in known.splitlines()]
        return [name for name in names if re.fullmatch(pattern, name)]

    def knows(self, package):
        return bool(self.names(re.escape(package)))

    def depends(self, package, pattern):
        """The packages that `package` needs whose names begin with `pattern`."""
        listing = run(["apt-cache", *self.options, "depends", "--important", package],
                      f"cannot find {package} in {self.name}")
        return sorted(set(re.findall(rf"Depends: ({pattern}\S*)", listing)))

    def download(self, packages, directory, unpacked):
        """Fetch the packages into `directory` and unpack them, without documentation, below `unpacked`."""
        # Root's apt-get hands downloads to the user _apt, who may not write into our directory: say so and it does not
        # try.
        run(["apt-get", *self.options, "download", "-q", "-o", "APT::Sandbox::User=root", *packages],
            f"cannot download {' '.join(packages)} (are the package lists up to date?)", cwd=directory)
        for archive in sorted(directory.glob("*.deb")):
            run(["dpkg", "-x", archive, unpacked], f"cannot unpack {archive.name}")
            archive.unlink()
        shutil.rmtree(unpacked / "usr/share/doc", ignore_errors=True)

    def refresh(self):
        """Nothing: the machine's package lists are its own business."""


class Suite(Machine):
    """Another suite of the mirror. The package lists are fetched when they are missing, or by refresh()."""

    def __init__(self, suite):
        self.name = suite
        self.suite = suite
        self.place = cache_dir("apt", suite)
        (self.place / "cache/archives/partial").mkdir(parents=True, exist_ok=True)
        (self.place / "status").touch()  # no package is installed, as far as this configuration goes
        # Sources are given by an empty directory and a file; "-" is no name of a directory.
        self.options = tuple(word for option in (
            f"Dir::Etc::SourceList={self.place}/sources.list", "Dir::Etc::SourceParts=-",
            f"Dir::State::Lists={self.place}/lists", f"Dir::State::Status={self.place}/status",
            f"Dir::Cache={self.place}/cache", "Acquire::Languages=none") for word in ("-o", option))
        if not (self.place / "lists").is_dir():
            self.refresh()

    def refresh(self):
        lists = self.place / "lists"
        with lock(self.place / ".lock", "another download"):
            say(f"asking the mirror for the package lists of {self.suite}")
            is_new = not lists.is_dir()
            (lists / "partial").mkdir(parents=True, exist_ok=True)
            line = f"deb [{signed_by()}] {repository(self.suite)} {self.suite} main\n"
            (self.place / "sources.list").write_text(line)
            try:
                run(["apt-get", *self.options, "-o", "APT::Sandbox::User=root", "update", "-q", "--error-on=any"],
                    f"the mirror of this machine's apt sources gives no package list of {self.suite}, which may have "
                    "moved to Debian's archive (then add that to the apt sources)")
            except Failure:
                if is_new:
                    shutil.rmtree(lists)
                raise


def signed_by():
    if not KEYS.is_file():
        raise Failure(f"there is no {KEYS}; run 'apt-get install debian-archive-keyring'")
    return f"signed-by={KEYS}"


def repository(suite):
    """Where the machine's sources say that Debian is, or Debian's security updates."""
    label = "Debian-Security" if suite.endswith(SECURITY) else "Debian"
    listing = run(["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)", "Created-By: Packages"],
                  "cannot ask apt for its sources")
    for line in listing.splitlines():
        origin, found, place = line.split("|", 2)
        if (origin, found) == ("Debian", label):
            return place
    raise Failure(f"the apt sources name no repository of {label}, so {suite} cannot be asked for; "
                  "run 'apt-get update'")
