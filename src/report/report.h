// SPDX-License-Identifier: Apache-2.0
// The Report: one plain structure that every output format prints. It is filled once, after the last pass, and holds no
// address of ours and no reference to the target: everything to be printed is in it.
//
// Its numbers add up: `examined` is the sum of the six classes of `Outcome`, and `outcome.leaked` the sum over `leaks`; so it is
// with `pages`.
#pragma once
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/addr.h"

namespace orphan {

struct Tally {
  u64 count = 0;
  u64 bytes = 0;

  Tally& operator+=(Tally other) {
    count += other.count;
    bytes += other.bytes;
    return *this;
  }
  Tally& operator-=(Tally other) {
    count -= other.count;
    bytes -= other.bytes;
    return *this;
  }
  friend bool operator==(const Tally&, const Tally&) = default;
};

// What allocator a block came from.
enum class BlockKind : u8 { Slab, LargeKmalloc, Vmalloc, PerCpu, Pages, Unknown };
inline constexpr std::size_t kBlockKinds = 4;  // of a scan, without pages: these are judged apart, see PageReport
// "slab", "large-kmalloc", "vmalloc", "per-cpu", "pages", "unknown": stable words of the JSON output. Unknown is only what
// somebody else reported without saying it.
const char* to_string(BlockKind kind);

struct Frame {
  Addr address;
  std::string symbol = {};  // empty: unknown
  u64 offset = 0;           // from the symbol's start
  u64 symbol_size = 0;
  std::string module = {};  // empty: the kernel itself
  std::string file = {};    // empty: no debug information
  u32 line = 0;
  bool is_inlined = false;  // the function's code is a part of that of the next frame which is not
};

// Code that frames lie in: a module's or the kernel's own. Its build-id finds the debug information that has their lines.
struct Image {
  std::string module = {};    // empty: the kernel itself
  std::string build_id = {};  // hexadecimal; empty: not known
};

// Something inside a block that hints at what the block is.
struct Evidence {
  enum class Kind : u8 {
    Symbol,  // a pointer to it
    String,
    Block,  // a pointer to a live block, or into the block itself
    List,   // the head or a node of a list
  };
  Kind kind;
  u32 offset_bytes;        // in the block
  std::string text = {};   // "ext4_file_operations [ext4]", the string itself, "dentry+0x0"
  u64 count = 0;           // in how many of the group's objects the same stands at the same offset
  std::string field = {};  // the member at this offset, where the type is known or likely
};

// "symbol", "string", "block", "list": stable words of the JSON output.
const char* to_string(Evidence::Kind kind);

struct LeakedObject {
  Addr address;  // a per-CPU block: its `__percpu` cookie
  u64 size_bytes = 0;
  u32 checksum = 0;                      // the kernel's crc32 with seed 0, as kmemleak prints it
  std::vector<std::byte> contents = {};  // the first bytes, as read in the last pass; a per-CPU block: of `cpu`
  u32 cpu = 0;
  std::optional<u32> pid = {};       // of the task that allocated it; absent: not known
  std::string comm = {};             // its name, where the task still lives
  std::optional<u64> jiffies = {};   // when, by the kernel's clock
  std::optional<double> age_s = {};  // since then
  std::string cgroup = {};           // that is charged for it: its path; empty: none, or not known
  Addr head = {};  // of the leaked blocks that it hangs below; its own address: it is a head, or nothing is known of others
};

// A word that is no plain pointer to a block, and may be how somebody keeps it all the same.
struct WeakReferrer {
  Addr object;            // the block
  std::string form = {};  // "one-past-end", "physical-address", ...
  Addr at = {};           // where the word stands; 0: not known
  u64 word = 0;
  std::string place = {};  // the same in words: "module leaky: physical+0x0"
};

// How sure it is that a group's blocks are leaked, by what a scan can know.
enum class Confidence : u8 {
  Certain,   // the allocator's own record of a live object, seen often and long enough, and nothing else explains it
  Likely,    // the same, but seen less often or for less time
  Possible,  // something may hold it that cannot be seen, or it may be no allocation of this kind
};
// "certain", "likely", "possible": stable words of the JSON output.
const char* to_string(Confidence confidence);

struct Counted {
  std::string text = {};
  u64 count = 0;
};

// One more of this text; most stand first.
void count_one(const std::string& text, std::vector<Counted>& counts);

// When the blocks of a group were allocated, of which that is known.
struct AllocationTimes {
  u64 count = 0;       // blocks
  double first_s = 0;  // seconds since the first of them was
  double last_s = 0;   // since the last
};
// Blocks a second, from the first to the last; nothing: there are not two, or both are of one moment.
std::optional<double> rate(const AllocationTimes& times);

// Leaked blocks of one allocator, cache, size, and stack where it is known.
struct Leak {
  BlockKind kind = BlockKind::Slab;
  std::string cache = {};                 // "kmalloc-128", "vmalloc", "per-cpu", "large kmalloc"
  std::vector<std::string> aliases = {};  // other caches merged into this one
  std::string type = {};                  // the C type when it is known, e.g. "struct sk_buff"
  std::string type_reason = {};           // why the type is likely; empty: it is certain
  u64 object_size_bytes = 0;
  Tally total;          // exact
  u64 heads = 0;        // of these that hang below no other leaked block
  Tally retained = {};  // what hangs below these heads and below no other, themselves included
  Confidence confidence = Confidence::Possible;
  std::string confidence_reason = {};  // in words
  i64 first_seen_unix_s = 0;           // when the scan began that saw the first of them; 0: this one
  std::vector<Frame> stack = {};       // allocation site(s), innermost first; often empty
  bool was_seen = false;               // their allocation, by a tracker
  u64 inferred_stacks = 0;  // blocks whose own stack is not known, and that were allocated as the others were: same site,
                            // same depth of the stack, same size
  std::optional<AllocationTimes> times = {};
  std::vector<Counted> comms = {};  // names of the tasks that allocated them, most blocks first
  std::vector<Evidence> evidence = {};
  std::vector<Counted> cgroups = {};       // that are charged for the objects that are listed, most objects first
  std::vector<LeakedObject> objects = {};  // as many as were asked for; total.count says how many there are
  // Only in Report::weak: one for each of `objects` that has any; the others hang below objects that have.
  std::vector<WeakReferrer> weak = {};
};

// A step of the work and how long it took.
struct Phase {
  std::string name = {};
  double seconds = 0;
  double reading_seconds = 0;  // of these, until the target's memory had been copied
};

struct Pass {
  double seconds = 0;
  Tally live;            // blocks that the allocators say are live
  u64 unreferenced = 0;  // of these, that nothing pointed to in this pass
  u64 confirmed = 0;     // that were so, unchanged, in the pass before as well
  u64 bytes_read = 0;    // from the target
  u64 words = 0;         // of memory that were looked at for references
  std::vector<Phase> phases = {};
};

// Every live block of the last pass is in exactly one of these.
struct Outcome {
  Tally referenced;
  Tally leaked;
  Tally weak;         // nothing points to it, but something that is no plain pointer may be how somebody keeps it; see `weak`
  Tally suppressed;   // unreferenced by the kernel's own design, or as a rule of the user's says; see `suppressed`
  Tally unconfirmed;  // unreferenced in the last pass, but not in the one before, or changed, or new
  Tally unstable;     // its slab moved while it was read: taken as referenced
};

// The kernel's own plain pages, when they were asked for: nothing of this is in the other numbers. Every block of pages is in
// exactly one of the classes.
struct PageReport {
  Tally referenced;
  Tally leaked;
  Tally weak;                     // only something that is no plain pointer refers to it
  Tally suppressed;               // as a rule of the user's says
  Tally unconfirmed;              // unreferenced in the last pass, but not before, or changed, or used meanwhile
  std::vector<Leak> groups = {};  // most bytes first
};

struct Coverage {
  std::string what = {};  // what was not looked at, or not exactly
  u64 bytes = 0;          // 0: not a matter of bytes
  u64 count = 0;
  std::string why = {};
  bool incomplete = true;  // false: a statement of fact that takes nothing from the verdict
};

struct Suppression {
  std::string rule = {};
  std::string reason = {};
  Tally total;
};

struct RootKindTotal {
  std::string kind = {};  // "kernel pages", "task stacks", ...
  u64 count = 0;
  u64 bytes = 0;
};

// Live objects as we counted them against what the kernel says of itself (/proc/slabinfo).
struct SelfTest {
  struct Row {
    std::string cache = {};
    u64 ours = 0;      // active objects in slabinfo's sense: live, plus free ones that a CPU holds
    u64 slabinfo = 0;  // active_objs
  };
  u64 caches = 0;
  u64 ours = 0;
  u64 slabinfo = 0;
  std::vector<Row> different = {};  // largest difference first
};

struct Report {
  std::string target = {};         // "kernel 6.1.0-56-cloud-amd64"
  std::string version = {};        // of orphan
  std::string release = {};        // of the kernel: "6.1.0-56-cloud-amd64"
  std::vector<Image> images = {};  // that frames of `leaks`, `weak` and `pages` lie in
  i64 started_unix_s = 0;
  double seconds = 0;
  std::vector<Phase> startup = {};  // what was done once, before the first pass
  std::vector<Pass> passes = {};
  u64 peak_memory_bytes = 0;                 // of our own process; 0: not known
  bool interrupted = false;                  // the user asked to stop: fewer passes than wanted; nothing unconfirmed is reported
  bool settled = true;                       // the last two passes agreed on the candidates
  std::array<Tally, kBlockKinds> by_kind{};  // examined, by kind
  std::vector<RootKindTotal> roots = {};
  Outcome outcome;
  bool has_graph = false;        // `heads`, `retained` and LeakedObject::head are known
  std::vector<Leak> leaks = {};  // those that retain most first
  std::vector<Leak> weak = {};   // weakly referenced: no leaks, as far as one can see
  std::optional<PageReport> pages = {};
  std::vector<Suppression> suppressed = {};
  std::vector<Coverage> coverage = {};
  std::optional<SelfTest> self_test;  // absent: slabinfo could not be read; coverage says why
  u64 max_objects = 10'000;           // single objects kept in `leaks`, over all of them
};

// The sum over all block kinds.
Tally examined(const Report& report);

}  // namespace orphan
