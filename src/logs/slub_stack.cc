// SPDX-License-Identifier: Apache-2.0
#include "logs/slub_stack.h"

#include <algorithm>

namespace orphan::logs {
namespace {

constexpr u64 kEnd32 = 0xffff'ffff, kEnd64 = ~u64{0};
constexpr std::size_t kFramesOfAllocator = 8;  // from the printing's outermost to where an allocator's name is sure to be

}  // namespace

void SlubStack::clear() {
  text_.clear();
  frames_.clear();
  has_others_ = false;
}

void SlubStack::add(const FrameText& frame) {
  bool is_end = frame.symbol.empty() && (frame.address == kEnd32 || frame.address == kEnd64);
  if (is_end || frames_.size() == kMaxFrames) return;
  if (!has_others_ && frame.is_reliable && !is_frame_of_printing(frame.name)) has_others_ = true;
  frames_.push_back({.at = static_cast<u32>(text_.size()),
                     .symbol_size = static_cast<u32>(frame.symbol.size()),
                     .name_size = static_cast<u32>(frame.name.size()),
                     .is_reliable = frame.is_reliable,
                     .address = frame.address});
  text_ += frame.symbol;
}

// The functions by which SLUB traces a free have "free" in their names in every release, and those of an allocation "alloc".
SlubStack::Kind SlubStack::kind() const {
  std::size_t looked_at = 0, named = 0;
  for (const Entry& entry : frames_) {
    std::string_view its_name = name(entry);
    if (!its_name.empty()) ++named;
    if (is_frame_of_printing(its_name)) continue;
    if (looked_at == kFramesOfAllocator) break;
    if (entry.is_reliable) ++looked_at;
    if (its_name.find("free") != std::string_view::npos) return Kind::Free;
    if (its_name.find("alloc") != std::string_view::npos) return Kind::Alloc;
  }
  return named == 0 ? Kind::Unknown : Kind::Foreign;
}

bool SlubStack::is_of_slub() const {
  return std::ranges::any_of(frames_, [this](const Entry& entry) {
    std::string_view its_name = name(entry);
    return entry.is_reliable && (its_name.starts_with("alloc_debug_processing") ||
                                 its_name.starts_with("free_debug_processing") || its_name.starts_with("free_to_partial_list"));
  });
}

std::vector<SlubStack::Entry> SlubStack::callers() const {
  bool has_reliable = std::ranges::any_of(frames_, &Entry::is_reliable);
  std::vector<Entry> kept;
  for (const Entry& entry : frames_) {
    if (has_reliable && !entry.is_reliable) continue;
    if (kept.empty() && is_frame_of_slub(name(entry))) continue;
    kept.push_back(entry);
  }
  return kept;
}

void leave_out_slub(std::vector<Frame>& stack) {
  auto first = std::ranges::find_if_not(stack, [](const Frame& frame) { return is_frame_of_slub(frame.symbol); });
  if (first != stack.end()) stack.erase(stack.begin(), first);
}

u32 SlubStacks::id_of(const SlubStack& stack) {
  std::vector<SlubStack::Entry> callers = stack.callers();
  if (callers.empty()) return kNone;
  key_.clear();
  for (const SlubStack::Entry& entry : callers) {
    // Addresses of functions with names differ from boot to boot.
    if (entry.symbol_size != 0)
      key_ += stack.symbol(entry);
    else
      key_.append(reinterpret_cast<const char*>(&entry.address), sizeof entry.address);
    key_ += '\n';
  }
  if (auto known = ids_.find(key_); known != ids_.end()) return known->second;
  if (ids_.size() == kMaxStacks) {
    ++left_out_;
    return kNone;
  }
  std::vector<Frame> frames;
  for (const SlubStack::Entry& entry : callers) frames.push_back(frame_of(stack.symbol(entry), entry.address));
  auto id = static_cast<u32>(stacks_.size());
  stacks_.push_back(std::move(frames));
  ids_.emplace(key_, id);
  return id;
}

}  // namespace orphan::logs
