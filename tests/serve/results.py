# SPDX-License-Identifier: Apache-2.0
"""What came back from a guest of the daemon's tests: files by name, and the complaints about them, which are printed at the end."""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "kernel")]

import verdict
import vm_run

MOST_COMPLAINTS = 40
EXAMPLES = HERE.parents[1] / "examples"


class Results:
    def __init__(self, files):
        self.files = files
        self.complaints = []
        self.checks = 0

    def text(self, name):
        return self.files.get(name, b"").decode(errors="replace")

    def expect(self, is_right, complaint):
        self.checks += 1
        if not is_right:
            self.complaints.append(complaint)
        return is_right

    def expect_equal(self, what, value, expected):
        return self.expect(value == expected, f"{what}: {value!r}, expected {expected!r}")

    def expect_success(self, *names):
        for name in names:
            self.expect_equal(f"{name}: exit status and errors", (self.text(f"{name}.status").strip(), self.text(f"{name}.errors")),
                              ("0", ""))

    def expect_refused(self, name, reason):
        """A write by the guest's shell failed with this error."""
        self.expect(self.text(f"{name}.status").strip() not in ("", "0") and reason in self.text(f"{name}.errors"),
                    f"{name}: status {self.text(f'{name}.status').strip()!r}, {self.text(f'{name}.errors')!r}; expected: {reason}")

    def status(self, name):
        """The lines of kernel/status as a dictionary; of those that may be repeated, the last."""
        lines = self.text(name).splitlines()
        self.expect(lines and all(": " in line for line in lines), f"{name}: no lines of 'key: value': {lines[:3]}")
        return dict(line.split(": ", 1) for line in lines if ": " in line)

    def addresses(self, name):
        """Of the blocks in a list; the text has to be kmemleak's, line by line."""
        text = self.text(name)
        found = [int(match[1], 16) for match in map(verdict.KMEMLEAK_HEADER.fullmatch, text.splitlines()) if match]
        self.expect_equal(f"{name}: blocks listed twice", len(found) - len(set(found)), 0)
        truth = {address: verdict.Truth("leak", "", address, 0, "", "", 0) for address in found}
        for complaint in verdict.check_kmemleak(text, truth):
            self.expect(False, f"{name}: {complaint}")
        return set(found)

    def expect_list(self, name, expected):
        listed = self.addresses(name)
        self.expect(listed == expected, f"{name}: {len(listed)} listed, {len(expected)} expected; missing: {hexadecimal(expected - listed)}; "
                    f"too many: {hexadecimal(listed - expected)}; attempts: {self.text(f'{name}.attempts').splitlines()}")

    def truth(self):
        """The addresses that kmemleak-test has leaked, and those that it keeps until it is unloaded."""
        lines = [line.split() for line in self.text("truth").splitlines()]
        return tuple({int(line[2], 16) for line in lines if line[0] == kind} for kind in ("leak", "kept"))

    def check_words(self, except_for=()):
        """What words.sh wrote in the guest, compared with words.expected: that is what it writes about kmemleak itself."""
        answers, expected = (dict(line.rsplit(": ", 1) for line in text.splitlines()) for text in (
            self.text("words"), (HERE / "words.expected").read_text()))
        for word, answer in (expected | dict(except_for)).items():
            self.expect_equal(f"the word '{word}'", answers.get(word), answer)
        self.expect_equal("words that are not in words.expected", sorted(answers.keys() - expected.keys()), [])

    def check_trouble(self):
        """What may never be: the script itself could not go on, or the kernel complained."""
        self.expect_equal("trouble", self.text("trouble"), "")
        for line in self.text("kernel.log").splitlines():
            if any(word in line for word in ("BUG:", "WARNING:", "Oops", "hung task", "blocked for more than", "Out of memory")):
                self.expect(False, f"kernel: {line}")

    def conclude(self):
        for complaint in self.complaints[:MOST_COMPLAINTS]:
            print(f"FAIL {complaint}")
        if len(self.complaints) > MOST_COMPLAINTS:
            print(f"FAIL and {len(self.complaints) - MOST_COMPLAINTS} more")
        if self.complaints and self.text("daemon.errors"):
            print("the daemon's last messages:", *self.text("daemon.errors").splitlines()[-20:], sep="\n  ")
        print(f"{self.checks} checks, {'failed' if self.complaints else 'passed'}")
        return 1 if self.complaints else 0


def hexadecimal(addresses):
    return " ".join(map(hex, sorted(addresses))) or "none"


def parser(name, description, needs_orphan=True):
    result = argparse.ArgumentParser(prog=name, description=description, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--orphan", type=Path, required=needs_orphan, metavar="F", help="the static program")
    result.add_argument("--cpus", type=int, default=2, metavar="N", help="default: 2")
    result.add_argument("--keep", type=Path, metavar="DIR", help="write what came back from the guest there")
    result.add_argument("kernel", help="see tools/vm/vm --help")
    return result


def boot(options, script, arguments="", timeout_s=900):
    """Run `script`, a file of this folder, in a guest that has the daemon and the module; what it left behind."""
    return boot_script(options, f"sh /root/{script} {arguments}", [options.orphan, HERE / script], ["fuse"], timeout_s)


def boot_script(options, script, files=(), modules=(), timeout_s=900, memory_mb=1024, hotplug_mb=0):
    programs = (HERE / name for name in ("daemon.sh", "leak_checker.sh", "words.sh"))
    guest = vm_run.Guest(kernel=options.kernel, cpus=options.cpus, modules=list(modules), timeout_s=timeout_s, memory_mb=memory_mb, hotplug_mb=hotplug_mb,
                         files=[*files, *programs, vm_run.build_module("kmemleak-test", options.kernel, EXAMPLES)])
    results = Results(vm_run.run(guest, script))
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        for name, content in results.files.items():
            (options.keep / name).write_bytes(content)
    results.check_trouble()
    return results


def main(run):
    try:
        sys.exit(run())
    except vm_run.GuestFailure as failure:
        print(f"FAIL {failure}")
        sys.exit(1)
