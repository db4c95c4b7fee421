// SPDX-License-Identifier: Apache-2.0
#include "watch/trend_causes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>

#include "base/verify.h"
#include "watch/trend_squares.h"

namespace orphan::watch {
namespace {

// What MemAvailable does not have and the kernel accounts for. Lines that are not there are none.
struct Account {
  std::string_view line, name;
  bool is_kernel, is_in_available;
};
constexpr std::array<Account, 11> kAccounts{{
    {"AnonPages", "memory of processes", false, false},
    {"Shmem", "shared memory and tmpfs", false, false},
    {"Hugetlb", "huge pages", false, false},
    {"SUnreclaim", "slab caches", true, false},
    {"VmallocUsed", "vmalloc", true, false},
    {"Percpu", "per-CPU memory", true, false},
    {"PageTables", "page tables", true, false},
    {"SecPageTables", "page tables of guests and devices", true, false},
    {"KernelStack", "stacks of tasks", true, false},
    {"SReclaimable", "slab caches that shrink on demand", true, true},
    {"Cached", "page cache", false, true},
}};

constexpr double kDay = 24, kDaysOfCycle = 2;

class Explainer {
 public:
  Explainer(std::span<const double> time_h, std::span<const TrendInput> inputs, std::size_t most)
      : time_h_(time_h), inputs_(inputs), most_(most), weights_(time_h.size()) {
    weigh();
  }

  Fall run() const {
    Fall fall;
    for (std::string_view line : {"MemAvailable", "MemFree"}) {
      const TrendInput* input = memory(line);
      if (input == nullptr || !fall.of.empty()) continue;
      fall.of = line;
      fall.rate = -slope(*input);
    }
    if (fall.of.empty()) return fall;
    for (const Account& account : kAccounts) {
      const TrendInput* input = memory(account.line);
      if (input == nullptr || (account.is_in_available && fall.of == "MemAvailable")) continue;
      if (account.line == "KernelStack" && has_stacks_in_vmalloc()) continue;
      FallPart part{.name = std::string(account.name), .is_kernel = account.is_kernel, .rate = slope(*input)};
      if (account.line == "Cached") part.rate -= slope_of("Shmem");  // which is part of it
      add_parts(part, account.line);
      fall.explained += part.rate;
      (part.is_kernel ? fall.kernel : fall.user) += part.rate;
      fall.parts.push_back(std::move(part));
    }
    std::ranges::stable_sort(fall.parts, std::ranges::greater(), &FallPart::rate);
    fall.unexplained = fall.rate - fall.explained;
    return fall;
  }

 private:
  const TrendInput* memory(std::string_view line) const {
    const auto found = std::ranges::find_if(
        inputs_, [&](const TrendInput& input) { return input.series.kind == Kind::Memory && input.series.field == line; });
    return found == inputs_.end() || found->at.empty() ? nullptr : &*found;
  }

  double slope(const TrendInput& input) const {
    double sum = 0;
    for (std::size_t i = 0; i < input.at.size(); ++i) {
      VERIFY(input.at[i] < weights_.size());
      sum += weights_[input.at[i]] * input.values[i];
    }
    return sum;
  }

  // The slope is a weighted sum of the values. The weights are what of the time is neither a level nor a daily cycle: so half a
  // cycle at the end of the samples is no slope.
  void weigh() {
    if (time_h_.size() < 2) return;
    TrendColumn since_h;
    for (double hour : time_h_) since_h.push_back(hour - time_h_[0]);
    Squares squares(since_h);
    squares.add(TrendColumn(time_h_.size(), 1));
    if (since_h.back() >= kDaysOfCycle * kDay) {
      for (double turns : {1, 2}) {
        for (double shift : {0.0, std::numbers::pi / 2}) {
          TrendColumn column;
          for (double hour : since_h) column.push_back(std::sin(2 * std::numbers::pi * turns * hour / kDay + shift));
          squares.add(std::move(column));
        }
      }
    }
    for (std::size_t i = 0; i < weights_.size() && squares.rest() > 0; ++i) weights_[i] = squares.residuals()[i] / squares.rest();
  }

  double slope_of(std::string_view line) const {
    const TrendInput* input = memory(line);
    return input == nullptr ? 0 : slope(*input);
  }

  // Where stacks are mapped (CONFIG_VMAP_STACK), vmalloc has them, too.
  bool has_stacks_in_vmalloc() const {
    constexpr std::array<std::string_view, 4> kCallers{"dup_task_struct", "copy_process", "alloc_thread_stack_node",
                                                       "kernel_clone"};
    return std::ranges::any_of(inputs_, [&](const TrendInput& input) {
      return input.series.kind == Kind::Vmalloc &&
             std::ranges::any_of(kCallers, [&](std::string_view caller) { return input.series.name.starts_with(caller); });
    });
  }

  void add_parts(FallPart& part, std::string_view line) const {
    part.rest = part.rate;
    auto add = [&](Kind kind, std::string_view field) {
      for (const TrendInput& input : inputs_) {
        if (input.series.kind != kind || input.series.field != field || input.at.empty()) continue;
        if (kind == Kind::Slab && is_reclaimable(input.series) != (line == "SReclaimable")) continue;
        part.parts.push_back({.name = input.series.name, .is_kernel = part.is_kernel, .rate = slope(input)});
      }
    };
    if (line == "SUnreclaim" || line == "SReclaimable") add(Kind::Slab, "bytes");
    if (line == "VmallocUsed") add(Kind::Vmalloc, "bytes");
    if (line == "AnonPages") add(Kind::Process, "rss");
    std::erase_if(part.parts, [](const FallPart& one) { return one.rate <= 0; });
    std::ranges::stable_sort(part.parts, std::ranges::greater(), &FallPart::rate);
    if (part.parts.size() > most_) part.parts.resize(most_);
    for (const FallPart& one : part.parts) part.rest -= one.rate;
  }

  std::span<const double> time_h_;
  std::span<const TrendInput> inputs_;
  std::size_t most_;
  std::vector<double> weights_;
};

}  // namespace

bool is_reclaimable(const Series& series) {
  if (series.kind != Kind::Slab) return false;
  constexpr std::array<std::string_view, 5> kNames{"dentry", "buffer_head", "radix_tree_node", "xfs_inode", "xfs_ili"};
  return std::ranges::find(kNames, series.name) != kNames.end() || series.name.ends_with("inode_cache") ||
         series.name.ends_with("_inode") || series.name.starts_with("kmalloc-rcl-");
}

Fall explain_fall(std::span<const double> time_h, std::span<const TrendInput> inputs, std::size_t most) {
  return Explainer(time_h, inputs, most).run();
}

}  // namespace orphan::watch
