// SPDX-License-Identifier: Apache-2.0
#include "kernel/who.h"

#include <algorithm>
#include <map>
#include <unordered_set>

#include "kernel/block_names.h"
#include "kernel/evidence.h"
#include "kernel/explain.h"
#include "kernel/pointees.h"
#include "kernel/weak_blocks.h"
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
    step("following references");
    marked_.emplace(TRY(
        mark(look_->snapshot, *look_->index, kernel_.memory, {.keep_going = hooks_.keep_going, .reached_from = &reached_from_})));
    if (marked_->stopped) return Error(ErrorCode::Interrupted, "following references");
    explainer_.emplace(kernel_, Explainer::Input{.look = look_.get(),
                                                 .owners = target_.owners,
                                                 .btf = target_.btf,
                                                 .symbols = target_.symbols,
                                                 .leaked = BitVector(),
                                                 .text_of = target_.text_of,
                                                 .module_btf = target_.module_btf,
                                                 .records = target_.records});
    names_.emplace(kernel_, *look_, target_.owners, target_.symbols, marked_->reached);
    for (Addr address : options_.addresses) answers_.push_back(start(address));
    step("looking for references");
    TRY(find_referrers());
    TRY(find_weak_referrers());
    return std::move(answers_);
  }

 private:
  void step(std::string_view what) const {
    if (hooks_.progress) hooks_.progress(what);
  }

  Who start(Addr address) {
    Who who;
    who.address = address;
    auto block = names_->find(address);
    if (!block) {
      who.place = names_->place(address);
      return who;
    }
    who.block = names_->block_of(*block);
    who.offset_bytes = names_->offset_in(*block, address);
    targets_[block->slot].push_back(answers_.size());
    if (!look_->snapshot.live.test(block->slot)) return who;
    if (marked_->reached.test(block->slot)) follow_back(*block, who);
    gather_evidence(*block, who);
    return who;
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
      who.path.insert(who.path.begin(), names_->referrer(at, word ? *word : 0));
      auto from = names_->find(at);
      if (!from) return;
      block = *from;
    }
  }

  void gather_evidence(BlockRef block, Who& who) {
    const Span& span = look_->snapshot.spans[block.span];
    std::vector<std::byte> bytes(std::min(look_->snapshot.shape_of(span).object_bytes, kEvidenceBytes));
    bool is_replicated = span.has(span_flag::kReplicated) && !look_->snapshot.copy_offsets.empty();
    if (!kernel_.memory.read(names_->start_of(block) + (is_replicated ? look_->snapshot.copy_offsets[0] : 0), bytes)) return;
    EvidenceGatherer gatherer(target_.symbols);
    gatherer.add(bytes);
    auto state = [&](u64 slot) {
      bool is_leaked = marked_->reached.size() > slot && !marked_->reached.test(slot);
      return std::string_view(is_leaked ? "unreferenced too" : "");
    };
    Pointees({*look_, target_.owners, kernel_.memory, target_.symbols, state}).add(names_->start_of(block), bytes, gatherer);
    explain(block, gatherer.result(kEvidenceLines), who);
    bytes.resize(std::min(bytes.size(), kContentsKept));
    who.contents = std::move(bytes);
  }

  // As a scan does it for a group of leaks; this is one of one block.
  void explain(BlockRef block, std::vector<Evidence> evidence, Who& who) {
    const Shape& shape = look_->snapshot.shape_of(look_->snapshot.spans[block.span]);
    const Owner& owner = target_.owners[shape.owner];
    Leak group;
    LeakedObject object{.address = names_->start_of(block)};
    explainer_->begin(owner, shape.object_bytes, explainer_->stack_of(owner, object.address, shape.object_bytes), group);
    group.evidence = std::move(evidence);
    explainer_->finish(group);
    explainer_->explain(owner, group, object);
    who.evidence = std::move(group.evidence);
    who.type = group.type;
    who.type_reason = group.type_reason;
    // A caller alone stands in the first line.
    if (!owner.caller || group.stack.size() > 1) who.stack = std::move(group.stack);
    who.pid = object.pid;
    who.comm = object.comm;
    who.age_s = object.age_s;
    who.cgroup = object.cgroup;
  }

  BitVector target_bits() const {
    BitVector targets;
    targets.resize(look_->snapshot.live.size());
    for (const auto& [slot, answers] : targets_) targets.set(slot);
    return targets;
  }

  Result<void> find_referrers() {
    if (targets_.empty()) return {};
    BitVector targets = target_bits();
    return find_references(
        look_->snapshot, *look_->index, kernel_.memory,
        {.targets = &targets, .sources = &look_->snapshot.live, .search_roots = true, .keep_going = hooks_.keep_going},
        [&](const Reference& reference) { note(reference); });
  }

  void note(const Reference& reference) {
    for (std::size_t answer : targets_[reference.to.slot]) {
      Who& who = answers_[answer];
      if (who.referrer_count++ >= options_.max_referrers) continue;
      who.referrers.push_back(names_->referrer(reference.at, reference.word));
      who.referrers.back().is_forwarded = reference.is_forwarded;
    }
  }

  Result<void> find_weak_referrers() {
    if (targets_.empty()) return {};
    BitVector targets = target_bits();
    WeakSearch search{.space = weak_space(kernel_.memory.space()),
                      .targets = &targets,
                      .sources = &marked_->reached,
                      .keep_going = hooks_.keep_going};
    return find_weak_references(look_->snapshot, *look_->index, kernel_.memory, search,
                                [&](const WeakReference& reference) { note_weak(reference); });
  }

  void note_weak(const WeakReference& reference) {
    for (std::size_t answer : targets_[reference.to.slot]) {
      Who& who = answers_[answer];
      if (who.weak_referrer_count++ >= options_.max_referrers) continue;
      who.weak_referrers.push_back(names_->referrer(reference.at, reference.word));
      who.weak_referrers.back().weak_form = to_string(reference.form);
    }
  }

  const WhoTarget& target_;
  Kernel kernel_;
  const WhoOptions& options_;
  const LookHooks& hooks_;
  std::unique_ptr<Look> look_;
  std::optional<MarkResult> marked_;
  std::optional<Explainer> explainer_;
  std::optional<BlockNames> names_;
  std::pmr::vector<Addr> reached_from_;
  std::vector<Who> answers_;
  std::map<u64, std::vector<std::size_t>> targets_;  // slot -> answers about it
};

}  // namespace

Result<std::vector<Who>> who(const WhoTarget& target, const WhoOptions& options, const LookHooks& hooks) {
  return Asker(target, options, hooks).run();
}

}  // namespace orphan::kernel
