// SPDX-License-Identifier: Apache-2.0
#include "kernel/stack_depot.h"

namespace orphan::kernel {
namespace {

constexpr u64 kAlignment = 16;    // DEPOT_STACK_ALIGN, of records in a pool; since v4.7 (cd11016e5f52)
constexpr u32 kMostFrames = 256;  // CONFIG_STACKDEPOT_MAX_FRAMES is no larger

u32 part_of(u32 handle, Member bits) {
  return handle >> (bits.offset_bytes * 8 + bits.bit_offset) & static_cast<u32>((u64{1} << bits.bit_size) - 1);
}

}  // namespace

std::optional<Addr> StackDepot::record_in(Addr table, u32 handle) const {
  u64 index = part_of(handle, layout_.pool);
  if (layout_.pool_is_plus_one) {
    if (index == 0) return std::nullopt;
    --index;
  }
  auto pool = read_value<u64>(memory_, table + index * 8);
  if (!pool || *pool == 0) return std::nullopt;
  Addr record = Addr{*pool} + part_of(handle, layout_.offset) * kAlignment;
  auto own = read_value<u32>(memory_, record + layout_.handle);
  if (!own || ((*own ^ handle) & ~layout_.ignored_bits) != 0) return std::nullopt;
  return record;
}

std::vector<Addr> StackDepot::fetch(u32 handle) const {
  if (handle == 0) return {};
  auto record = record_in(pools_, handle);
  if (!record) {
    auto table = read_value<u64>(memory_, pools_);
    if (table && *table != 0) record = record_in(Addr{*table}, handle);
  }
  auto size = record ? read_value<u32>(memory_, *record + layout_.size) : Result<u32>(u32{0});
  if (!size || *size == 0 || *size > kMostFrames) return {};
  std::vector<u64> words(*size);
  if (!memory_.read(*record + layout_.entries, std::as_writable_bytes(std::span(words)))) return {};
  std::vector<Addr> frames;
  for (u64 word : words) frames.push_back(Addr{word});
  return frames;
}

}  // namespace orphan::kernel
