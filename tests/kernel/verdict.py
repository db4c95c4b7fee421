# SPDX-License-Identifier: Apache-2.0
"""Compare what orphan reports with what the module leaky says it did. Every check returns a list of complaints."""

import re
import statistics
from dataclasses import dataclass

# Where caches' objects move between our count and the kernel's own: on an idle machine hardly at all.
IDLE_DIFFERENCE = 16
LOAD_DIFFERENCE, MOST_LOAD_DIFFERENCE = 0.02, 0.1
# A stale word somewhere may hide a leak (docs/limits.md): that many of those planted, from a scan and the next one. Nothing may
# be reported falsely.
MISSED_AT_MOST = 0.01

SUPPRESSIONS = {"sysctl-empty-directory", "sysctl-base"}
KINDS = {"large": "large-kmalloc", "vmalloc": "vmalloc", "percpu": "per-cpu"}  # every other allocator: slab

KMEMLEAK_HEADER = re.compile(r"unreferenced object (?:\(percpu\) )?(0x[0-9a-f]+) \(size (\d+)\):")
# What may follow a header, in this order; some may be repeated or missing.
KMEMLEAK_BODY = (
    (re.compile(r'  comm ".*", pid \d+, jiffies \d+'), 1, 1),
    (re.compile(r"  hex dump \(first \d+ bytes(?: on cpu \d+)?\):"), 0, 1),
    (re.compile(r"    (?:[0-9a-f]{2} ){1,16} *[ -~]{1,16}"), 0, 2),
    (re.compile(r"  backtrace \(crc [0-9a-f]+\):"), 1, 1),
    (re.compile(r"    \S+\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[\w+\])?|    0x[0-9a-f]+(?: \[\w+\])?"), 0, 16),
)


@dataclass(frozen=True)
class Truth:
    judgement: str  # leak, live or hard
    kind: str
    address: int
    size: int
    allocator: str
    group: str
    round: int

    def __str__(self):
        return f"{self.kind} of {self.group}.{self.round}: {self.address:#x}, {self.size} bytes, {self.allocator}"


def parse_truth(text):
    """The module's table: two objects have the same address only if the module is wrong."""
    table = {}
    for line in text.splitlines():
        judgement, kind, address, size, allocator, group = line.split("\t")
        group, _, planted = group.rpartition(".")
        truth = Truth(judgement, kind, int(address, 16), int(size), allocator, group, int(planted))
        table[truth.address] = truth
    return table


def reported_objects(report):
    """(address, size, group) of all objects that a JSON report lists."""
    return [(int(item["address"], 16), item["size"], leak) for leak in report["leaks"] for item in leak["objects"]]


def weak_objects(report):
    return [(int(item["address"], 16), item["size"], leak) for leak in report["weak"] for item in leak["objects"]]


def describe_weak(leak, address):
    """How the object is referred to, and from where."""
    found = [item for item in leak["referrers"] if int(item["object"], 16) == address]
    return f"{found[0]['form']} in {found[0]['place']}" if found else "below another"


def describe(leak):
    evidence = ", ".join(f"{item['text']} at {item['offset']:#x}" for item in leak["evidence"][:3])
    frame = leak["stack"][0]["symbol"] if leak["stack"] else None
    return f"{leak['cache']} ({leak['kind']}, {leak['count']} of {leak['object_size']} bytes)" + (
        f", allocated in {frame}" if frame else "") + (f"; inside: {evidence}" if evidence else "")


@dataclass
class Judgement:
    """Of one report: how many leaks there were and were found, and what was reported besides."""
    planted: int = 0
    found: int = 0
    live: int = 0
    hard: int = 0
    unknown: int = 0
    weak: list = None  # what is only weakly referenced, and by what
    missed: list = None
    lost: list = None  # of the missed, what the next scan does not find either
    complaints: list = None


def judge(report, truth, rounds, again=None):
    """`truth` is the whole table; what was planted after round `rounds` is not there yet. `again`: the report of the scan after
    one that missed leaks."""
    result = Judgement(weak=[], missed=[], lost=[], complaints=[])
    reported, missed = {}, []
    for address, size, leak in reported_objects(report):
        if address in reported:
            result.complaints.append(f"reported twice: {address:#x}")
        reported[address] = (size, leak)
    weak = {}
    for address, _, leak in weak_objects(report):
        item = truth.get(address)
        weak[address] = describe_weak(leak, address)
        if not item or item.judgement != "leak":
            name = item.kind if item else f"not the module's: {describe(leak)}"
            result.weak.append(f"{name}: {weak[address]}")
    for item in truth.values():
        if item.judgement == "leak" and item.round <= rounds:
            result.planted += 1
            if item.address in reported:
                result.found += 1
                result.complaints += check_object(item, *reported[item.address])
            else:
                missed.append(item)
                result.missed.append(f"missed: {item}" + (
                    f": weakly referenced: {weak[item.address]}" if item.address in weak else ""))
    later = {address for address, _, _ in reported_objects(again)} if again else set()
    result.lost = [line for item, line in zip(missed, result.missed) if item.address not in later]
    if len(result.lost) > MISSED_AT_MOST * result.planted:
        result.complaints += result.lost
    for address, (size, leak) in reported.items():
        item = truth.get(address)
        if item is None:
            result.unknown += 1
            result.complaints.append(f"reported, not the module's: {address:#x}, {size} bytes: {describe(leak)}")
        elif item.judgement == "live":
            result.live += 1
            result.complaints.append(f"reported, but live: {item}: {describe(leak)}")
        elif item.judgement == "hard":
            result.hard += 1
    return result


@dataclass
class PageJudgement:
    """Of a report with --pages: how many leaked blocks of pages there were and were found, and what was reported besides."""
    planted: int = 0
    found: int = 0
    live: int = 0
    hard: int = 0
    noise: int = 0  # pages, not blocks
    others: list = None  # what is not the module's
    complaints: list = None


# Pages in use that only a device, or a number in place of a pointer, keeps: a busy machine always has some.
NOISE_IDLE = 3
NOISE_LOAD = 5
PAGE_BYTES = 4096


def judge_pages(report, truth, mode):
    """`truth`: the whole table, or an empty one. Compound pages are among the leaks of every scan."""
    result = PageJudgement(others=[], complaints=[])
    reported = {int(item["address"], 16): (item["size"], leak) for leak in report["pages"] for item in leak["objects"]}
    compound = {address for address, _, leak in reported_objects(report) if leak["kind"] == "large-kmalloc"}
    for item in truth.values():
        if not item.kind.startswith("page-leak"):
            continue
        result.planted += 1
        if item.address in compound if item.kind == "page-leak-compound" else item.address in reported:
            result.found += 1
        else:
            result.complaints.append(f"pages: missed: {item}")
    for address, (size, leak) in reported.items():
        item = truth.get(address)
        if leak["confidence"]["level"] != "possible":
            result.complaints.append(f"pages: {leak['confidence']['level']}: {address:#x}")
        if item is None:
            result.noise += size // PAGE_BYTES
            result.others.append(f"{address:#x}, {size} bytes: {describe(leak)}")
        elif item.judgement == "live":
            result.live += 1
            result.complaints.append(f"pages: reported, but live: {item}: {describe(leak)}")
        elif not item.kind.startswith("page-leak"):
            result.hard += 1
        elif size != item.size:
            result.complaints.append(f"pages: reported with {size} bytes: {item}")
    if result.noise > (NOISE_IDLE if mode == "idle" else NOISE_LOAD):
        result.complaints += [f"pages: not the module's: {other}" for other in result.others]
    return result


def check_page_sums(report):
    if report["page_outcome"] is None:
        return ["no page_outcome, though --pages was asked for"]
    complaints = []
    for key in ("count", "bytes"):
        value = sum(leak[key] for leak in report["pages"])
        if value != report["page_outcome"]["leaked"][key]:
            complaints.append(f"entries of pages have {value} {key}, page_outcome {report['page_outcome']['leaked'][key]}")
    if any(tally[key] < 0 or tally[key] > 1 << 50 for tally in report["page_outcome"].values() for key in tally):
        complaints.append(f"page_outcome does not add up: {report['page_outcome']}")
    return complaints


def check_object(item, size, leak):
    kind = KINDS.get(item.allocator, "slab")
    # Which of the two skb data is, depends on the kernel.
    if leak["kind"] != kind and item.kind != "skb-data":
        return [f"reported as {leak['kind']}, is {kind}: {item}"]
    if size < item.size or leak["object_size"] != size:
        return [f"reported with {size} bytes in a group of {leak['object_size']}: {item}"]
    return []


def check_sums(report):
    """The numbers of a report that have to add up (docs/json.md)."""
    complaints = []
    for key, examined in (("count", "blocks"), ("bytes", "bytes")):
        total = report["examined"][examined]
        sums = {
            "outcome": sum(tally[key] for tally in report["outcome"].values()),
            "examined.by_kind": sum(tally[key] for tally in report["examined"]["by_kind"].values()),
        }
        complaints += [f"{name} adds up to {value} {key}, examined are {total}" for name, value in sums.items()
                       if value != total]
        for name, entries in (("leaked", report["leaks"]), ("weak", report["weak"]),
                              ("suppressed", report["suppressed"])):
            value = sum(entry[key] for entry in entries)
            if value != report["outcome"][name][key]:
                complaints.append(f"{name} entries have {value} {key}, outcome.{name} {report['outcome'][name][key]}")
    for leak in report["leaks"]:
        if len(leak["objects"]) + leak["objects_omitted"] != leak["count"]:
            complaints.append(f"objects listed and omitted are not {leak['count']}: {describe(leak)}")
    return complaints


def check_self_tests(reports, mode):
    """Our count of every cache against the kernel's, in all scans of a guest."""
    tests = [report["self_test"] for report in reports]
    if None in tests:
        return ["no self-test"]
    if mode == "load":
        # The kernel counts some time before or after us, and a busy one makes and frees a thousand objects meanwhile. What is
        # counted wrong is so in every scan.
        shares = [abs(test["ours"] - test["slabinfo"]) / test["slabinfo"] for test in tests]
        usual = statistics.median(shares)
        return ([f"self-test: {share:.1%} of the objects more or less than in slabinfo" for share in shares
                 if share > MOST_LOAD_DIFFERENCE] +
                [f"self-test: as a rule {usual:.1%} of the objects more or less than in slabinfo"] * (usual > LOAD_DIFFERENCE))
    return [f"self-test: {entry['cache']}: {entry['ours']} objects here, {entry['slabinfo']} in slabinfo"
            for test in tests for entry in test["different"] if abs(entry["ours"] - entry["slabinfo"]) > IDLE_DIFFERENCE]


def check_coverage(report, mode):
    entries = [entry for entry in report["coverage"] if entry["incomplete"]]
    return [f"not seen: {entry['what']}: {entry['why']}" for entry in entries] if mode == "idle" else []


def check_clean(report):
    """A kernel without the module has no leaks, and nothing but the sysctl headers is suppressed."""
    complaints = [f"reported on the clean kernel: {item[0]:#x}, {item[1]} bytes: {describe(item[2])}"
                  for item in reported_objects(report)]
    rules = {entry["rule"] for entry in report["suppressed"]}
    return complaints + [f"unexpected suppression: {rule}" for rule in rules - SUPPRESSIONS]


def check_ids(reports):
    """The same group has the same id in every scan of a running kernel, and no other group has it."""
    ids, complaints = {}, []
    for report in reports:
        for leak in report["leaks"]:
            frames = tuple(frame["address"] for frame in leak["stack"])
            key = (leak["kind"], leak["cache"], leak["object_size"], frames)
            if ids.setdefault(leak["id"], key) != key:
                complaints.append(f"the id {leak['id']} stands for {ids[leak['id']]} and {key}")
    if len(set(ids.values())) != len(ids):
        complaints.append("a group has different ids in different scans")
    return complaints


def check_kmemleak(text, truth):
    """The text parses line by line, and lists the leaks and nothing else."""
    complaints, addresses, lines = [], set(), text.splitlines()
    at = 0
    while at < len(lines):
        header = KMEMLEAK_HEADER.fullmatch(lines[at])
        if not header:
            return [*complaints, f"kmemleak: line {at + 1} is not as expected: {lines[at]!r}"]
        addresses.add(int(header[1], 16))
        at += 1
        for pattern, least, most in KMEMLEAK_BODY:
            count = 0
            while count < most and at < len(lines) and pattern.fullmatch(lines[at]):
                count, at = count + 1, at + 1
            if count < least:
                complaints.append(f"kmemleak: before line {at + 1} something is missing: {pattern.pattern}")
    expected = {item.address for item in truth.values() if item.judgement == "leak"}
    hard = {item.address for item in truth.values() if item.judgement == "hard"}
    missed = [f"kmemleak: missed: {truth[address]}" for address in expected - addresses]
    if len(missed) > MISSED_AT_MOST * len(expected):
        complaints += missed
    complaints += [f"kmemleak: reported: {truth.get(address) or hex(address)}" for address in addresses - expected - hard]
    return complaints


def check_text(text, report):
    """The text says the same totals as the JSON report of the same leaks."""
    leaked = report["outcome"]["leaked"]
    first = text.partition("\n")[0]
    row = re.search(r"^leaked +([\d,]+) +([\d,]+) ", text, re.MULTILINE)
    complaints = []
    if not first.startswith(f"{leaked['count']:,} leaked block"):
        complaints.append(f"text: starts with {first!r}, JSON says {leaked['count']}")
    if not row or [int(number.replace(",", "")) for number in row.groups()] != [leaked["count"], leaked["bytes"]]:
        complaints.append(f"text: its table says {row and row.groups()}, JSON says {leaked}")
    return complaints
