// SPDX-License-Identifier: Apache-2.0
#include "kernel/who.h"

#include <algorithm>
#include <map>
#include <unordered_set>

#include "kernel/evidence.h"
#include "kernel/places.h"
#include "kernel/pointees.h"
#include "scan/mark.h"
#include "scan/references.h"

namespace orphan::kernel {
namespace {

constexpr std::size_t kLongestPath = 32;
constexpr u64 kEvidenceBytes = 4096;
constexpr std::size_t kContentsKept = 256;
constexpr std::size_t kEvidenceLines = 12;

class Asker {
 public:
  Asker(const WhoTarget& target, const WhoOptions& options, const LookHooks& hooks)
      : target_(target), kernel_(target.kernel), options_(options), hooks_(hooks) {
    kernel_.notes_places = true;
  }

  Result<std::vector<Who>> run() {
    look_ = TRY(take_look(kernel_, target_.owners, hooks_));
    for (const Module& module : look_->modules) add_symbols(kernel_.memory, kernel_.layouts.module, module, target_.symbols);
    places_.emplace(kernel_, *look_, target_.symbols);
    step("following references");
    marked_.emplace(TRY(
        mark(look_->snapshot, *look_->index, kernel_.memory, {.keep_going = hooks_.keep_going, .reached_from = &reached_from_})));
    if (marked_->stopped) return Error(ErrorCode::Interrupted, "following references");
    for (Addr address : options_.addresses) answers_.push_back(start(address));
    step("looking for references");
    TRY(find_referrers());
    return std::move(answers_);
  }

 private:
  void step(std::string_view what) const {
    if (hooks_.progress) hooks_.progress(what);
  }

  Who start(Addr address) {
    Who who;
    who.address = address;
    auto block = find(address);
    if (!block) {
      who.place = places_->describe(address);
      return who;
    }
    who.block = block_of(*block);
    who.offset_bytes = offset_in(*block, address);
    targets_[block->slot].push_back(answers_.size());
    if (!look_->snapshot.live.test(block->slot)) return who;
    if (marked_->reached.test(block->slot)) follow_back(*block, who);
    gather_evidence(*block, who);
    return who;
  }

  // The block that holds the address itself. A small number is a per-CPU cookie.
  std::optional<BlockRef> find(Addr address) const {
    if (is_on_live_stack(address)) return std::nullopt;
    if (look_->snapshot.page_descriptors.range.contains(address)) return std::nullopt;
    return look_->index->find(address.value);
  }

  bool is_on_live_stack(Addr address) const {
    return std::ranges::any_of(look_->tasks,
                               [&](const Task& task) { return task.stack && address - task.stack < look_->stack_bytes; });
  }

  Addr start_of(BlockRef block) const { return look_->snapshot.slot_address(look_->snapshot.spans[block.span], block.slot); }

  // An address in one CPU's copy of a per-CPU block has its offset in that copy.
  u64 offset_in(BlockRef block, Addr address) const {
    const Span& span = look_->snapshot.spans[block.span];
    u64 size = look_->snapshot.shape_of(span).object_bytes;
    u64 offset = address - start_of(block);
    if (offset < size || !span.has(span_flag::kReplicated)) return offset;
    for (u64 copy : look_->snapshot.copy_offsets) {
      if (address - (start_of(block) + copy) < size) return address - (start_of(block) + copy);
    }
    return 0;
  }

  WhoBlock block_of(BlockRef ref) const {
    const Span& span = look_->snapshot.spans[ref.span];
    const Shape& shape = look_->snapshot.shape_of(span);
    const Owner& owner = target_.owners[shape.owner];
    WhoBlock block;
    block.address = start_of(ref);
    block.size_bytes = shape.object_bytes;
    block.kind = owner.kind;
    block.cache = owner.name;
    if (owner.caller) block.caller = to_frame(owner.caller, target_.symbols);
    block.state = state_of(span, ref.slot);
    return block;
  }

  BlockState state_of(const Span& span, u64 slot) const {
    if (!look_->snapshot.live.test(slot)) return BlockState::Free;
    if (span.has(span_flag::kRoot)) return span.has(span_flag::kNoScan) ? BlockState::Untracked : BlockState::Unstable;
    return marked_->reached.test(slot) ? BlockState::Referenced : BlockState::Unreferenced;
  }

  Referrer referrer(Addr at, u64 word, bool is_forwarded) const {
    Referrer result{.at = at, .word = word, .is_forwarded = is_forwarded};
    auto block = at ? find(at) : std::nullopt;
    if (block) {
      result.block = block_of(*block);
      result.offset_bytes = offset_in(*block, at);
    } else {
      result.root = places_->describe(at);
    }
    return result;
  }

  // From the block to a root, along the words by which each was reached first.
  void follow_back(BlockRef block, Who& who) const {
    std::unordered_set<u64> seen;
    for (;;) {
      Addr at = reached_from_[block.slot];
      if (!at || !seen.insert(block.slot).second) return;
      if (who.path.size() == kLongestPath) {
        who.is_path_whole = false;
        return;
      }
      auto word = read_value<u64>(kernel_.memory, at);
      who.path.insert(who.path.begin(), referrer(at, word ? *word : 0, false));
      auto from = find(at);
      if (!from) return;
      block = *from;
    }
  }

  void gather_evidence(BlockRef block, Who& who) const {
    const Span& span = look_->snapshot.spans[block.span];
    std::vector<std::byte> bytes(std::min(look_->snapshot.shape_of(span).object_bytes, kEvidenceBytes));
    bool is_replicated = span.has(span_flag::kReplicated) && !look_->snapshot.copy_offsets.empty();
    if (!kernel_.memory.read(start_of(block) + (is_replicated ? look_->snapshot.copy_offsets[0] : 0), bytes)) return;
    EvidenceGatherer gatherer(target_.symbols);
    gatherer.add(bytes);
    auto state = [&](u64 slot) {
      bool is_leaked = marked_->reached.size() > slot && !marked_->reached.test(slot);
      return std::string_view(is_leaked ? "unreferenced too" : "");
    };
    Pointees({*look_, target_.owners, kernel_.memory, target_.symbols, state}).add(start_of(block), bytes, gatherer);
    who.evidence = gatherer.result(kEvidenceLines);
    bytes.resize(std::min(bytes.size(), kContentsKept));
    who.contents = std::move(bytes);
  }

  Result<void> find_referrers() {
    if (targets_.empty()) return {};
    BitVector targets;
    targets.resize(look_->snapshot.live.size());
    for (const auto& [slot, answers] : targets_) targets.set(slot);
    return find_references(
        look_->snapshot, *look_->index, kernel_.memory,
        {.targets = &targets, .sources = &look_->snapshot.live, .search_roots = true, .keep_going = hooks_.keep_going},
        [&](const Reference& reference) { note(reference); });
  }

  void note(const Reference& reference) {
    for (std::size_t answer : targets_[reference.to.slot]) {
      Who& who = answers_[answer];
      if (who.referrer_count++ >= options_.max_referrers) continue;
      who.referrers.push_back(referrer(reference.at, reference.word, reference.is_forwarded));
    }
  }

  const WhoTarget& target_;
  Kernel kernel_;
  const WhoOptions& options_;
  const LookHooks& hooks_;
  std::unique_ptr<Look> look_;
  std::optional<Places> places_;
  std::optional<MarkResult> marked_;
  std::pmr::vector<Addr> reached_from_;
  std::vector<Who> answers_;
  std::map<u64, std::vector<std::size_t>> targets_;  // slot -> answers about it
};

}  // namespace

Result<std::vector<Who>> who(const WhoTarget& target, const WhoOptions& options, const LookHooks& hooks) {
  return Asker(target, options, hooks).run();
}

}  // namespace orphan::kernel
