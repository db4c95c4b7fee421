// SPDX-License-Identifier: Apache-2.0
#include "track/tracker.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "base/fd.h"
#include "kernel/target.h"
#include "track/programs.h"

namespace orphan::track {
namespace {

constexpr u64 kShareOfMemory = 64, kLeastTable = 4 << 20, kMostTable = 128 << 20;  // bytes of records without an order
constexpr u32 kBucketsAStack = 4, kLeastStacks = 1 << 12, kMostStacks = 1 << 16;
constexpr u32 kSites = 1 << 13;

using TypesPtr = std::unique_ptr<btf, decltype(&btf__free)>;

// How many arguments the kernel's tracepoint hands to a program; nothing: it has no such tracepoint.
std::optional<u32> arguments_of(const btf* types, const std::string& tracepoint) {
  int alias = btf__find_by_name_kind(types, ("btf_trace_" + tracepoint).c_str(), BTF_KIND_TYPEDEF);
  if (alias < 0) return std::nullopt;
  const btf_type* type = btf__type_by_id(types, static_cast<u32>(alias));
  if (type != nullptr) type = btf__type_by_id(types, type->type);  // a pointer
  if (type != nullptr) type = btf__type_by_id(types, type->type);
  if (type == nullptr || !btf_is_func_proto(type) || btf_vlen(type) == 0) return std::nullopt;
  return btf_vlen(type) - 1U;  // the first is the tracepoint's own
}

// The name under which this kernel has the function; allocation profiling (6.10) gave many a suffix.
std::optional<std::string> function_of(const btf* types, const std::string& name) {
  for (const std::string& full : {name + "_noprof", name}) {
    if (btf__find_by_name_kind(types, full.c_str(), BTF_KIND_FUNC) > 0) return full;
  }
  return std::nullopt;
}

std::string lockdown() {
  auto text = read_file("/sys/kernel/security/lockdown");
  return text && text->find("[confidentiality]") != std::string::npos ? "the kernel is locked down to confidentiality" : "";
}

Error cannot_load(int error) {
  if (error == EPERM || error == EACCES) {
    std::string why = lockdown();
    return {ErrorCode::Permission, "the kernel lets no program be attached to its tracepoints: " +
                                       (why.empty() ? std::string("it takes CAP_BPF and CAP_PERFMON, as root has them") : why) +
                                       "; `orphan scan` finds leaks without"};
  }
  if (error == ENOSYS || error == EINVAL || error == EOPNOTSUPP || error == ENOENT || error == ESRCH) {
    return {ErrorCode::Unsupported, fmt::format("the kernel takes none of the programs that track allocations ({}): it needs BPF "
                                                "with BTF, 5.10 or later; `orphan scan` finds leaks without",
                                                std::strerror(error))};
  }
  return {ErrorCode::Io, fmt::format("tracking cannot be started: {}", std::strerror(error))};
}

}  // namespace

struct Tracker::Programs {
  track_bpf* skeleton = nullptr;
  std::string vmalloc;  // the function that is probed
  std::vector<std::pair<bpf_program*, bpf_link*>> links;

  ~Programs() {
    for (auto [program, link] : links) bpf_link__destroy(link);
    track_bpf::destroy(skeleton);
  }
  u64 missed_runs() const {
    u64 sum = 0;
    for (auto [program, link] : links) {
      bpf_prog_info info{};
      u32 size = sizeof(info);
      if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) == 0) sum += info.recursion_misses;
    }
    return sum;
  }
};

// The tables, mapped.
struct Tracker::Maps {
  std::span<const orphan_bucket> buckets;
  std::span<orphan_stack> stacks;
  std::span<const orphan_counts> counts;

  ~Maps() {
    unmap(buckets);
    unmap(stacks);
    unmap(counts);
  }
  template <typename T>
  static void unmap(std::span<T> table) {
    if (table.empty()) return;
    ::munmap(const_cast<std::remove_const_t<T>*>(table.data()), table.size_bytes());
  }
  template <typename T>
  static Result<void> map(const bpf_map* from, int protection, std::span<T>& table) {
    u64 count = bpf_map__max_entries(from);
    void* at = ::mmap(nullptr, count * sizeof(T), protection, MAP_SHARED, bpf_map__fd(from), 0);
    if (at == MAP_FAILED) {
      return Error(ErrorCode::Io, fmt::format("the table '{}' of the tracking programs cannot be mapped: {}", bpf_map__name(from),
                                              std::strerror(errno)));
    }
    table = std::span(static_cast<T*>(at), count);
    return {};
  }
};

Tracker::Tracker() = default;
Tracker::~Tracker() = default;

Result<std::unique_ptr<Tracker>> Tracker::start(const TrackOptions& options, kernel::Target& target) {
  std::unique_ptr<Tracker> tracker(new Tracker);
  TRY(tracker->load(options, target));
  tracker->attach();
  if (tracker->programs_->links.empty()) {
    std::string why = tracker->coverage_.empty() ? std::string("it has no such tracepoint") : tracker->coverage_.front().why;
    return Error(ErrorCode::Unsupported, "nothing of the kernel's allocators can be traced: " + why);
  }
  return tracker;
}

Result<void> Tracker::load(const TrackOptions& options, kernel::Target& target) {
  TypesPtr types(btf__load_vmlinux_btf(), &btf__free);
  if (!types) return cannot_load(ENOENT);
  u64 ram_bytes = 0;
  for (Range ram : target.memory().space().ram) ram_bytes += ram.size_bytes;
  u64 wanted = options.table_bytes != 0 ? options.table_bytes : std::clamp(ram_bytes / kShareOfMemory, kLeastTable, kMostTable);
  u32 buckets = std::bit_floor(static_cast<u32>(std::clamp<u64>(wanted / sizeof(orphan_bucket), 16, u64{1} << 30)));
  u32 stacks = std::clamp(buckets / kBucketsAStack, kLeastStacks, kMostStacks);

  // A kernel that refuses the program for bulk allocations takes the others.
  for (bool with_bulk : {true, false}) {
    programs_ = std::make_unique<Programs>();
    track_bpf* skeleton = programs_->skeleton = track_bpf::open();
    if (skeleton == nullptr) return cannot_load(errno);
    bpf_map__set_max_entries(skeleton->maps.buckets, buckets);
    bpf_map__set_max_entries(skeleton->maps.stacks, stacks);
    bpf_map__set_max_entries(skeleton->maps.sites, kSites);
    track_bpf::track_bpf__rodata& facts = *skeleton->rodata;
    facts.bucket_mask = buckets - 1;
    facts.stack_mask = stacks - 1;
    facts.site_mask = kSites - 1;
    facts.stacks_a_window = options.stacks_a_window;
    facts.least_bytes = options.least_bytes;
    facts.only_tgid = options.only_tgid;
    facts.page_descriptors = target.memory().space().page_descriptors.value;
    facts.linear_map = target.memory().space().linear_map.value;
    facts.descriptor_bytes = target.layouts().page.size_bytes;
    // Since 6.1 there is one tracepoint, which has the cache itself among its arguments.
    facts.cache_is_argument = !arguments_of(types.get(), "kmem_cache_alloc_node");
    facts.percpu_has_site = arguments_of(types.get(), "percpu_alloc_percpu").value_or(0) > 7;
    for (auto [program, tracepoint] :
         {std::pair(skeleton->progs.on_kmalloc, "kmalloc"), std::pair(skeleton->progs.on_kmalloc_node, "kmalloc_node"),
          std::pair(skeleton->progs.on_kmem_cache_alloc, "kmem_cache_alloc"),
          std::pair(skeleton->progs.on_kmem_cache_alloc_node, "kmem_cache_alloc_node"),
          std::pair(skeleton->progs.on_percpu_alloc, "percpu_alloc_percpu"),
          std::pair(skeleton->progs.on_page_alloc, "mm_page_alloc")}) {
      bpf_program__set_autoload(program, arguments_of(types.get(), tracepoint).has_value());
    }
    if (!options.pages) bpf_program__set_autoload(skeleton->progs.on_page_alloc, false);
    programs_->vmalloc = function_of(types.get(), "__vmalloc_node_range").value_or("");
    bpf_program__set_autoload(skeleton->progs.on_vmalloc, !programs_->vmalloc.empty());
    auto bulk = function_of(types.get(), "kmem_cache_alloc_bulk");
    bool can_bulk = with_bulk && bulk && bpf_program__set_attach_target(skeleton->progs.on_bulk, 0, bulk->c_str()) == 0;
    bpf_program__set_autoload(skeleton->progs.on_bulk, can_bulk);
    if (with_bulk && !can_bulk) not_attached("allocations in bulk", ENOENT);
    if (with_bulk && programs_->vmalloc.empty()) not_attached("vmalloc()", ENOENT);
    int error = -track_bpf::load(skeleton);
    if (error == 0) break;
    if (!with_bulk || !can_bulk) return cannot_load(error);
    not_attached("allocations in bulk", error);
  }
  maps_ = std::make_unique<Maps>();
  TRY(Maps::map(programs_->skeleton->maps.buckets, PROT_READ, maps_->buckets));
  TRY(Maps::map(programs_->skeleton->maps.stacks, PROT_READ | PROT_WRITE, maps_->stacks));
  TRY(Maps::map(programs_->skeleton->maps.counts, PROT_READ, maps_->counts));
  table_.emplace(maps_->buckets, maps_->stacks);
  return {};
}

void Tracker::not_attached(const std::string& what, int error) {
  coverage_.push_back({.what = what,
                       .why = fmt::format("could not be traced: {}; what was allocated so has no stack", std::strerror(error)),
                       .incomplete = false});
}

void Tracker::attach() {
  track_bpf* skeleton = programs_->skeleton;
  for (auto [program, what] :
       {std::pair(skeleton->progs.on_kmalloc, "kmalloc()"), std::pair(skeleton->progs.on_kmalloc_node, "kmalloc_node()"),
        std::pair(skeleton->progs.on_kmem_cache_alloc, "kmem_cache_alloc()"),
        std::pair(skeleton->progs.on_kmem_cache_alloc_node, "kmem_cache_alloc_node()"),
        std::pair(skeleton->progs.on_percpu_alloc, "per-CPU allocations"),
        std::pair(skeleton->progs.on_page_alloc, "page allocations"), std::pair(skeleton->progs.on_bulk, "allocations in bulk"),
        std::pair(skeleton->progs.on_vmalloc, "vmalloc()")}) {
    if (!bpf_program__autoload(program)) continue;
    bpf_link* link = program == skeleton->progs.on_vmalloc ? bpf_program__attach_kprobe(program, true, programs_->vmalloc.c_str())
                                                           : bpf_program__attach(program);
    if (link == nullptr)
      not_attached(what, errno);
    else
      programs_->links.emplace_back(program, link);
  }
}

u64 Tracker::table_bytes() const {
  return maps_->buckets.size_bytes() + maps_->stacks.size_bytes();
}

TrackCounts Tracker::counts() const {
  TrackCounts sum{.missed_runs = programs_ ? programs_->missed_runs() : missed_runs_};
  for (const orphan_counts& cpu : maps_->counts) {
    sum.events += cpu.events;
    sum.records += cpu.records;
    sum.replaced += cpu.replaced;
    sum.stacks += cpu.stacks;
    sum.lost_stacks += cpu.full;
    sum.lost += cpu.lost;
  }
  return sum;
}

void Tracker::reclaim_stacks() {
  for (u32 place : table_->unused_stacks()) maps_->stacks[place].hash = 0;
}

void Tracker::stop() {
  missed_runs_ = programs_->missed_runs();
  programs_.reset();
  // Programs that run at this moment are in a read-side critical section of RCU: this waits for its end.
  ::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
  table_->learn_sites();
}

}  // namespace orphan::track
