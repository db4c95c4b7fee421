# SPDX-License-Identifier: Apache-2.0
"""What the checks share: the files of the tree, and findings as FILE:LINE: WHAT IS WRONG, WHAT TO DO."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def files(*patterns):
    """Tracked files, and new ones that git does not ignore, that match one of the git pathspecs; relative to ROOT."""
    # A clone made by another user is no danger here: nothing of it is run by git.
    command = ["git", "-c", "safe.directory=*", "-C", ROOT, "ls-files", "-z", "--cached", "--others",
               "--exclude-standard", "--", *patterns]
    names = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split("\0")
    return [Path(name) for name in sorted(set(names)) if name and (ROOT / name).is_file()]


def text(path):
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def is_script(path, *interpreters):
    """Whether the file's first line names one of the interpreters."""
    first = text(path).partition("\n")[0]
    return first.startswith("#!") and first.rpartition("/")[2].removeprefix("env ").split()[0] in interpreters


class Findings:
    def __init__(self):
        self.count = 0

    def add(self, path, line, what):
        self.count += 1
        print(f"{path}:{line}: {what}")

    def exit(self, examined, kind):
        """Ends the program. That nothing was looked at is a failure too: a check that cannot fail is none."""
        if examined == 0:
            print(f"there are no {kind} to look at; the check itself is broken")
            sys.exit(1)
        if self.count == 0:
            print(f"{examined} {kind}: all well")
        sys.exit(1 if self.count else 0)
