# SPDX-License-Identifier: Apache-2.0
"""What the tests of `orphan track` have in common: who leaks what, and what of it reports show."""

import json
import re

LEAKS, PARTIAL = 1, 4  # exit statuses of orphan
# Who leaks what, in tests/kernel/leaky.
FUNCTIONS = {"kmalloc": "leak_kmalloc", "many": "leak_many", "cache": "leak_from_caches", "other-names": "leak_by_other_names",
             "kstrdup": "leak_strings", "list": "leak_list", "tree": "leak_tree", "cycle-2": "leak_cycle", "cycle-3": "leak_cycle",
             "self": "leak_self_references", "skb-small": "leak_skbs", "skb-big": "leak_skbs", "vmalloc": "leak_vmalloc",
             "vmalloc-tree": "leak_vmalloc", "percpu": "leak_percpu", "percpu-tree": "leak_percpu",
             "function-table": "leak_with_function_table"}
# What a kernel says that is not well.
TROUBLE = re.compile(r"BUG:|WARNING:|Oops|rcu: INFO|hung task|soft lockup|Call Trace")


class Run:
    """What came back from the guest, and the complaints about it."""

    def __init__(self, files):
        self.files = files
        self.complaints = []

    def text(self, name):
        return self.files.get(name, b"").decode(errors="replace")

    def check_status(self, name, allowed=(LEAKS,)):
        status = self.text(f"{name}.status").strip()
        if status not in map(str, allowed) or self.text(f"{name}.errors"):
            self.complaints.append(f"{name}: exit status {status or 'unknown'}: {self.text(f'{name}.errors').strip()}")

    def report(self, name, allowed=(LEAKS,)):
        self.check_status(name, allowed)
        try:
            return json.loads(self.text(name))
        except ValueError as error:
            self.complaints.append(f"{name}: is no JSON: {error}")
            return None

    def keep(self, directory):
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            (directory / name).write_bytes(content)


def traced_objects(report):
    """address -> (group, object) of all whose allocation was noted."""
    return {int(item["address"], 16): (leak, item) for leak in report["leaks"] if leak["traced"] for item in leak["objects"]}


def functions(leak, module):
    """Their names in a stack; empty where only the module is known."""
    return [(frame["symbol"] or "").partition(".")[0] for frame in leak["stack"] if frame["module"] == module]


def traced_line(report):
    entry = next((entry for entry in report["coverage"] if entry["what"] == "allocations traced"), None)
    return f"{entry['count']:,} allocations traced, {entry['why']}" if entry else "nothing traced"


def lost_events(report):
    """How many the report says were not noted."""
    match = re.search(r"([0-9,]+) events were not noted", traced_line(report))
    return int(match.group(1).replace(",", "")) if match else 0


def trouble(log):
    """Complaints about what a kernel has logged."""
    return [f"kernel: {line}" for line in log.splitlines() if TROUBLE.search(line)]
