// SPDX-License-Identifier: Apache-2.0
#include "kernel/rcu_pages.h"

namespace orphan::kernel {
namespace {

constexpr u64 kMostPages = 4096;  // on one list; the kernel keeps five by default
constexpr u64 kLists = 2;         // for slab objects and for vmalloc areas (FREE_N_CHANNELS)

class Reader {
 public:
  Reader(const KernelMemory& memory, const RcuPagesLayout& layout) : memory_(memory), layout_(layout) {}

  void read_cpu(Addr cpu) {
    follow(cpu + layout_.cache, 0, [&](Addr page) { dead_.push_back({page, kPageBytes}); });
    for (u64 list = 0; list < kLists; ++list) {
      read_used(cpu + layout_.used_lists + list * layout_.list_stride);
      for (u64 work = 0; work < layout_.works; ++work) {
        read_used(cpu + layout_.work_array + work * layout_.work_bytes + layout_.work_lists + list * layout_.list_stride);
      }
    }
  }
  std::vector<Range> take() { return std::move(dead_); }

 private:
  void read_used(Addr head) {
    follow(head, layout_.next, [&](Addr page) {
      auto count = read_value<u64>(memory_, page + layout_.count);
      u64 room = (kPageBytes - layout_.records) / 8;
      if (!count || *count > room) return;
      u64 used = layout_.records + *count * 8;
      dead_.push_back({page + used, kPageBytes - used});
    });
  }

  // A list that ends with null or where it began; its links are `next` bytes into each page, at whose start a page is.
  template <typename F>
  void follow(Addr head, u64 next, F&& f) {
    Addr at = head;
    u64 offset = 0;
    for (u64 n = 0; n < kMostPages; ++n) {
      auto link = read_value<u64>(memory_, at + offset);
      if (!link || *link == 0 || *link == head.value) return;
      at = Addr{*link};
      if (at.value % kPageBytes != 0 || !memory_.space().linear_span().contains(at)) return;
      offset = next;
      f(at);
    }
  }

  const KernelMemory& memory_;
  const RcuPagesLayout& layout_;
  std::vector<Range> dead_;
};

}  // namespace

std::vector<Range> dead_rcu_records(const KernelMemory& memory, const RcuPagesLayout& layout, Addr per_cpu,
                                    std::span<const u64> cpu_offsets) {
  Reader reader(memory, layout);
  for (u64 offset : cpu_offsets) reader.read_cpu(per_cpu + offset);
  return reader.take();
}

}  // namespace orphan::kernel
