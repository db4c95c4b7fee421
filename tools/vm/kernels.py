# SPDX-License-Identifier: Apache-2.0
"""Stock Debian kernels and their headers, unpacked into the cache.

Packages come through packages.py; nothing is installed. An entry is made in a temporary directory beside its place and
renamed when complete, so an interrupted download leaves no half entry behind. What is in the cache stays: the network
is asked only for what is missing.
"""

import os
import re
import subprocess
from pathlib import Path

import built_kernels
import packages
from common import Failure, cache_dir, cached, require_program, run

# First numbers of a kernel's version -> the suites that have it beside the machine's own apt sources, the best first.
SUITES = {
    "5.10": ("bullseye-security", "bullseye"),
    "6.1": (),
    "6.12": (),
    "6.18": ("trixie-backports",),
    "7.0": ("trixie-backports",),
    "7": ("trixie-backports", "forky"),
}
# alias -> the image packages it may stand for; the highest version wins
ALIASES = {f"{version}{flavour}": rf"linux-image-{re.escape(version)}\.[0-9][^-]*(-[0-9]+)?{flavour}-amd64"
           for version in SUITES for flavour in ("-cloud", "")}

# What a user may say.
NAMES = (*ALIASES, built_kernels.ALIAS)


class Kernel:
    """An unpacked image package: its name, its release (`uname -r`) and where its files are."""

    def __init__(self, package, root):
        self.package = package
        self.release = package.removeprefix("linux-image-")
        self.root = root
        self.modules = next((d for d in (root / "lib/modules", root / "usr/lib/modules") if d.is_dir()), None)
        # Since 7.2 the image lies beside its modules.
        places = (root / "boot" / f"vmlinuz-{self.release}", root / "usr/lib/modules" / self.release / "vmlinuz")
        self.image = next((place for place in places if place.is_file()), places[0])

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
    if name == built_kernels.ALIAS:
        names = [entry.name for entry in cache_dir("built").iterdir() if built_kernels.NAME.fullmatch(entry.name)]
        return max(names, key=version_key) if names else built_kernels.package()
    if name in ALIASES:
        return newest_package(name)
    if re.fullmatch(r"linux-image-[0-9][a-z0-9.+-]*", name):
        return name
    raise Failure(f"unknown kernel '{name}'; give one of {', '.join(NAMES)}, or a linux-image-… package")


def newest_package(alias):
    pattern = ALIASES[alias]
    names = [entry.name for entry in cache_dir("kernels").iterdir() if re.fullmatch(pattern, entry.name)]
    suites = suites_of(alias)
    if not names or not suites:
        names += packages.Machine().names(pattern)
    failures = []
    for suite in suites if not names else ():
        try:
            names += packages.Suite(suite).names(pattern)
        except Failure as failure:
            failures.append(str(failure))
        if names:
            break
    if not names:
        why = "; ".join(failures) or (f"{', '.join(suites) or 'apt'} has none; run 'apt-get update', and for 6.12 have "
                                      "bookworm-backports or bookworm-security among the apt sources")
        raise Failure(f"no package for kernel '{alias}' is known: {why}")
    return max(names, key=version_key)


def suites_of(alias):
    return SUITES[alias.removesuffix("-cloud")]


def source_of(image, package):
    """Where to get `package` from, which belongs to the kernel of the package `image`; None if nobody has it."""
    aliases = [alias for alias, pattern in ALIASES.items() if re.fullmatch(pattern, image)]
    suites = dict.fromkeys(suite for alias in aliases for suite in suites_of(alias))
    machine = packages.Machine()
    if machine.knows(package):
        return machine
    failures = []
    for suite in suites:
        try:
            source = packages.Suite(suite)
            if source.knows(package):
                return source
        except Failure as failure:
            failures.append(str(failure))
    if failures:
        raise Failure("; ".join(failures))
    return None


def version_key(name):
    """Orders names by the numbers in them: 6.1.0-9 before 6.1.0-56."""
    return [int(part) if part.isdigit() else -1 for part in re.split(r"([0-9]+)", name)]


def fetch_kernel(name):
    """The Kernel for an alias or package name, downloaded if it is not in the cache yet."""
    package = resolve(name)
    if built_kernels.NAME.fullmatch(package):
        stock = fetch_kernel(built_kernels.STOCK)
        return Kernel(package, built_kernels.fetch(package, stock.root / "boot" / f"config-{stock.release}"))

    def fill(directory, unpacked):
        source = source_of(package, package)
        if source is None:
            raise Failure(f"no apt source has {package} (run 'apt-get update'?)")
        # Since 7.2 the package of an image is empty and needs those with the parts.
        parts = source.depends(package, "linux-(?:base|binary|modules)-")
        source.download([package, *parts], directory, unpacked)
        finish_kernel(unpacked, package)

    kernel = Kernel(package, cached("kernels", package, fill))
    if not kernel.image.is_file():
        raise Failure(f"{package} holds no boot/{kernel.image.name}; is it a metapackage? Remove {kernel.root} "
                      "and name the package it depends on")
    return kernel


def finish_kernel(unpacked, package):
    kernel = Kernel(package, unpacked)
    if kernel.modules is not None:
        run([require_program("depmod", "kmod"), "-b", kernel.modules.parent.parent, kernel.release],
            f"cannot index the modules of {package}")


def fetch_headers(name):
    """The directory to build modules against, for a kernel alias or package name."""
    image = resolve(name)
    if built_kernels.NAME.fullmatch(image):
        return built_kernels.headers(fetch_kernel(name).root)
    package = image.replace("linux-image-", "linux-headers-", 1)
    place = cache_dir("headers") / package

    def fill(directory, unpacked):
        source = source_of(image, package)
        if source is None:
            raise Failure(f"no apt source has {package}: that kernel can be booted, but no module built for it")
        source.download([package, *source.depends(package, "linux-(?:headers|kbuild)-")], directory, unpacked)
        relocate(unpacked, place)
        wrap_tools(source, directory, unpacked, place)

    cached("headers", package, fill)
    return place / "usr/src" / package


def relocate(unpacked, place):
    """Debian's headers name /usr/src and /lib/modules; make these copies name where they will be."""
    for makefile in unpacked.glob("usr/src/linux-headers-*/Makefile"):
        text = makefile.read_text()
        makefile.write_text(re.sub(r"(?m)^(include |KBUILD_OUTPUT=)/usr/src/", rf"\1{place}/usr/src/", text))
    for link in unpacked.rglob("*"):
        if link.is_symlink() and os.readlink(link).startswith("/usr/"):
            target = str(place) + os.readlink(link)
            link.unlink()
            link.symlink_to(target)


def wrap_tools(source, directory, unpacked, place):
    """Programs of a newer suite may need a newer C library than there is here: such run with their own suite's."""
    tools = [file for file in unpacked.glob("usr/lib/linux-kbuild-*/**/*") if needs_other_library(file)]
    if not tools:
        return
    base = packages.Suite(re.sub("-(?:backports|security)$", "", source.name))
    base.download(["libc6"], directory, unpacked / "libc")
    loader = place / next((unpacked / "libc").rglob("ld-linux-x86-64.so.2")).relative_to(unpacked)
    for tool in tools:
        program = tool.rename(tool.with_name(f"{tool.name}.elf")).relative_to(unpacked)
        tool.write_text(f'#!/bin/sh\nexec "{loader}" --library-path "{loader.parent}" "{place / program}" "$@"\n')
        tool.chmod(0o755)


def needs_other_library(file):
    if file.is_symlink() or not file.is_file() or file.open("rb").read(4) != b"\x7fELF":
        return False
    listing = subprocess.run(["ldd", file], capture_output=True, text=True)
    return "GLIBC" in listing.stdout + listing.stderr and "not found" in listing.stdout + listing.stderr

