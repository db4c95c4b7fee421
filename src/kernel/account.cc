// SPDX-License-Identifier: Apache-2.0
#include "kernel/account.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "base/fd.h"
#include "kernel/account_rows.h"
#include "kernel/cpu_free_pages.h"
#include "kernel/evidence.h"
#include "kernel/own_figures.h"
#include "kernel/page_kinds.h"
#include "kernel/page_owners.h"
#include "kernel/table_pages.h"
#include "report/format.h"

namespace orphan::kernel {
namespace {

class Accountant {
 public:
  Accountant(const Kernel& kernel, Owners& owners, Symbols& symbols, const AccountHooks& hooks)
      : kernel_(kernel),
        memory_(kernel.memory),
        space_(kernel.memory.space()),
        owners_(owners),
        symbols_(symbols),
        hooks_(hooks),
        kinds_(kernel.layouts.page, kernel.memory.space()) {}

  Result<Account> run() {
    kernel_.cache.clear();
    memory_.forget_tables();
    TRY(step("reading the memory map"));
    percpu_ = TRY(read_percpu(memory_, kernel_.layouts.percpu, kernel_.globals.percpu));
    OwnTexts before = hooks_.own_texts();
    // They move: what was on a list before or after is taken for having been on one meanwhile.
    std::vector<CompoundPage> on_lists = cpu_lists();
    PageMap map = TRY(visit_page_map(memory_, kernel_.layouts.page, kernel_.layouts.slab, hooks_.keep_going, kinds_));
    compounds_ = std::move(map.compounds);
    for (CompoundPage page : cpu_lists()) on_lists.push_back(page);
    OwnTexts after = hooks_.own_texts();
    account_.ram_pages = kinds_.total();
    TRY(step("reading the slabs"));
    TRY(count_slabs(map, after.slabinfo));
    map.slabs = {};
    TRY(step("reading vmalloc, per-CPU areas and tasks"));
    take_free(on_lists);
    kinds_.find_tails();
    TRY(take_owned());
    TRY(step("looking into pages that nobody accounts for"));
    TRY(look_into_rest());
    account_.rows = account_rows({kinds_, taken_, outside_, first_unit_pages_, kernel_.layouts.page}, before, after, account_);
    add_kernel_callers(after.vmallocinfo);
    add_coverage();
    return std::move(account_);
  }

 private:
  Result<void> step(std::string_view what) const {
    if (hooks_.keep_going && !hooks_.keep_going()) return Error(ErrorCode::Interrupted, "account");
    if (hooks_.progress) hooks_.progress(what);
    return {};
  }

  u64 frame_of(Addr linear) const { return (linear - space_.linear_map) / kPageBytes; }

  std::vector<CompoundPage> cpu_lists() const {
    if (!kernel_.layouts.zone) return {};
    return cpu_free_pages(memory_, kernel_.layouts.page, *kernel_.layouts.zone,
                          {kernel_.globals.nodes, kernel_.globals.node_count, kernel_.globals.only_node}, percpu_.offsets);
  }

  // --- slabs ---

  Result<void> count_slabs(const PageMap& map, std::string_view slabinfo) {
    slub_ = TRY(read_caches(memory_, kernel_.layouts, kernel_.globals.slub));
    add_slabs({memory_, kernel_.cache, kernel_.layouts, map, percpu_}, slub_, owners_, snapshot_);
    kernel_.cache.clear();
    // Merged caches share a name with nobody; caches of one name are told apart by nothing that a reader could use.
    std::map<std::string, AccountCache> rows;
    std::vector<u64> pages(slub_.caches.size());
    AccountCache unlisted{.name = "(caches being made or destroyed)"};
    for (const SlabPage& slab : map.slabs) {
      auto known = slub_.by_address.find(slab.cache.value);
      if (known != slub_.by_address.end()) {
        pages[known->second] += u64{1} << slab.order;
        continue;
      }
      unlisted.pages += u64{1} << slab.order;
      ++unlisted.slabs;
    }
    for (std::size_t i = 0; i < pages.size(); ++i) {
      if (pages[i] != 0) add_cache(rows[slub_.caches[i].name], slub_.caches[i], pages[i]);
    }
    unlisted.waste_bytes = unlisted.pages * kPageBytes;
    if (unlisted.pages != 0) account_.caches.push_back(std::move(unlisted));
    auto figures = parse_slabinfo(slabinfo);
    for (auto& [name, row] : rows) {
      if (auto own = figures.find(name); own != figures.end())
        row.kernel = AccountCache::Kernel{own->second.active, own->second.objects, own->second.pages};
      account_.caches.push_back(std::move(row));
    }
    std::ranges::stable_sort(account_.caches, std::greater<>(), &AccountCache::pages);
    return {};
  }

  static void add_cache(AccountCache& row, const Cache& cache, u64 pages) {
    row.name = cache.name;
    row.pages += pages;
    row.slabs += cache.slabs;
    row.objects += cache.objects;
    row.live += cache.live;
    row.held_free += cache.held_free;
    // The last slot of a slab may end short of its size.
    u64 all = pages * kPageBytes, live = std::min(cache.live * cache.object_bytes, all);
    u64 free = std::min((cache.objects - cache.live) * cache.size_bytes, all - live);
    row.live_bytes += live;
    row.free_bytes += free;
    row.waste_bytes += all - live - free;
  }

  // --- pages that are somebody's ---

  void take_free(const std::vector<CompoundPage>& blocks) {
    for (CompoundPage block : blocks) {
      for (u64 i = 0; i < u64{1} << block.order; ++i) {
        if (kinds_.take(block.frame + i, PageKind::Unused)) ++taken_[Taken::CpuLists];
      }
    }
  }

  // Gives a page that was set up at boot.
  bool give_reserved(u64 frame, Taken owner) {
    bool is_reserved = kinds_.take(frame, PageKind::Reserved);
    outside_[owner] += u64{is_reserved};
    return is_reserved;
  }

  // Gives the page to `owner`, out of MemTotal or not, as it was before; false when it is no page that can be given away.
  bool give(u64 frame, Taken owner) {
    auto kind = kinds_.takable(frame);
    if (!kind || !kinds_.take(frame, *kind)) return false;
    ++(*kind == PageKind::Reserved ? outside_ : taken_)[owner];
    return true;
  }

  u64 give_mapped(Range range, Taken owner) {
    u64 pages = 0;
    for (Addr at = range.start; at < range.end();) {
      auto mapping = memory_.translate(at);
      u64 size = std::min(mapping ? mapping->size_bytes : memory_.hole_bytes(at), range.end() - at);
      if (mapping) {
        u64 first = mapping->physical / kPageBytes;
        for (u64 i = 0; i < (size + kPageBytes - 1) / kPageBytes; ++i) pages += u64{give(first + i, owner)};
      }
      at += size;
    }
    return pages;
  }

  void give_boot(Range linear, Taken owner) {
    u64 first = frame_of(Addr{align_down(linear.start.value, kPageBytes)});
    u64 last = frame_of(Addr{align_up(linear.end().value, kPageBytes)});
    for (u64 frame = first; frame < last; ++frame) give_reserved(frame, owner);
  }

  Result<void> take_owned() {
    vmalloc_ = TRY(read_vmalloc(memory_, kernel_.layouts.vmalloc, kernel_.globals.vmalloc));
    Tasks tasks = TRY(read_tasks(memory_, kernel_.layouts.task, kernel_.globals.tasks, percpu_.offsets, kernel_.self));
    Modules modules = TRY(read_modules(memory_, kernel_.layouts.module, kernel_.globals.modules));
    modules_ = std::move(modules.modules);
    for (const Module& module : modules_) add_symbols(memory_, kernel_.layouts.module, module, symbols_);
    if (!tasks.is_complete) gap("task lists", 1, "changed at every try: stacks and page tables may be missing");
    if (!modules.is_complete) gap("module lists", 1, "changed while it was read: modules may be missing");
    take_stacks(tasks);
    take_percpu();
    take_areas();
    take_tables(tasks);
    take_memory_map();
    take_image();
    return {};
  }

  void take_stacks(const Tasks& tasks) {
    std::unordered_set<u64> stacks;
    for (const Task& task : tasks.tasks) stacks.insert(task.stack.value);
    for (const VmallocArea& area : vmalloc_.areas) {
      if (stacks.contains(area.start.value)) stack_callers_.insert(area.caller.value);
    }
    // Without CONFIG_VMAP_STACK they are blocks of pages: in compound ones, or one page with its later pages.
    for (const Task& task : tasks.tasks) {
      if (!space_.linear_span().contains(task.stack)) continue;
      u64 frame = frame_of(task.stack);
      u64 pages = std::max(kinds_.plain_block_pages(frame), compound_pages(frame));
      for (u64 i = 0; i < pages; ++i) give(frame + i, Taken::Stacks);
    }
  }

  u64 compound_pages(u64 frame) const {
    auto found = std::ranges::lower_bound(compounds_, frame, {}, &CompoundPage::frame);
    return found != compounds_.end() && found->frame == frame ? u64{1} << found->order : 0;
  }

  void take_percpu() {
    for (const PerCpuChunk& chunk : percpu_.chunks) {
      for (u64 offset : percpu_.offsets) give_mapped({chunk.first_cookie + offset, chunk.size_bytes}, Taken::PerCpu);
    }
    for (u64 offset : percpu_.offsets) {
      Range unit{percpu_.first_unit.start + offset, percpu_.first_unit.size_bytes};
      first_unit_pages_ += (align_up(unit.end().value, kPageBytes) - align_down(unit.start.value, kPageBytes)) / kPageBytes;
      if (space_.linear_span().contains(unit)) give_boot(unit, Taken::PerCpu);
    }
  }

  bool is_module_memory(Addr at) const {
    return std::ranges::any_of(modules_, [&](const Module& module) {
      return std::ranges::any_of(module.memory, [&](Range range) { return range.start == at; });
    });
  }

  void take_areas() {
    std::map<std::pair<u64, bool>, AccountCaller> callers;
    for (const VmallocArea& area : vmalloc_.areas) {
      Taken owner = Taken::Vmalloc;
      if (!area.is_allocated)
        owner = Taken::Vmap;
      else if (stack_callers_.contains(area.caller.value))
        owner = Taken::Stacks;
      else if (is_module_memory(area.start))
        owner = Taken::Modules;
      u64 pages = give_mapped({area.start, area.reserved_bytes}, owner);
      if (owner == Taken::Stacks || owner == Taken::Modules || pages == 0) continue;
      AccountCaller& row = callers[{area.caller.value, area.is_allocated}];
      row.is_vmap = !area.is_allocated;
      ++row.areas;
      row.pages += pages;
    }
    for (auto& [key, row] : callers) {
      row.caller = to_frame(Addr{key.first}, symbols_);
      account_.callers.push_back(std::move(row));
    }
    std::ranges::stable_sort(account_.callers, std::greater<>(), &AccountCaller::pages);
  }

  void take_tables(const Tasks& tasks) {
    for (u64 frame : kernel_table_pages(memory_)) give(frame, Taken::Tables);
    if (!kernel_.layouts.mm_pgd) return;
    for (u64 frame : process_table_pages(memory_, kernel_.layouts.task, *kernel_.layouts.mm_pgd, tasks.tasks)) {
      u64 pages = kinds_.plain_block_pages(frame);
      for (u64 i = 0; i < pages; ++i) give(frame + i, Taken::Tables);
    }
  }

  void take_memory_map() {
    u64 bytes = kernel_.layouts.page.size_bytes;
    for (Range ram : space_.ram) {
      give_mapped({space_.page_descriptors + frame_of(ram.start) * bytes, ram.size_bytes / kPageBytes * bytes}, Taken::MemoryMap);
    }
  }

  // What the image gave back after boot is not reserved any more.
  void take_image() {
    Addr end = kernel_.globals.image_end.value_or(kernel_.image.end());
    u64 first = kernel_.image_physical / kPageBytes;
    for (u64 i = 0; i < align_up(end - kernel_.image.start, kPageBytes) / kPageBytes; ++i) {
      Addr page = kernel_.image.start + i * kPageBytes;
      if (give_reserved(first + i, Taken::Image) && page >= kernel_.globals.rodata_end) static_data_.push_back(page);
    }
  }

  // --- the rest ---

  Result<void> look_into_rest() {
    std::erase_if(compounds_,
                  [&](CompoundPage page) { return page.order == 0 || kinds_.takable(page.frame) != PageKind::Compound; });
    PageOwnerInput input{.kernel = kernel_,
                         .kinds = kinds_,
                         .compounds = compounds_,
                         .snapshot = snapshot_,
                         .owners = owners_,
                         .static_data = static_data_,
                         .areas = vmalloc_.areas,
                         .percpu = percpu_,
                         .symbols = symbols_,
                         .keep_going = hooks_.keep_going};
    return find_page_owners(input, account_);
  }

  // "f+0x1/0x2 [m]" without the size: the kernel's and ours differ where a function is the last of a module.
  static std::string without_size(std::string caller) {
    std::size_t slash = caller.find('/');
    if (slash != std::string::npos) caller.erase(slash, std::min(caller.find(' ', slash), caller.size()) - slash);
    return caller;
  }

  void add_kernel_callers(std::string_view vmallocinfo) {
    std::map<std::string, u64> figures;
    for (const auto& [caller, pages] : parse_vmallocinfo(vmallocinfo)) figures[without_size(caller)] += pages;
    for (AccountCaller& row : account_.callers) {
      auto own = figures.find(without_size(to_string(row.caller)));
      if (!row.is_vmap && own != figures.end()) row.kernel_pages = own->second;
    }
  }

  void gap(std::string what, u64 count, std::string why, bool incomplete = true) {
    if (count != 0)
      account_.coverage.push_back({.what = std::move(what), .count = count, .why = std::move(why), .incomplete = incomplete});
  }

  void add_coverage() {
    gap("page descriptors", kinds_.count(PageKind::Unread), "could not be read: what their pages are is not known");
    gap("pages of MemTotal", account_.missing_pages == 0 ? 0 : 1,
        "the rows do not add up to MemTotal: this kernel counts pages in a way that orphan does not know");
    gap("MemTotal", account_.has_total ? 0 : 1, "/proc/meminfo could not be read: the sum was compared with nothing");
    gap("per-CPU chunks", percpu_.unread_chunks, "changed while they were read: their pages stand below other names");
    gap("vmalloc lists", vmalloc_.broken_lists, "changed at every try: areas may be missing");
    gap("slabs that did not hold still", slub_.unstable_slabs, "their objects were taken as live", false);
    gap("lists of free pages of CPUs", kernel_.layouts.zone ? 0 : 1,
        "this kernel keeps them in a way that orphan does not know: their pages count as moving", false);
  }

  const Kernel& kernel_;
  const KernelMemory& memory_;
  const AddressSpace& space_;
  Owners& owners_;
  Symbols& symbols_;
  const AccountHooks& hooks_;
  PageKinds kinds_;
  TakenPages taken_, outside_;  // of MemTotal, and not
  std::vector<CompoundPage> compounds_;
  PerCpu percpu_;
  Slub slub_;
  Snapshot snapshot_;
  Vmalloc vmalloc_;
  std::vector<Module> modules_;
  std::unordered_set<u64> stack_callers_;
  std::vector<Addr> static_data_;  // pages of the image behind its constants, at their link addresses
  u64 first_unit_pages_ = 0;
  Account account_;
};

}  // namespace

OwnTexts read_own_texts() {
  auto text = [](const char* path) {
    auto read = read_file(path);
    return read ? std::move(*read) : std::string();
  };
  return {text("/proc/meminfo"), text("/proc/zoneinfo"), text("/proc/slabinfo"), text("/proc/vmallocinfo")};
}

Result<Account> take_account(const Kernel& kernel, Owners& owners, Symbols& symbols, const AccountHooks& hooks) {
  auto start = std::chrono::steady_clock::now();
  Account account = TRY(Accountant(kernel, owners, symbols, hooks).run());
  account.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return account;
}

}  // namespace orphan::kernel
