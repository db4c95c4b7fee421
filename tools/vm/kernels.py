# SPDX-License-Identifier: Apache-2.0
"""Stock Debian kernels and their headers, unpacked into the cache.

Packages come by `apt-get download` and `dpkg -x`; nothing is installed. An entry is made in a temporary directory
beside its place and renamed when complete, so an interrupted download leaves no half entry behind.
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from common import Failure, cache_dir, lock, require_program, run, say

# alias -> the names of the image packages it may stand for; the highest version wins
ALIASES = {
    "6.1-cloud": r"linux-image-6\.1\.[0-9][^-]*(-[0-9]+)?-cloud-amd64",
    "6.1": r"linux-image-6\.1\.[0-9][^-]*(-[0-9]+)?-amd64",
    "6.12-cloud": r"linux-image-6\.12\.[0-9][^-]*(-[0-9]+)?-cloud-amd64",
    "6.12": r"linux-image-6\.12\.[0-9][^-]*(-[0-9]+)?-amd64",
}


class Kernel:
    """An unpacked image package: its name, its release (`uname -r`) and where its files are."""

    def __init__(self, package, root):
        self.package = package
        self.release = package.removeprefix("linux-image-")
        self.root = root
        self.image = root / "boot" / f"vmlinuz-{self.release}"
        self.modules = next((d for d in (root / "lib/modules", root / "usr/lib/modules") if d.is_dir()), None)

    def module_files(self, name):
        """The files to load, in order, for the kernel's own module `name`; none if it is built in."""
        if self.modules is None:
            raise Failure(f"{self.package} has no modules")
        command = [require_program("modprobe", "kmod"), "-C", "/dev/null", "-d", self.modules.parent.parent,
                   "-S", self.release, "--show-depends", name]
        listing = subprocess.run(command, capture_output=True, text=True)
        if listing.returncode != 0:
            raise Failure(f"{self.package} has no module '{name}'; for a file of your own give its path, "
                          "with a '/' or ending in .ko")
        return [Path(line.split()[1]) for line in listing.stdout.splitlines() if line.startswith("insmod ")]


def resolve(name):
    """The image package meant by an alias or a package name."""
    if name in ALIASES:
        return newest_package(name, ALIASES[name])
    if re.fullmatch(r"linux-image-[0-9][a-z0-9.+-]*", name):
        return name
    raise Failure(f"unknown kernel '{name}'; give one of {', '.join(ALIASES)}, or a linux-image-… package")


def newest_package(alias, pattern):
    known = run(["apt-cache", "search", "--names-only", f"^{pattern}$"], "cannot ask apt for kernels")
    names = [line.split(" ")[0] for line in known.splitlines()]
    names += [entry.name for entry in cache_dir("kernels").iterdir()]
    names = [name for name in names if re.fullmatch(pattern, name)]
    if not names:
        raise Failure(f"no package for kernel '{alias}' is known; run 'apt-get update', "
                      "and for 6.12 have bookworm-backports among the apt sources")
    return max(names, key=version_key)


def version_key(name):
    """Orders names by the numbers in them: 6.1.0-9 before 6.1.0-56."""
    return [int(part) if part.isdigit() else -1 for part in re.split(r"([0-9]+)", name)]


def fetch_kernel(name):
    """The Kernel for an alias or package name, downloaded if it is not in the cache yet."""
    package = resolve(name)
    root = cached("kernels", package, lambda unpacked: finish_kernel(unpacked, package), [package])
    kernel = Kernel(package, root)
    if not kernel.image.is_file():
        raise Failure(f"{package} holds no boot/{kernel.image.name}; is it a metapackage? Remove {root} "
                      "and name the package it depends on")
    return kernel


def finish_kernel(unpacked, package):
    kernel = Kernel(package, unpacked)
    if kernel.modules is not None:
        run([require_program("depmod", "kmod"), "-b", kernel.modules.parent.parent, kernel.release],
            f"cannot index the modules of {package}")


def fetch_headers(name):
    """The directory to build modules against, for a kernel alias or package name."""
    release = resolve(name).removeprefix("linux-image-")
    package = f"linux-headers-{release}"
    place = cache_dir("headers") / package
    if not place.is_dir():
        cached("headers", package, lambda unpacked: relocate(unpacked, place), [package, *header_packages(package)])
    return place / "usr/src" / package


def header_packages(package):
    """The packages with parts of the header tree; not the compiler, the image, or libraries."""
    depends = run(["apt-cache", "depends", "--important", package],
                  f"cannot find {package} (run 'apt-get update'?)")
    return sorted(set(re.findall(r"Depends: (linux-(?:headers|kbuild)-\S+)", depends)))


def relocate(unpacked, place):
    """Debian's headers name /usr/src and /lib/modules; make these copies name where they will be."""
    for makefile in unpacked.glob("usr/src/linux-headers-*/Makefile"):
        text = makefile.read_text()
        makefile.write_text(re.sub(r"(?m)^include /usr/src/", f"include {place}/usr/src/", text))
    for link in unpacked.rglob("*"):
        if link.is_symlink() and os.readlink(link).startswith("/usr/"):
            target = str(place) + os.readlink(link)
            link.unlink()
            link.symlink_to(target)


def cached(kind, entry, finish, packages):
    """The directory <cache>/<kind>/<entry> with `packages` unpacked in it, prepared by finish(directory)."""
    place = cache_dir(kind) / entry
    if place.is_dir():
        return place
    with lock(cache_dir() / f"{kind}.lock", "another download"):
        if place.is_dir():
            return place
        say(f"fetching {', '.join(packages)}")
        with tempfile.TemporaryDirectory(prefix=".new-", dir=place.parent) as temporary:
            unpacked = Path(temporary) / "root"
            download(packages, Path(temporary), unpacked)
            finish(unpacked)
            unpacked.rename(place)
    return place


def download(packages, directory, unpacked):
    # Root's apt-get hands downloads to the user _apt, who may not write into our directory: say so and it does not try.
    run(["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", *packages],
        f"cannot download {' '.join(packages)} (run 'apt-get update'?)", cwd=directory)
    for archive in sorted(directory.glob("*.deb")):
        run(["dpkg", "-x", archive, unpacked], f"cannot unpack {archive.name}")
        archive.unlink()
    shutil.rmtree(unpacked / "usr/share/doc", ignore_errors=True)
