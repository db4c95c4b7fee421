// SPDX-License-Identifier: Apache-2.0
#include "logs/fingerprint.h"

#include <algorithm>
#include <array>
#include <bit>
#include <span>

#include "base/fnv1a.h"

namespace orphan::logs {
namespace {

constexpr u64 kOffsetBits = 0xfff;
// kmemleak's MAX_TRACE: deeper stacks of others are compared with its.
constexpr std::size_t kMaxFrames = 16;

// Of functions that stand between the call site and the hook of who notes the allocation.
constexpr auto kAllocators = std::to_array<std::string_view>({"kmemleak_alloc",
                                                              "create_object",
                                                              "__create_object",
                                                              "kmem_cache_alloc",
                                                              "__kmem_cache_alloc",
                                                              "kmalloc",
                                                              "__kmalloc",
                                                              "kvmalloc",
                                                              "__kvmalloc",
                                                              "slab_post_alloc",
                                                              "slab_alloc",
                                                              "__slab_alloc",
                                                              "___slab_alloc",
                                                              "vmalloc",
                                                              "__vmalloc",
                                                              "vzalloc",
                                                              "pcpu_alloc",
                                                              "__alloc_percpu",
                                                              "__alloc_pages",
                                                              "alloc_pages",
                                                              "__alloc_frozen_pages",
                                                              "alloc_frozen_pages",
                                                              "get_page_from_freelist",
                                                              "prep_new_page",
                                                              "post_alloc_hook",
                                                              "__get_free_pages",
                                                              "get_free_pages",
                                                              "__folio_alloc",
                                                              "folio_alloc",
                                                              "__set_page_owner",
                                                              "register_early_stack",
                                                              "save_stack",
                                                              "kzalloc",
                                                              "krealloc",
                                                              "__krealloc",
                                                              "__do_kmalloc_node",
                                                              "__do_krealloc"});

bool is_allocator(const Frame& frame) {
  return frame.module.empty() && !frame.symbol.empty() &&
         std::ranges::any_of(kAllocators, [&](std::string_view name) { return frame.symbol.starts_with(name); });
}

// "probe.isra.0" is probe, and "kmemdup_noprof" is what was kmemdup before 6.10.
std::string_view plain_name(std::string_view symbol) {
  constexpr std::string_view kNoProfile = "_noprof";
  symbol = symbol.substr(0, symbol.find('.', 1));
  if (symbol.ends_with(kNoProfile)) symbol.remove_suffix(kNoProfile.size());
  return symbol;
}

std::vector<const Frame*> own_frames(const std::vector<Frame>& stack) {
  std::vector<const Frame*> frames;
  for (const Frame& frame : stack) {
    if (!frame.is_inlined && frames.size() < kMaxFrames) frames.push_back(&frame);
  }
  auto first = std::ranges::find_if_not(frames, [](const Frame* frame) { return is_allocator(*frame); });
  // All are, as where kmalloc itself was not traced further.
  if (first != frames.end()) frames.erase(frames.begin(), first);
  return frames;
}

}  // namespace

u64 size_class(u64 bytes) {
  for (u64 slot : {u64{96}, u64{192}}) {
    if (bytes > slot / 3 * 2 && bytes <= slot) return slot;
  }
  constexpr u64 kLargest = u64{1} << 62;
  return std::bit_ceil(std::clamp<u64>(bytes, 8, kLargest));
}

std::string plain_cache(std::string_view cache) {
  constexpr std::string_view kRandom = "kmalloc-rnd-";
  if (!cache.starts_with(kRandom)) return std::string(cache);
  std::size_t dash = cache.find('-', kRandom.size());
  return dash == std::string_view::npos ? std::string(cache) : "kmalloc" + std::string(cache.substr(dash));
}

u64 fingerprint(const Finding& finding) {
  const Leak& leak = finding.leak;
  std::vector<const Frame*> frames = own_frames(leak.stack);
  Fnv1a hash;
  hash.add(static_cast<u64>(finding.memory));
  hash.add(static_cast<u64>(finding.is_leak));
  hash.add(frames.size());
  if (frames.empty()) {
    hash.add(plain_cache(leak.cache));
    hash.add(leak.object_size_bytes);
    return hash.value();
  }
  hash.add(size_class(leak.object_size_bytes));
  for (const Frame* frame : frames) {
    if (frame->symbol.empty()) {
      hash.add(frame->address.value & kOffsetBits);
    } else {
      hash.add(plain_name(frame->symbol));
      hash.add(frame->module);
    }
  }
  return hash.value();
}

u64 exact_stack(const std::vector<Frame>& stack) {
  Fnv1a hash;
  for (const Frame& frame : stack) {
    if (frame.is_inlined) continue;
    hash.add(frame.symbol);
    hash.add(frame.symbol.empty() ? frame.address.value : frame.offset);
    hash.add(frame.module);
  }
  return hash.value();
}

}  // namespace orphan::logs
