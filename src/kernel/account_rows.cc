// SPDX-License-Identifier: Apache-2.0
#include "kernel/account_rows.h"

#include <algorithm>

#include "kernel/own_figures.h"

namespace orphan::kernel {
namespace {

using Section = AccountRow::Section;

// One reading of the kernel's own figures. A figure that is not there is nothing, not zero.
class Reading {
 public:
  explicit Reading(const OwnTexts& texts) : meminfo_(parse_meminfo(texts.meminfo)), zones_(parse_zoneinfo(texts.zoneinfo)) {
    for (const auto& [name, figures] : parse_slabinfo(texts.slabinfo)) slab_pages_ = slab_pages_.value_or(0) + figures.pages;
  }

  // Sum of the first names less the second; those that not every kernel has may be absent.
  std::optional<i64> sum(std::initializer_list<std::string_view> plus, std::initializer_list<std::string_view> minus = {}) const {
    i64 bytes = 0;
    auto first = find(*plus.begin());
    if (!first) return std::nullopt;
    for (std::string_view name : plus) bytes += find(name).value_or(0);
    for (std::string_view name : minus) bytes -= find(name).value_or(0);
    return bytes;
  }
  std::optional<i64> cpu_lists() const { return in_bytes(zones_ ? std::optional(zones_->on_cpu_lists) : std::nullopt); }
  std::optional<i64> unmanaged() const {
    return in_bytes(zones_ ? std::optional(zones_->present - std::min(zones_->managed, zones_->present)) : std::nullopt);
  }
  std::optional<i64> slabs() const { return in_bytes(slab_pages_); }
  // Slab has large kmallocs in it since v5.4 (6a486c0ad4dc).
  std::optional<i64> slab_less_slabs() const {
    auto all = sum({"Slab"});
    if (!all || !slab_pages_) return std::nullopt;
    return *all - *in_bytes(slab_pages_);
  }

 private:
  static std::optional<i64> in_bytes(std::optional<u64> pages) {
    if (!pages) return std::nullopt;
    return static_cast<i64>(*pages * kPageBytes);
  }
  std::optional<i64> find(std::string_view name) const {
    auto found = meminfo_.find(name);
    return found == meminfo_.end() ? std::nullopt : std::optional(static_cast<i64>(found->second));
  }

  std::map<std::string, u64, std::less<>> meminfo_;
  std::optional<ZoneFigures> zones_;
  std::optional<u64> slab_pages_;
};

constexpr const char* kLate = "the kernel sums up the counters of its CPUs late: by some dozens of pages a CPU";

class Rows {
 public:
  Rows(const CountedPages& counted, const OwnTexts& before, const OwnTexts& after)
      : kinds_(counted.kinds),
        taken_(counted.taken),
        outside_(counted.outside),
        counted_(counted),
        before_(before),
        after_(after) {}

  void add_free() {
    add(Section::Free, "free.buddy", "free", kinds_.count(PageKind::Buddy));
    compare("MemFree", [](const Reading& r) { return r.sum({"MemFree"}); }, kLate);
    add(Section::Free, "free.cpu_lists", "free, on CPUs' own lists", taken_[Taken::CpuLists]);
    compare(
        "/proc/zoneinfo, pagesets", [](const Reading& r) { return r.cpu_lists(); },
        "reading takes and gives back pages on these lists");
  }

  void add_user() {
    const char* mapped =
        "the kernel counts them as long as they are mapped somewhere: not in the swap cache, nor those on their way out";
    add(Section::User, "user.anonymous", "anonymous", kinds_.count(PageKind::Anonymous));
    compare("AnonPages - AnonHugePages", [](const Reading& r) { return r.sum({"AnonPages"}, {"AnonHugePages"}); }, mapped);
    add(Section::User, "user.anonymous_huge", "anonymous, huge (THP)", kinds_.count(PageKind::AnonHuge));
    compare("AnonHugePages", [](const Reading& r) { return r.sum({"AnonHugePages"}); }, mapped);
    add(Section::User, "user.file", "files (page cache, buffers)", kinds_.count(PageKind::File));
    compare("Cached + Buffers - Shmem", [](const Reading& r) { return r.sum({"Cached", "Buffers"}, {"Shmem"}); }, kLate);
    add(Section::User, "user.shmem", "tmpfs and shared memory", kinds_.count(PageKind::Shmem));
    compare("Shmem", [](const Reading& r) { return r.sum({"Shmem"}); }, kLate);
    add(Section::User, "user.hugetlb", "hugetlb, in use or in the pool", kinds_.count(PageKind::Hugetlb));
    compare("Hugetlb", [](const Reading& r) { return r.sum({"Hugetlb"}); });
    add(Section::User, "user.detached", "cut off from their file", kinds_.count(PageKind::Detached));
  }

  void add_kernel() {
    add(Section::Kernel, "kernel.slab", "slab", kinds_.count(PageKind::Slab));
    compare(
        "/proc/slabinfo", [](const Reading& r) { return r.slabs(); },
        "slabs that wait for RCU to be given back are no longer in the kernel's figure");
    const char* slab = "Slab - /proc/slabinfo";
    auto large = [](const Reading& r) { return r.slab_less_slabs(); };
    if (counted_.page.type_large_kmalloc) {
      add(Section::Kernel, "kernel.large_kmalloc", "large kmalloc", kinds_.count(PageKind::Kmalloc));
      compare(slab, large);
    }
    add_mapped();
    add(Section::Kernel, "kernel.page_tables", "page tables", kinds_.count(PageKind::Table));
    compare("PageTables + SecPageTables", [](const Reading& r) { return r.sum({"PageTables", "SecPageTables"}); }, kLate);
    add(Section::Kernel, "kernel.upper_tables", "page tables, upper levels and kernel's", taken_[Taken::Tables]);
    add(Section::Kernel, "kernel.memory_map", "memory map", taken_[Taken::MemoryMap]);
    add(Section::Kernel, "kernel.page_pool", "network page pools", kinds_.count(PageKind::PagePool));
    add(Section::Kernel, "kernel.zsmalloc", "zsmalloc and other movable pages",
        kinds_.count(PageKind::Zsmalloc) + kinds_.count(PageKind::Movable));
    add(Section::Kernel, "kernel.guard", "guard pages", kinds_.count(PageKind::Guard));
    add(Section::Kernel, "kernel.unaccepted", "not accepted yet (confidential guest)", kinds_.count(PageKind::Unaccepted));
    add(Section::Kernel, "kernel.other_type", "of a type that orphan does not know", kinds_.count(PageKind::OtherType));
    add(Section::Unaccounted, "unaccounted.plain", "plain pages", kinds_.count(PageKind::Plain));
    if (counted_.page.type_large_kmalloc) {
      add(Section::Unaccounted, "unaccounted.compound", "compound pages", kinds_.count(PageKind::Compound));
      return;
    }
    add(Section::Unaccounted, "unaccounted.compound", "compound pages, large kmalloc too", kinds_.count(PageKind::Compound));
    compare(slab, large,
            "the kernel's figure is large kmalloc alone, these are all compound pages: what is more came from alloc_pages()");
  }

  void add_mapped() {
    add(Section::Kernel, "kernel.stacks", "kernel stacks", taken_[Taken::Stacks]);
    compare(
        "KernelStack", [](const Reading& r) { return r.sum({"KernelStack"}); },
        "stacks that wait for RCU or for the next fork are not in the kernel's figure");
    add(Section::Kernel, "kernel.vmalloc", "vmalloc", taken_[Taken::Vmalloc]);
    // A kernel from before v5.3 (97105f0ab7b8) says 0.
    compare(
        "VmallocUsed", [](const Reading& r) { return r.sum({"VmallocUsed"}); },
        "compared with vmalloc, stacks and modules together: the kernel's figure has all three");
    rows_.back().compared_pages = taken_[Taken::Vmalloc] + taken_[Taken::Stacks] + taken_[Taken::Modules];
    add(Section::Kernel, "kernel.modules", "modules", taken_[Taken::Modules]);
    add(Section::Kernel, "kernel.vmap", "mapped by vmap()", taken_[Taken::Vmap]);
    add(Section::Kernel, "kernel.percpu", "per-CPU memory", taken_[Taken::PerCpu]);
    compare(
        "Percpu", [](const Reading& r) { return r.sum({"Percpu"}); },
        "compared with what was set up at boot as well, which is not in MemTotal");
    rows_.back().compared_pages = taken_[Taken::PerCpu] + counted_.first_unit_pages;
  }

  void add_moving() {
    add(Section::Moving, "moving.in_transit", "free, on their way somewhere", kinds_.count(PageKind::Unused));
    add(Section::Moving, "moving.changed", "changed while they were looked at", kinds_.count(PageKind::Changed));
    add(Section::Moving, "moving.unread", "could not be read", kinds_.count(PageKind::Unread));
  }

  // A page that is reserved is not in MemTotal. One that is offline may be: balloons differ. It is taken to be out of MemTotal as
  // far as MemTotal says that so many are.
  void add_outside(Account& account) {
    u64 offline = kinds_.count(PageKind::Offline), poisoned = kinds_.count(PageKind::Poisoned);
    u64 reserved = kinds_.count(PageKind::Reserved);
    constexpr Taken kOwners[] = {Taken::Stacks,  Taken::PerCpu, Taken::Vmalloc,   Taken::Vmap,
                                 Taken::Modules, Taken::Tables, Taken::MemoryMap, Taken::Image};
    for (Taken owner : kOwners) reserved += outside_[owner];
    i64 inside = static_cast<i64>(account.ram_pages - reserved - poisoned);
    auto total = after_.sum({"MemTotal"});
    account.has_total = total.has_value();
    i64 offline_outside = 0;
    if (total) offline_outside = std::clamp<i64>(inside - *total / static_cast<i64>(kPageBytes), 0, static_cast<i64>(offline));
    account.total_pages = total ? static_cast<u64>(*total) / kPageBytes : static_cast<u64>(inside);
    add(Section::Kernel, "kernel.balloon", "balloon or offline, part of MemTotal", offline - static_cast<u64>(offline_outside));
    add(Section::Outside, "outside.image", "kernel image", outside_[Taken::Image]);
    add(Section::Outside, "outside.memory_map", "memory map", outside_[Taken::MemoryMap]);
    add(Section::Outside, "outside.percpu", "per-CPU memory of boot", outside_[Taken::PerCpu]);
    add(Section::Outside, "outside.page_tables", "page tables of boot", outside_[Taken::Tables]);
    add(Section::Outside, "outside.mapped", "reserved, mapped as vmalloc or a stack",
        outside_[Taken::Vmalloc] + outside_[Taken::Vmap] + outside_[Taken::Modules] + outside_[Taken::Stacks]);
    add(Section::Outside, "outside.balloon", "balloon or offline", static_cast<u64>(offline_outside));
    add(Section::Outside, "outside.not_online", "memory that is not online", poisoned);
    add(Section::Outside, "outside.boot", "other boot memory, firmware, crash kernel", kinds_.count(PageKind::Reserved));
    compare(
        "/proc/zoneinfo, present - managed", [](const Reading& r) { return r.unmanaged(); },
        "compared with everything that is not in MemTotal");
    rows_.back().compared_pages = reserved + poisoned + static_cast<u64>(offline_outside);
  }

  std::vector<AccountRow> result() { return std::move(rows_); }

 private:
  void add(Section section, const char* id, const char* name, u64 pages) {
    rows_.push_back({.section = section, .id = id, .name = name, .pages = pages, .compared_pages = pages});
  }

  // Puts the kernel's figure beside the last row.
  template <typename F>
  void compare(const char* source, F&& figure, const char* why = "") {
    std::optional<i64> before = figure(before_), after = figure(after_);
    if (!after) return;
    rows_.back().kernel = KernelFigure{source, before.value_or(*after), *after};
    rows_.back().why = why;
  }

  const PageKinds& kinds_;
  const TakenPages& taken_;
  const TakenPages& outside_;
  const CountedPages& counted_;
  Reading before_, after_;
  std::vector<AccountRow> rows_;
};

}  // namespace

std::vector<AccountRow> account_rows(const CountedPages& counted, const OwnTexts& before, const OwnTexts& after,
                                     Account& account) {
  Rows rows(counted, before, after);
  rows.add_free();
  rows.add_user();
  rows.add_kernel();
  rows.add_moving();
  rows.add_outside(account);
  Account sum;
  sum.rows = rows.result();
  account.missing_pages = static_cast<i64>(account.total_pages) - static_cast<i64>(accounted_pages(sum));
  return std::move(sum.rows);
}

}  // namespace orphan::kernel
