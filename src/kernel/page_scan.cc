// SPDX-License-Identifier: Apache-2.0
#include "kernel/page_scan.h"

#include <algorithm>

#include "kernel/page_kinds.h"

namespace orphan::kernel {
namespace {

constexpr u64 kReadBytes = 1 << 16;

// Calls f(word) for each word of the memory that can be read.
template <typename F>
Result<void> for_each_word(const Memory& memory, Range range, F&& f) {
  std::vector<std::byte> buffer(kReadBytes);
  for (u64 done = 0; done < range.size_bytes;) {
    auto piece = std::span(buffer).first(std::min(kReadBytes, range.size_bytes - done));
    auto got = memory.read(range.start + done, piece);
    if (!got && got.error().code() != ErrorCode::NotMapped) return got;
    for (u64 at = 0; got && at + 8 <= piece.size(); at += 8) f(load_unchecked<u64>(piece.data() + at));
    done += piece.size();
  }
  return {};
}

}  // namespace

PageScan::PageScan(const Kernel& kernel, const Owners& owners)
    : owners_(owners),
      linear_map_(kernel.memory.space().linear_map),
      image_(kernel.memory.space().linear(kernel.image_physical), 0) {
  image_.size_bytes = kernel.globals.image_end.value_or(kernel.image.end()) - kernel.image.start;
}

bool PageScan::is_page(const Snapshot& snapshot, const Span& span) const {
  return !span.has(span_flag::kAlias) && owners_[snapshot.shape_of(span).owner].kind == BlockKind::Pages;
}

Result<void> PageScan::reach_tables(const Look& look, const Memory& memory, MarkResult& marked) const {
  const Snapshot& snapshot = look.snapshot;
  BitVector seeds;
  seeds.resize(snapshot.live.size());
  auto is_single = [&](const Span& span) { return is_page(snapshot, span) && snapshot.size_bytes(span) == kPageBytes; };
  auto add_table = [&](u64 word) {
    if (word % kPageBytes != 0 || !look.index->paged().contains(Addr{word})) return;
    auto first = look.index->find(word);
    if (!first || !is_single(snapshot.spans[first->span])) return;
    u64 frame = (Addr{word} - linear_map_) / kPageBytes;
    for (u64 i = 1; i < (frame & ~(frame - 1)); ++i) {
      auto next = look.index->find(word + i * kPageBytes);
      if (!next || !is_single(snapshot.spans[next->span])) return;
      seeds.set(next->slot);
    }
  };
  for (const Root& root : snapshot.roots) {
    if (root.kind != RootKind::Image) continue;
    Addr start = std::max(root.range.start, image_.start), end = std::min(root.range.end(), image_.end());
    if (start < end) TRY(for_each_word(memory, {start, end - start}, add_table));
  }
  return mark_from(seeds, snapshot, *look.index, memory, marked);
}

Result<void> PageScan::split(const Look& look, const Memory& memory, MarkResult& marked) {
  const Snapshot& snapshot = look.snapshot;
  TRY(reach_tables(look, memory, marked));
  unreached_ = BitVector();
  unreached_.resize(snapshot.live.size());
  now_referenced_ = now_unreferenced_ = {};
  for (const Span& span : snapshot.spans) {
    if (!is_page(snapshot, span)) continue;
    bool is_reached = marked.reached.test(span.first_slot);
    (is_reached ? now_referenced_ : now_unreferenced_) += {1, snapshot.size_bytes(span)};
    if (!is_reached) unreached_.set(span.first_slot);
  }
  marked_.emplace(std::pmr::get_default_resource());
  marked_->reached = marked.reached;
  return mark_from(unreached_, snapshot, *look.index, memory, marked);
}

Result<void> PageScan::add_pass(const Look& look, const Memory& memory, BitVector in_doubt) {
  TRY(confirmation_.add_pass(look.snapshot, unreached_, memory));
  referenced_ = now_referenced_;
  unreferenced_ = now_unreferenced_;
  if (confirmation_.passes() < 2) return {};
  unreached_.subtract(confirmation_.confirmed());
  unreached_.for_each(0, unreached_.size(), [&](u64 slot) { in_doubt.set(slot); });
  TRY(mark_from(in_doubt, look.snapshot, *look.index, memory, *marked_));
  confirmation_.spare(marked_->reached);
  return {};
}

Result<void> PageScan::search_weakly(const Look& look, const KernelMemory& memory, const std::function<bool()>& keep_going) {
  weak_finder_.emplace(look, memory, *marked_);
  weak_finder_->take_pages();
  auto done = weak_finder_->search(confirmation_, keep_going);
  if (done) return {};
  weak_finder_.reset();
  return done.error().code() == ErrorCode::Interrupted ? Result<void>() : std::move(done);
}

Result<void> PageScan::find_weak(const Look& look, const Memory& memory, const BitVector& weak_blocks) {
  if (weak_finder_) TRY(weak_finder_->finish());
  if (weak_blocks.size() != 0) TRY(mark_from(weak_blocks, look.snapshot, *look.index, memory, *marked_));
  weak_.resize(look.snapshot.live.size());
  // Nothing reached them before.
  confirmation_.for_each([&](const Confirmation::Candidate& candidate) {
    if (marked_->reached.test(candidate.slot)) weak_.set(candidate.slot);
  });
  return {};
}

PageRecheck::PageRecheck(const KernelMemory& memory, const PageLayout& page, std::vector<Addr> pages)
    : memory_(memory), page_(page), pages_(std::move(pages)), seen_(pages_.size() * page.size_bytes), was_used_(pages_.size()) {
  std::ranges::sort(pages_);
  for (std::size_t i = 0; i < pages_.size(); ++i) {
    auto descriptor = std::span(seen_).subspan(i * page_.size_bytes, page_.size_bytes);
    was_used_[i] = !memory_.read(descriptor_of(pages_[i]), descriptor) || !is_own(descriptor);
  }
}

Addr PageRecheck::descriptor_of(Addr page) const {
  const AddressSpace& space = memory_.space();
  return space.page_descriptors + (page - space.linear_map) / kPageBytes * page_.size_bytes;
}

bool PageRecheck::is_own(Bytes descriptor) const {
  if (load<u32>(descriptor, page_.refcount).value_or(0) == 0 || load<u64>(descriptor, page_.mapping).value_or(1) != 0)
    return false;
  // Neither a type nor a count of mappings: both stand there.
  return load<u32>(descriptor, page_.page_type) == kNoPageType && !is_in_page_pool(descriptor, page_);
}

void PageRecheck::look() {
  std::vector<std::byte> now(page_.size_bytes);
  for (std::size_t i = 0; i < pages_.size(); ++i) {
    if (was_used_[i] || !memory_.read(descriptor_of(pages_[i]), now)) continue;  // what is not known has not changed
    was_used_[i] = !std::ranges::equal(now, std::span(seen_).subspan(i * page_.size_bytes, page_.size_bytes));
  }
}

bool PageRecheck::was_used(Addr page) const {
  auto found = std::ranges::lower_bound(pages_, page);
  return found != pages_.end() && *found == page && was_used_[static_cast<std::size_t>(found - pages_.begin())];
}

}  // namespace orphan::kernel
