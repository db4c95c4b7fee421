// SPDX-License-Identifier: Apache-2.0
#include "kernel/page_blocks.h"

#include <bit>

#include "kernel/table_pages.h"

namespace orphan::kernel {
namespace {

constexpr u64 kImageBytes = u64{1} << 30;  // what the image's place is aligned to, at most: __START_KERNEL_map

FrameBits held_frames(const PageHolders& holders, const FrameBits& plain) {
  FrameBits held{plain.first_frame, BitVector()};
  held.bits.resize(plain.bits.size());
  auto hold = [&](u64 frame, u64 count) {
    for (u64 i = 0; i < count; ++i) {
      if (plain.test(frame + i)) held.set(frame + i);
    }
  };
  auto hold_all = [&](const std::vector<u64>& frames) {
    for (u64 frame : frames) hold(frame, 1);
  };
  Addr image{align_down(holders.globals.text.value, kImageBytes)};
  for_each_mapped_frame(holders.memory, {image, holders.memory.space().modules.start - image}, hold);
  hold_all(kernel_table_pages(holders.memory));
  if (holders.layouts.mm_pgd)
    hold_all(process_table_pages(holders.memory, holders.layouts.task, *holders.layouts.mm_pgd, holders.tasks));
  if (holders.globals.top_tables) hold_all(listed_table_pages(holders.memory, holders.layouts.page, *holders.globals.top_tables));
  return held;
}

}  // namespace

std::vector<CompoundPage> take_page_blocks(const PageHolders& holders, FrameBits& plain, const FrameBits& tails) {
  FrameBits held = held_frames(holders, plain);
  std::vector<CompoundPage> blocks;
  u64 end = plain.first_frame + plain.bits.size();
  for (u64 bit = plain.bits.find_from(0); bit < plain.bits.size(); bit = plain.bits.find_from(bit)) {
    u64 frame = plain.first_frame + bit;
    u64 pages = 1;
    bool is_held = held.test(frame);
    for (; frame + pages < end && plain.test(frame + pages) && tails.test(frame + pages); ++pages)
      is_held = is_held || held.test(frame + pages);
    bit += pages;
    if (is_held) continue;
    // A block that lost pages in its middle, or its first, is none that can be judged as a whole.
    for (u64 done = 0; done < pages; ++done) {
      u64 left = pages - done, size = std::bit_floor(left);
      blocks.push_back({frame + done, static_cast<u8>(std::countr_zero(size))});
      done += size - 1;
    }
    plain.clear_range(frame, pages);
  }
  return blocks;
}

}  // namespace orphan::kernel
