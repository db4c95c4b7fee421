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

// Whether the function returns a bool.
bool returns_bool(const btf* types, const std::optional<std::string>& function) {
  int id = function ? btf__find_by_name_kind(types, function->c_str(), BTF_KIND_FUNC) : -1;
  const btf_type* type = id > 0 ? btf__type_by_id(types, static_cast<u32>(id)) : nullptr;
  if (type != nullptr) type = btf__type_by_id(types, type->type);  // its prototype
  if (type != nullptr) type = btf__type_by_id(types, type->type);
  while (type != nullptr && btf_is_typedef(type)) type = btf__type_by_id(types, type->type);
  return type != nullptr && btf_is_int(type) && (btf_int_encoding(type) & BTF_INT_BOOL) != 0;
}

std::string lockdown() {
  auto text = read_file("/sys/kernel/security/lockdown");
  return text && text->find("[confidentiality]") != std::string::npos ? "the kernel is locked down to confidentiality" : "";
}

Error cannot_load(int error) {
  std::string why = lockdown();
  if (error == EPERM || error == EACCES || !why.empty()) {
    return {
        ErrorCode::Permission,
        "the kernel lets no program be attached to its tracepoints: " +
            (why.empty() ? std::string("it takes CAP_BPF and CAP_PERFMON, as root has them; `orphan scan` finds leaks without")
                         : why + ", and nobody can look into it: boot it with lockdown=integrity or none")};
  }
  if (error == ENOSYS || error == EINVAL || error == EOPNOTSUPP || error == ENOENT || error == ESRCH) {
    return {ErrorCode::Unsupported, fmt::format("the kernel takes none of the programs that track allocations ({}): it needs BPF "
                                                "with BTF, 5.10 or later; `orphan scan` finds leaks without",
                                                std::strerror(error))};
  }
  return {ErrorCode::Io, fmt::format("tracking cannot be started: {}", std::strerror(error))};
}

// What is traced, by which program, and how that is attached: to a tracepoint that the kernel has or has not, to a function, or
// to the return of one.
struct Hook {
  enum class Place : u8 { Tracepoint, Entry, Return, Probe, ReturnProbe };
  bpf_program* program;
  Place place;
  std::string at;            // the tracepoint or function
  std::string what;          // for people
  bool is_optional = false;  // kernels without such a place have nothing that is missed
  bool is_free = false;
};

bool is_trampoline(const Hook& hook) {
  return hook.place == Hook::Place::Entry || hook.place == Hook::Place::Return;
}

std::vector<Hook> hooks_for(const track_bpf& skeleton, const TrackOptions& options) {
  using enum Hook::Place;
  const auto& programs = skeleton.progs;
  const Wanted* wanted = options.wanted ? &*options.wanted : nullptr;
  std::vector<Hook> hooks{{programs.on_module_load, Tracepoint, "module_load", "modules that are loaded"}};
  if (wanted == nullptr || wanted->large_kmallocs || !wanted->kmallocs.empty()) {
    hooks.push_back({programs.on_kmalloc, Tracepoint, "kmalloc", "kmalloc()"});
    hooks.push_back({programs.on_kmalloc_node, Tracepoint, "kmalloc_node", "kmalloc_node()", true});
  }
  if (wanted == nullptr || !wanted->caches.empty()) {
    hooks.push_back({programs.on_kmem_cache_alloc, Tracepoint, "kmem_cache_alloc", "kmem_cache_alloc()"});
    hooks.push_back({programs.on_kmem_cache_alloc_node, Tracepoint, "kmem_cache_alloc_node", "kmem_cache_alloc_node()", true});
    hooks.push_back({programs.on_bulk, Return, "kmem_cache_alloc_bulk", "allocations in bulk"});
  }
  if (wanted == nullptr || wanted->percpu)
    hooks.push_back({programs.on_percpu_alloc, Tracepoint, "percpu_alloc_percpu", "per-CPU allocations"});
  if (wanted == nullptr || wanted->vmalloc) {
    hooks.push_back({programs.on_vmalloc, ReturnProbe, "__vmalloc_node_range", "vmalloc()"});
    hooks.push_back({programs.on_vmap, Probe, "map_kernel_range_noflush", "vmalloc()", true});
  }
  if (options.pages || (wanted != nullptr && wanted->pages))
    hooks.push_back({programs.on_page_alloc, Tracepoint, "mm_page_alloc", "page allocations"});
  if (!options.frees) return hooks;
  hooks.push_back({programs.on_vmalloc_entry, Probe, "__vmalloc_node_range", "sizes of vmalloc areas"});
  std::size_t allocations = hooks.size();
  hooks.push_back({programs.on_kfree, Tracepoint, "kfree", "kfree()"});
  hooks.push_back({programs.on_kmem_cache_free, Tracepoint, "kmem_cache_free", "kmem_cache_free()"});
  hooks.push_back({programs.on_bulk_free, Entry, "kmem_cache_free_bulk", "frees in bulk, as of kfree_rcu()"});
  hooks.push_back({programs.on_rcu_sheaf, Entry, "__kfree_rcu_sheaf", "frees by way of sheaves", true});
  hooks.push_back({programs.on_percpu_free, Tracepoint, "percpu_free_percpu", "per-CPU frees"});
  hooks.push_back({programs.on_vfree, Probe, "vfree", "vfree()"});
  hooks.push_back({programs.on_vfree, Probe, "vfree_atomic", "vfree_atomic()"});
  for (Hook& hook : std::span(hooks).subspan(allocations)) hook.is_free = true;
  return hooks;
}

// What is to be noted, and what of it.
void set_choice(const TrackOptions& options, track_bpf::track_bpf__rodata& facts) {
  facts.stacks_a_window = options.stacks_a_window;
  facts.least_bytes = options.least_bytes;
  facts.only_tgid = options.only_tgid;
  // What it takes itself to trace is outstanding until it ends.
  if (options.frees) facts.never_tgid = static_cast<u32>(::getpid());
  facts.sample_bytes = options.sample_bytes;
  facts.names_caches = options.frees;
  if (options.only_cgroup) {
    facts.only_cgroup = options.only_cgroup->id;
    facts.cgroup_level = options.only_cgroup->level;
  }
  facts.only_wanted = options.wanted.has_value();
  facts.large_wanted = options.wanted && options.wanted->large_kmallocs;
}

}  // namespace

struct Tracker::Programs {
  track_bpf* skeleton = nullptr;
  std::vector<Hook> hooks;
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
  std::span<const orphan_module> modules;
  std::span<const orphan_cache> caches;

  ~Maps() {
    unmap(buckets);
    unmap(stacks);
    unmap(counts);
    unmap(modules);
    unmap(caches);
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

Result<std::unique_ptr<Tracker>> Tracker::start(const TrackOptions& options) {
  std::unique_ptr<Tracker> tracker(new Tracker);
  TRY(tracker->load(options));
  tracker->attach();
  bool traces_allocations = std::ranges::any_of(tracker->programs_->links, [&](const auto& link) {
    return link.first != tracker->programs_->skeleton->progs.on_module_load;
  });
  if (!traces_allocations) {
    std::string why = tracker->coverage_.empty() ? std::string("it has no such tracepoint") : tracker->coverage_.front().why;
    return Error(ErrorCode::Unsupported, "nothing of the kernel's allocators can be traced: " + why);
  }
  return tracker;
}

Result<void> Tracker::load(const TrackOptions& options) {
  TypesPtr types(btf__load_vmlinux_btf(), &btf__free);
  if (!types) {
    return Error(ErrorCode::Unsupported,
                 "/sys/kernel/btf/vmlinux: not there, or not to be read: this kernel was built without "
                 "CONFIG_DEBUG_INFO_BTF, and nothing can be traced or scanned without it");
  }
  u64 wanted =
      options.table_bytes != 0 ? options.table_bytes : std::clamp(options.ram_bytes / kShareOfMemory, kLeastTable, kMostTable);
  u32 buckets = std::bit_floor(static_cast<u32>(std::clamp<u64>(wanted / sizeof(orphan_bucket), 16, u64{1} << 30)));
  u32 stacks = std::clamp(buckets / kBucketsAStack, kLeastStacks, kMostStacks);
  // Since 6.1 there is one tracepoint, which has the cache itself among its arguments.
  bool has_cache_argument = !arguments_of(types.get(), "kmem_cache_alloc_node");

  // A kernel that refuses the programs on trampolines takes the others.
  for (bool with_trampolines : {true, false}) {
    programs_ = std::make_unique<Programs>();
    track_bpf* skeleton = programs_->skeleton = track_bpf::open();
    if (skeleton == nullptr) return cannot_load(errno);
    bpf_map__set_max_entries(skeleton->maps.buckets, buckets);
    bpf_map__set_max_entries(skeleton->maps.stacks, stacks);
    bpf_map__set_max_entries(skeleton->maps.sites, kSites);
    bpf_map__set_max_entries(skeleton->maps.caches, options.frees ? u32{ORPHAN_CACHES} : 1);
    track_bpf::track_bpf__rodata& facts = *skeleton->rodata;
    set_choice(options, facts);
    facts.bucket_mask = buckets - 1;
    facts.stack_mask = stacks - 1;
    facts.site_mask = kSites - 1;
    facts.page_descriptors = options.page_descriptors.value;
    facts.linear_map = options.linear_map.value;
    facts.descriptor_bytes = options.descriptor_bytes;
    facts.cache_is_argument = has_cache_argument;
    facts.bulk_is_all = returns_bool(types.get(), function_of(types.get(), "kmem_cache_alloc_bulk"));
    facts.percpu_has_site = arguments_of(types.get(), "percpu_alloc_percpu").value_or(0) > 7;

    bool has_trampoline = choose(options, types.get(), with_trampolines);
    int error = -track_bpf::load(skeleton);
    if (error == 0) break;
    if (!has_trampoline && options.only_cgroup && error == EINVAL) {
      return Error(ErrorCode::Unsupported,
                   "--cgroup: this kernel does not tell programs that trace of which cgroup a task is; do without, "
                   "or choose a process with --pid");
    }
    if (!has_trampoline) return cannot_load(error);
    coverage_.clear();
    trampoline_error_ = error;
  }
  if (options.wanted) TRY(put_wanted(*options.wanted, has_cache_argument));
  maps_ = std::make_unique<Maps>();
  TRY(Maps::map(programs_->skeleton->maps.buckets, PROT_READ, maps_->buckets));
  TRY(Maps::map(programs_->skeleton->maps.stacks, PROT_READ | PROT_WRITE, maps_->stacks));
  TRY(Maps::map(programs_->skeleton->maps.counts, PROT_READ, maps_->counts));
  TRY(Maps::map(programs_->skeleton->maps.modules, PROT_READ, maps_->modules));
  TRY(Maps::map(programs_->skeleton->maps.caches, PROT_READ, maps_->caches));
  table_.emplace(maps_->buckets, maps_->stacks);
  return {};
}

bool Tracker::choose(const TrackOptions& options, const btf* types, bool with_trampolines) {
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, programs_->skeleton->obj) bpf_program__set_autoload(program, false);
  bpf_program__set_autoload(programs_->skeleton->progs.on_clock, true);
  bool has_trampoline = false;
  for (Hook& hook : hooks_for(*programs_->skeleton, options)) {
    int error = 0;
    if (hook.place == Hook::Place::Tracepoint) {
      error = arguments_of(types, hook.at) ? 0 : ENOENT;
    } else {
      auto function = function_of(types, hook.at);
      error = function ? 0 : ENOENT;
      hook.at = function.value_or(hook.at);
      if (is_trampoline(hook) && error == 0)
        error = with_trampolines ? -bpf_program__set_attach_target(hook.program, 0, hook.at.c_str()) : trampoline_error_;
    }
    if (error == ENOENT && hook.is_optional) continue;
    if (error != 0) {
      not_attached(hook.what, hook.is_free, error);
      continue;
    }
    bpf_program__set_autoload(hook.program, true);
    has_trampoline = has_trampoline || is_trampoline(hook);
    programs_->hooks.push_back(std::move(hook));
  }
  return has_trampoline;
}

Result<void> Tracker::put_wanted(const Wanted& wanted, bool has_cache_argument) {
  std::vector<u32> keys = wanted.kmallocs;
  for (const Wanted::Cache& cache : wanted.caches)
    keys.push_back(has_cache_argument ? static_cast<u32>(cache.address.value) : cache.slot_bytes);
  std::vector<u32> table(ORPHAN_WANTED);
  for (u32 key : keys) {
    u32 tries = 0, first = orphan_cache_place(key, ORPHAN_WANTED);
    auto is_anothers = [&](u32 place) { return table[place] != 0 && table[place] != key; };
    while (tries < ORPHAN_CACHE_PROBES && is_anothers((first + tries) % ORPHAN_WANTED)) ++tries;
    if (tries == ORPHAN_CACHE_PROBES) {
      return Error(
          ErrorCode::Usage,
          fmt::format("{} caches are more than can be picked out: name fewer, or note the allocations of all", keys.size()));
    }
    table[(first + tries) % ORPHAN_WANTED] = key;
  }
  for (u32 place = 0; place < table.size(); ++place) {
    if (table[place] == 0) continue;
    if (int error = bpf_map_update_elem(bpf_map__fd(programs_->skeleton->maps.wanted), &place, &table[place], BPF_ANY);
        error != 0)
      return cannot_load(-error);
  }
  return {};
}

void Tracker::not_attached(const std::string& what, bool is_free, int error) {
  coverage_.push_back({.what = what,
                       .why = fmt::format("could not be traced: {}; what was {}", std::strerror(error),
                                          is_free ? "freed so is taken for outstanding" : "allocated so has no stack"),
                       .incomplete = is_free});
}

void Tracker::attach() {
  for (const Hook& hook : programs_->hooks) {
    bool is_probe = hook.place == Hook::Place::Probe || hook.place == Hook::Place::ReturnProbe;
    bpf_link* link = is_probe ? bpf_program__attach_kprobe(hook.program, hook.place == Hook::Place::ReturnProbe, hook.at.c_str())
                              : bpf_program__attach(hook.program);
    if (link == nullptr)
      not_attached(hook.what, hook.is_free, errno);
    else
      programs_->links.emplace_back(hook.program, link);
  }
}

Result<Moment> Tracker::now() const {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  bpf_test_run_opts options{};
  options.sz = sizeof options;
  if (int error = bpf_prog_test_run_opts(bpf_program__fd(programs_->skeleton->progs.on_clock), &options); error != 0)
    return cannot_load(-error);
  return Moment{programs_->skeleton->bss->clock_jiffies,
                static_cast<u64>(time.tv_sec) * 1'000'000'000 + static_cast<u64>(time.tv_nsec)};
}

std::vector<kernel::Module> Tracker::modules() const {
  std::vector<kernel::Module> modules;
  for (const orphan_module& entry : maps_->modules) {
    kernel::Module module;
    module.name.assign(entry.name, ::strnlen(entry.name, sizeof(entry.name)));
    if (entry.bytes != 0) module.memory.push_back({Addr{~entry.key}, entry.bytes});
    if (entry.init_bytes != 0) module.memory.push_back({Addr{~entry.init_key}, entry.init_bytes});
    if (!module.name.empty()) modules.push_back(std::move(module));
  }
  return modules;
}

const orphan_cache* Tracker::cache(u32 key) const {
  auto found = std::ranges::find(maps_->caches, key, &orphan_cache::key);
  return found == maps_->caches.end() ? nullptr : &*found;
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
    sum.frees += cpu.frees;
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
