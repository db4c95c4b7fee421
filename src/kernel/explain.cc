// SPDX-License-Identifier: Apache-2.0
#include "kernel/explain.h"

#include <algorithm>

#include "kernel/evidence.h"

namespace orphan::kernel {
namespace {

// Numbers of lines of source stand above those of stacks.
constexpr u32 kFirstLine = 1U << 31;

}  // namespace

Explainer::Explainer(const Kernel& kernel, Input input)
    : kernel_(kernel),
      btf_(input.btf),
      symbols_(input.symbols),
      text_of_(std::move(input.text_of)),
      module_btf_(std::move(input.module_btf)),
      leaked_(std::move(input.leaked)),
      records_(input.records),
      origins_(kernel_, input.look == nullptr ? std::span<const Task>() : std::span<const Task>(input.look->tasks)),
      charges_(kernel_, input.btf),
      types_(input.btf, text_of_, module_btf_) {
  if (input.look == nullptr) return;
  auto state = [this](u64 slot) { return std::string_view(leaked_.test(slot) ? "leaked too" : ""); };
  pointees_.emplace(Pointees::Input{*input.look, input.owners, kernel_.memory, symbols_, state});
}

void Explainer::point(Addr block, Bytes contents, EvidenceGatherer& to) const {
  if (pointees_) pointees_->add(block, contents, to);
}

void Explainer::begin(const Owner& owner, u64 size_bytes, u32 stack, Leak& group) const {
  group.kind = owner.kind;
  group.cache = owner.name;
  group.object_size_bytes = size_bytes;
  group.stack = frames(owner, stack);
  if (owner.kind != BlockKind::Slab) return;
  group.type = type_of_cache(owner.name, size_bytes, btf_, text_of_, module_btf_);
  if (!group.type.empty() && owner.is_merged)
    group.type_reason = "the cache is called after it, but SLUB has merged other caches into this one";
}

void Explainer::finish(Leak& group) const {
  types_.guess(group);
  types_.name_fields(group);
}

const Origin& Explainer::origin_of(const Owner& owner, Addr block, u64 size_bytes) {
  if (last_block_ == block) return last_origin_;
  last_block_ = block;
  auto record = records_ != nullptr ? records_->of(owner, block, size_bytes) : std::nullopt;
  was_last_seen_ = record.has_value();
  if (record) return last_origin_ = origins_.of(*record);
  bool are_pages = owner.kind == BlockKind::LargeKmalloc || owner.kind == BlockKind::Pages;
  last_origin_ = owner.kind == BlockKind::Slab ? origins_.of(block) : are_pages ? origins_.of_pages(block) : Origin{};
  return last_origin_;
}

bool Explainer::was_seen(const Owner& owner, Addr block, u64 size_bytes) {
  origin_of(owner, block, size_bytes);
  return was_last_seen_;
}

u32 Explainer::stack_of(const Owner& owner, Addr block, u64 size_bytes) {
  if (u32 stack = origin_of(owner, block, size_bytes).stack; stack != 0) return stack;
  auto line = charges_.line_of(owner, block);
  if (!line) return 0;
  auto number = static_cast<u32>(lines_.size());
  auto [known, is_new] = line_numbers_.try_emplace({line->function, line->file, line->line}, number);
  if (is_new) lines_.push_back(std::move(*line));
  return kFirstLine + known->second;
}

std::vector<Frame> Explainer::frames(const Owner& owner, u32 stack) const {
  std::vector<Frame> frames;
  if (stack >= kFirstLine) {
    const CodeLine& line = lines_[stack - kFirstLine];
    frames.push_back({.address = {}, .symbol = line.function, .module = line.module, .file = line.file, .line = line.line});
    return frames;
  }
  frames = to_frames(origins_.stack(stack), symbols_);
  if (frames.empty() && owner.caller) frames.push_back(to_frame(owner.caller, symbols_));
  return frames;
}

void Explainer::explain(const Owner& owner, Leak& group, LeakedObject& object) {
  const Origin& origin = origin_of(owner, object.address, object.size_bytes);
  object.pid = origin.pid;
  object.comm = origin.comm;
  object.jiffies = origin.jiffies;
  object.age_s = origin.age_s;
  object.cgroup = charges_.cgroup_of(owner, object.address);
  if (!object.cgroup.empty()) count_one(object.cgroup, group.cgroups);
}

void Explainer::count(const Owner& owner, Addr block, u64 size_bytes, Leak& group) {
  const Origin& origin = origin_of(owner, block, size_bytes);
  if (!origin.comm.empty()) count_one(origin.comm, group.comms);
  group.inferred_stacks += origin.is_stack_inferred;
  if (!origin.age_s) return;
  if (!group.times) group.times = AllocationTimes{.count = 0, .first_s = *origin.age_s, .last_s = *origin.age_s};
  ++group.times->count;
  group.times->first_s = std::max(group.times->first_s, *origin.age_s);
  group.times->last_s = std::min(group.times->last_s, *origin.age_s);
}

}  // namespace orphan::kernel
