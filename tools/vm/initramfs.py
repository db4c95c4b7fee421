# SPDX-License-Identifier: Apache-2.0
"""The guest's root: an uncompressed cpio archive around a static busybox, written without help of other programs.

It holds busybox with a link per applet, `init.sh` as /init, the caller's files, and in /vm what init has to do:
`modules` (paths to insmod, in order), `path` (the PATH) and `command` (a shell script).
"""

import lzma
import os
import shlex
import stat
import subprocess
from pathlib import Path

from common import Failure, require_program, run

DIRECTORIES = ("bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "vm", "vm/modules.d", "mnt")
SYSTEM_PATH = "/bin"


class Archive:
    """A cpio archive in the "newc" format (Documentation/driver-api/early-userspace/buffer-format.rst)."""

    def __init__(self, output):
        self.output = output
        self.inode = 0
        self.directories = set()

    def add(self, path, mode, data=b""):
        """`path` in the guest; `data` is a file's content or a link's target."""
        path = path.strip("/")
        if stat.S_ISDIR(mode):
            self.directories.add(path)
        else:
            self.add_parents(path)
        self.inode += 1
        name = path.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
        self.write_padded(b"070701" + b"".join(b"%08X" % field for field in fields) + name)
        self.write_padded(data)

    def add_parents(self, path):
        for parent in reversed(Path(path).parents):
            if str(parent) != "." and str(parent) not in self.directories:
                self.add(str(parent), stat.S_IFDIR | 0o755)

    def add_file(self, source, path):
        """Copy a file or a directory tree of the host; modes are kept, links inside trees stay links."""
        try:
            self.add(path, stat.S_IFMT(source.stat().st_mode) | stat.S_IMODE(source.stat().st_mode),
                     b"" if source.is_dir() else source.read_bytes())
            for child in sorted(source.iterdir()) if source.is_dir() else ():
                inside = f"{path}/{child.name}"
                if child.is_symlink():
                    self.add(inside, stat.S_IFLNK | 0o777, os.fsencode(os.readlink(child)))
                elif child.is_dir() or child.is_file():
                    self.add_file(child, inside)
        except OSError as error:
            raise Failure(f"cannot read {error.filename or source}: {error.strerror}")

    def close(self):
        self.add("TRAILER!!!", 0)

    def write_padded(self, data):
        self.output.write(data)
        self.output.write(b"\0" * (-len(data) % 4))


def build(place, kernel, request):
    """Write the archive for `request` (see guest.Request) to the file `place`."""
    with open(place, "wb") as output:
        archive = Archive(output)
        for directory in DIRECTORIES:
            mode = 0o1777 if directory == "tmp" else 0o755
            archive.add(directory, stat.S_IFDIR | mode)
        add_busybox(archive)
        archive.add_file(Path(__file__).with_name("init.sh"), "init")
        for source, path in request.files:
            archive.add_file(source, path)
        add_modules(archive, kernel, request.modules)
        add_text(archive, "vm/path", ":".join(search_path(request.files)))
        add_text(archive, "vm/command", shlex.join(request.command))
        archive.close()


def add_busybox(archive):
    busybox = require_program("busybox", "busybox-static")
    data = Path(busybox).read_bytes()
    if b"/lib64/ld-linux" in data[:4096]:
        raise Failure(f"{busybox} is not static; run 'apt-get install busybox-static'")
    archive.add("bin/busybox", stat.S_IFREG | 0o755, data)
    for applet in run([busybox, "--list"], "cannot list the applets of busybox").split():
        if applet != "busybox":
            archive.add(f"bin/{applet}", stat.S_IFLNK | 0o777, b"busybox")


def add_modules(archive, kernel, modules):
    """Put the requested modules and what they need into the guest, and the order to load them in."""
    lines = {}
    for module in modules:
        what, *parameters = module.split()
        is_path = "/" in what or what.endswith(".ko")
        for source in [Path(what)] if is_path else kernel.module_files(what):
            path = f"vm/modules.d/{source.name.split('.ko')[0]}.ko"
            if path not in lines:
                archive.add(path, stat.S_IFREG | 0o644, module_content(source))
                lines[path] = f"/{path}"
        if parameters:  # they are for the module itself, which is the last of its list
            lines[path] += " " + " ".join(parameters)
    add_text(archive, "vm/modules", "".join(line + "\n" for line in lines.values()))


def module_content(source):
    try:
        data = source.read_bytes()
    except OSError as error:
        raise Failure(f"cannot read the module {source}: {error.strerror}")
    if source.suffix == ".xz":
        return lzma.decompress(data)
    if source.suffix == ".zst":
        return subprocess.run([require_program("zstd", "zstd"), "-dc"], input=data, stdout=subprocess.PIPE,
                              check=True).stdout
    return data


def search_path(files):
    """The directories of the caller's files first, then the system's."""
    directories = ["/root"]
    for source, path in files:
        directories.append("/" + (path if source.is_dir() else str(Path(path).parent)).strip("/"))
    return [*dict.fromkeys(directories), SYSTEM_PATH]


def add_text(archive, path, text):
    archive.add(path, stat.S_IFREG | 0o644, text.encode())
