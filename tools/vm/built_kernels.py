# SPDX-License-Identifier: Apache-2.0
"""A kernel that Debian does not offer: its 6.1 sources with kmemleak, to measure beside it.

The configuration is that of the cloud kernel. What is not needed in a guest of ours is left out, so that it builds in about
half an hour on two cores; what is built into the stock kernel is built in here, too.
"""

import os
import re
import shutil
import subprocess

import packages
from common import Failure, cached, require_program, run, say

ALIAS = "6.1-kmemleak"
SOURCE = "linux-source-6.1"
STOCK = "6.1-cloud"  # whose configuration is taken
NAME = re.compile(r"linux-image-6\.1\.[0-9]+-kmemleak")
PROGRAMS = {"make": "make", "gcc": "gcc", "flex": "flex", "bison": "bison", "bc": "bc", "pahole": "dwarves", "xz": "xz-utils"}
# Modules of the stock kernel that guests load.
MODULES = ("EXT4_FS", "BLK_DEV_LOOP")
OPTIONS = ("-e", "DEBUG_KMEMLEAK", "-d", "DEBUG_KMEMLEAK_DEFAULT_OFF", "-d", "DEBUG_KMEMLEAK_AUTO_SCAN",
           "-d", "MODULE_SIG", "-d", "SECURITY_LOCKDOWN_LSM", "-d", "DEBUG_INFO_BTF_MODULES",
           "--set-str", "SYSTEM_TRUSTED_KEYS", "", "--set-str", "SYSTEM_REVOCATION_KEYS", "",
           "--set-str", "BUILD_SALT", "", "--set-str", "LOCALVERSION", "-kmemleak")
# What building modules needs of the tree, as scripts/package/builddeb has it.
HEADERS = ("Makefile", "Kbuild", ".config", "Module.symvers", "include", "scripts", "arch/x86/include", "arch/x86/Makefile",
           "arch/x86/Makefile_32.cpu", "tools/objtool/objtool")


def package():
    """The name that it goes by here, after the version of the sources that apt has."""
    listing = run(["apt-cache", "show", "--no-all-versions", SOURCE], f"apt does not know {SOURCE}: run 'apt-get update'")
    version = re.search(r"(?m)^Version: ([0-9.]+)", listing)
    if not version:
        raise Failure(f"apt tells no version of {SOURCE}")
    return f"linux-image-{version[1]}-kmemleak"


def fetch(name, configuration):
    """The directory of the kernel `name`; built, from the stock kernel's file `configuration`, if it is not in the cache."""

    def fill(directory, unpacked):
        for program, needed in PROGRAMS.items():
            require_program(program, needed)
        packages.Machine().download([SOURCE], directory, directory / "package")
        run(["tar", "-xf", directory / "package/usr/src" / f"{SOURCE}.tar.xz", "-C", directory], f"cannot unpack {SOURCE}")
        tree = directory / SOURCE
        configure(tree, configuration)
        say(f"building {name}: half an hour or more")
        make(tree, "bzImage", "modules")
        release = run(["make", "-s", "-C", tree, "kernelrelease"], "the kernel tells no release").strip()
        if f"linux-image-{release}" != name:
            raise Failure(f"{SOURCE} made {release}, not {name.removeprefix('linux-image-')}: run 'apt-get update'")
        make(tree, "modules_install", f"INSTALL_MOD_PATH={unpacked}", "INSTALL_MOD_STRIP=1")
        (unpacked / "boot").mkdir(parents=True)
        shutil.copy(tree / "arch/x86/boot/bzImage", unpacked / "boot" / f"vmlinuz-{release}")
        for link in ("build", "source"):
            (unpacked / "lib/modules" / release / link).unlink(missing_ok=True)
        copy_headers(tree, unpacked / "headers")

    return cached("built", name, fill)


def headers(root):
    """The directory to build modules against, in a kernel's directory."""
    return root / "headers"


def configure(tree, configuration):
    """The stock kernel's, without its modules."""
    text = re.sub(r"(?m)^(CONFIG_\w+)=m$", r"# \1 is not set", configuration.read_text())
    (tree / ".config").write_text(text)
    modules = [word for module in MODULES for word in ("-m", module)]
    run([tree / "scripts/config", "--file", tree / ".config", *modules, *OPTIONS], "cannot configure the kernel")
    make(tree, "olddefconfig")
    chosen = (tree / ".config").read_text()
    for option in ("CONFIG_DEBUG_KMEMLEAK", "CONFIG_DEBUG_INFO_BTF"):
        if f"\n{option}=y\n" not in chosen:
            raise Failure(f"{SOURCE} cannot be built with {option}: is dwarves installed?")


def make(tree, *goals):
    result = subprocess.run(["make", "-s", "-C", tree, f"-j{os.cpu_count()}", *goals], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode != 0:
        raise Failure(f"{SOURCE}: make {' '.join(goals)}: {next(reversed(errors_in(result.stdout)), 'failed')}")


def errors_in(output):
    return [line for line in output.splitlines() if "rror" in line]


def copy_headers(tree, place):
    for part in HEADERS:
        source, target = tree / part, place / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True)
        else:
            shutil.copy(source, target)
