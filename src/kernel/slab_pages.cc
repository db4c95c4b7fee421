// SPDX-License-Identifier: Apache-2.0
#include "kernel/slab_pages.h"

namespace orphan::kernel {

std::optional<u64> head_frame(const KernelMemory& memory, const PageLayout& page, u64 frame) {
  const AddressSpace& space = memory.space();
  Addr tail = space.page_descriptors + frame * page.size_bytes;
  auto link = read_value<u64>(memory, tail + page.compound_head);
  if (!link) return std::nullopt;
  if ((*link & 1) == 0) return frame;
  // A pointer to the head's descriptor, or since v7.1 the mask that makes a tail's address the head's.
  Addr head{*link - 1};
  if (head < space.page_descriptors || tail < head) head = Addr{tail.value & *link & ~u64{1}};
  return (head - space.page_descriptors) / page.size_bytes;
}

std::optional<SlabPage> read_slab(const KernelMemory& memory, const PageLayout& page, const SlabLayout& slab, u64 frame) {
  std::vector<std::byte> descriptors(2 * u64{page.size_bytes});
  if (!memory.read(memory.space().page_descriptors + frame * page.size_bytes, descriptors)) return std::nullopt;
  auto found = decode_slab(descriptors, page, slab);
  if (!found) return std::nullopt;
  found->frame = frame;
  found->order = static_cast<u8>(compound_order(descriptors, page));
  return found;
}

}  // namespace orphan::kernel
