// SPDX-License-Identifier: Apache-2.0
#include "kernel/leak_groups.h"

#include <algorithm>

#include "kernel/modules.h"
#include "kernel/page_looks.h"

namespace orphan::kernel {
namespace {

constexpr i64 kSecondsOfADay = 24 * 60 * 60;
constexpr u64 kContentsKept = 64;     // bytes of a leaked object that the report holds
constexpr u64 kEvidenceBytes = 4096;  // of an object that are searched
constexpr u64 kEvidenceObjects = 64;  // of a group that are searched
constexpr std::size_t kEvidenceLines = 12;
constexpr u64 kPagesLookedAt = 4096;     // to tell groups of pages apart; what is behind them is one group
constexpr u64 kObjectsOfEachGroup = 16;  // are kept at least, however many groups there are

// Modules' symbols are known from then on.
const Symbols& with_modules(Target& target, std::span<const Module> modules) {
  for (const Module& module : modules) add_symbols(target.memory(), target.layouts().module, module, target.symbols());
  return target.symbols();
}

}  // namespace

LeakGroups::LeakGroups(const Input& input, Report& report)
    : in_(input),
      report_(report),
      contents_(in_.target.memory()),
      checksummer_(in_.target.memory(), in_.record.copy_offsets),
      suppressor_(in_.target.memory(), in_.target.layouts(), in_.target.globals(), with_modules(in_.target, in_.record.modules)),
      suppressed_(suppressions().size()),
      user_suppressions_(in_.options.suppressions, report.started_unix_s / kSecondsOfADay, in_.target.symbols()),
      kernel_(in_.target.kernel()),
      explainer_(kernel_, {.look = in_.look,
                           .owners = in_.target.owners(),
                           .btf = in_.target.btf(),
                           .symbols = in_.target.symbols(),
                           .leaked = in_.look != nullptr ? in_.confirmation.confirmed() : BitVector(),
                           .text_of = [&target = in_.target](std::string_view name) { return target.source().text(name); },
                           .module_btf = in_.target.paths().module_btf,
                           .records = in_.options.records}),
      group_of_(in_.leaked.size()) {}

void LeakGroups::collect() {
  Groups weak_groups;
  if (in_.confirmation.passes() >= 2) {
    in_.confirmation.for_each([&](const Confirmation::Candidate& candidate) {
      add(candidate, in_.weak.contains(candidate.slot) ? weak_groups : groups_);
    });
  }
  collect_pages();
  put_suppressed();
  sorted_ = sorted(groups_);
  report_.outcome.leaked = put_groups(sorted_, report_.leaks);
  report_.outcome.weak = put_groups(sorted(weak_groups), report_.weak);
  trim_objects();
}

void LeakGroups::put_suppressed() {
  for (std::size_t i = 0; i < suppressed_.size(); ++i) {
    if (suppressed_[i].count == 0) continue;
    report_.suppressed.push_back({std::string(suppressions()[i].rule), std::string(suppressions()[i].reason), suppressed_[i]});
  }
  for (Suppression& suppression : user_suppressions_.result()) report_.suppressed.push_back(std::move(suppression));
  for (const Suppression& suppression : report_.suppressed) report_.outcome.suppressed += suppression.total;
}

std::vector<LeakGroups::Group*> LeakGroups::sorted(Groups& groups) {
  std::vector<Group*> result;
  for (auto& [key, group] : groups) {
    if (group.leak.total.count != 0) result.push_back(&group);
  }
  std::ranges::stable_sort(result, std::greater<>(), [](const Group* group) {
    return std::tuple(group->leak.was_seen, group->leak.retained.bytes, group->leak.total.bytes);
  });
  return result;
}

Tally LeakGroups::put_groups(std::span<Group* const> groups, std::vector<Leak>& leaks) const {
  Tally sum;
  for (Group* group : groups) {
    group->leak.evidence = group->evidence->result(kEvidenceLines);
    explainer_.finish(group->leak);
    sum += group->leak.total;
    leaks.push_back(std::move(group->leak));
  }
  return sum;
}

void LeakGroups::judge_all(const ConfidenceFacts& facts) {
  for (Group* group : sorted_) {
    ConfidenceFacts own = facts;
    own.is_from_first = group->is_from_first;
    own.may_be_pages = group->may_be_pages;
    group->judgement = judge(own);
  }
  for (std::size_t i = 0; i < sorted_pages_.size(); ++i) {
    ConfidenceFacts own = facts;
    own.are_pages = true;
    own.is_from_first = sorted_pages_[i]->is_from_first;
    Judgement judgement = judge(own);
    report_.pages->groups[i].confidence = judgement.level;
    report_.pages->groups[i].confidence_reason = std::move(judgement.reason);
  }
  std::map<const Group*, Confidence> above;
  for (u32 i = 0; in_.graph != nullptr && i < group_of_.size(); ++i) {
    const Group* head = group_of_[in_.graph->head[i]];
    if (group_of_[i] != nullptr && head != nullptr) above[group_of_[i]] = std::max(above[group_of_[i]], head->judgement.level);
  }
  for (std::size_t i = 0; i < sorted_.size(); ++i) {
    auto found = above.find(sorted_[i]);
    Judgement judgement = sorted_[i]->judgement;
    if (found != above.end()) judgement = below(std::move(judgement), found->second);
    report_.leaks[i].confidence = judgement.level;
    report_.leaks[i].confidence_reason = std::move(judgement.reason);
  }
}

bool LeakGroups::may_be_pages(const Owner& owner, Addr block) const {
  if (owner.kind != BlockKind::LargeKmalloc) return false;
  const PageLayout& page = in_.target.layouts().page;
  const AddressSpace& space = in_.target.memory().space();
  Addr descriptor = space.page_descriptors + (block - space.linear_map) / kPageBytes * page.size_bytes;
  auto type = read_value<u32>(in_.target.memory(), descriptor + page.page_type);
  return !page.type_large_kmalloc || !type || *type >> 24 != *page.type_large_kmalloc;
}

Bytes LeakGroups::contents_of(const Confirmation::Candidate& candidate) {
  Addr at = candidate.address + (candidate.is_replicated && !in_.record.copy_offsets.empty() ? in_.record.copy_offsets[0] : 0);
  return contents_.of(at, std::min(candidate.size_bytes, kEvidenceBytes));
}

u32 LeakGroups::checksum_of(const Confirmation::Candidate& candidate) {
  auto sum = checksummer_.of(candidate.place());
  return sum ? sum->value_or(0) : 0;
}

LeakGroups::Group& LeakGroups::group_of(const GroupKey& key, Groups& groups) {
  if (last_group_ == nullptr || last_key_ != std::pair<const Groups*, GroupKey>(&groups, key)) {
    last_key_ = {&groups, key};
    last_group_ = &groups.try_emplace(key).first->second;
  }
  return *last_group_;
}

void LeakGroups::add(const Confirmation::Candidate& candidate, Groups& groups) {
  bool is_weak = in_.weak.contains(candidate.slot);
  u32 number = is_weak ? 0 : next_leaked_++;
  if (!candidate.was_judged) unjudged_ += {1, candidate.size_bytes};
  const Owner& owner = in_.target.owners()[candidate.owner];
  u32 stack = explainer_.stack_of(owner, candidate.address, candidate.size_bytes);
  bool was_seen = explainer_.was_seen(owner, candidate.address, candidate.size_bytes);
  Group& group = group_of({candidate.owner, candidate.size_bytes, stack, was_seen}, groups);
  group.leak.was_seen = was_seen;
  bool is_kept = group.leak.objects.size() < kObjectsOfEachGroup || (!is_weak && kept_objects_ < in_.options.max_objects);
  bool may_be_suppressed = owner.kind == BlockKind::Slab && suppressor_.may_match(candidate.size_bytes);
  Bytes contents;
  if (is_kept || may_be_suppressed || user_suppressions_.needs_contents() || group.looked_into < kEvidenceObjects)
    contents = contents_of(candidate);
  if (!group.evidence) start(group, owner, candidate, stack);
  if (may_be_suppressed) {
    if (auto rule = suppressor_.match(contents)) {
      suppressed_[*rule] += {1, candidate.size_bytes};
      return;
    }
  }
  if (user_suppressions_.take(group.leak, candidate.size_bytes, contents)) return;
  group.leak.total += {1, candidate.size_bytes};
  explainer_.count(owner, candidate.address, candidate.size_bytes, group.leak);
  group.is_from_first = group.is_from_first && candidate.is_from_first;
  group.may_be_pages = group.may_be_pages || may_be_pages(owner, candidate.address);
  if (number < group_of_.size() && !is_weak) group_of_[number] = &group;
  bool has_head = in_.graph != nullptr && !is_weak;
  if (has_head && in_.graph->head[number] == number) {
    group.leak.heads += 1;
    group.leak.retained += {in_.graph->retained_count[number], in_.graph->retained_bytes[number]};
  }
  look_into(candidate, contents, group);
  if (!is_kept) return;
  if (is_weak)
    name_weak(candidate, group.leak);
  else
    ++kept_objects_;
  group.leak.objects.push_back(object_of(candidate, contents));
  if (has_head) group.leak.objects.back().head = in_.leaked[in_.graph->head[number]];
  explainer_.explain(owner, group.leak, group.leak.objects.back());
}

void LeakGroups::look_into(const Confirmation::Candidate& candidate, Bytes contents, Group& group) {
  if (group.looked_into == kEvidenceObjects) return;
  ++group.looked_into;
  group.evidence->add(contents);
  explainer_.point(candidate.address, contents, *group.evidence);
}

LeakedObject LeakGroups::object_of(const Confirmation::Candidate& candidate, Bytes contents) {
  contents = contents.first(std::min<u64>(contents.size(), kContentsKept));
  return {.address = candidate.address,
          .size_bytes = candidate.size_bytes,
          .checksum = checksum_of(candidate),
          .contents = {contents.begin(), contents.end()},
          .head = candidate.address};
}

// --- pages ---

void LeakGroups::collect_pages() {
  if (in_.pages == nullptr) return;
  PageReport& report = report_.pages.emplace();
  report.referenced = in_.pages->referenced();
  report.unconfirmed = in_.pages->unreferenced();
  in_.pages->confirmation().for_each([&](const Confirmation::Candidate& candidate) {
    if (in_.pages->is_weak(candidate.slot))
      report.weak += {1, candidate.size_bytes};
    else
      add_page(candidate);
  });
  sorted_pages_ = sorted(page_groups_);
  report.leaked = put_groups(sorted_pages_, report.groups);
  report.suppressed = user_suppressions_.pages();
  for (Tally tally : {report.leaked, report.weak, report.suppressed}) report.unconfirmed -= tally;
}

void LeakGroups::add_page(const Confirmation::Candidate& candidate) {
  const Owner& owner = in_.target.owners()[candidate.owner];
  u32 stack = explainer_.stack_of(owner, candidate.address, candidate.size_bytes);
  Bytes contents = contents_of(candidate);
  Group& group = group_of({candidate.owner, candidate.size_bytes, stack, looks_of(contents)}, page_groups_);
  if (!group.evidence) start(group, owner, candidate, stack);
  if (user_suppressions_.take(group.leak, candidate.size_bytes, contents)) return;
  group.leak.total += {1, candidate.size_bytes};
  explainer_.count(owner, candidate.address, candidate.size_bytes, group.leak);
  group.is_from_first = group.is_from_first && candidate.is_from_first;
  look_into(candidate, contents, group);
  if (group.leak.objects.size() >= kObjectsOfEachGroup && kept_pages_ >= in_.options.max_objects) return;
  ++kept_pages_;
  group.leak.objects.push_back(object_of(candidate, contents));
  explainer_.explain(owner, group.leak, group.leak.objects.back());
}

u32 LeakGroups::looks_of(Bytes page) {
  if (looked_at_pages_++ >= kPagesLookedAt) return 0;
  std::string looks = first_symbol(page, in_.target.symbols());
  if (looks.empty()) looks = looks_like(page);
  return looks_.emplace(looks, static_cast<u32>(looks_.size() + 1)).first->second;
}

void LeakGroups::name_weak(const Confirmation::Candidate& candidate, Leak& leak) const {
  auto found = in_.weak.references.find(candidate.slot);
  if (found == in_.weak.references.end()) return;
  const WeakReference& reference = found->second;
  leak.weak.push_back({.object = candidate.address,
                       .form = to_string(reference.form),
                       .at = reference.at,
                       .word = reference.word,
                       .place = place_of(in_.names->referrer(reference.at, reference.word))});
}

void LeakGroups::start(Group& group, const Owner& owner, const Confirmation::Candidate& candidate, u32 stack) {
  explainer_.begin(owner, candidate.size_bytes, stack, group.leak);
  if (owner.kind == BlockKind::Slab && owner.is_merged) group.leak.aliases = aliases_of(owner.name);
  group.evidence.emplace(in_.target.symbols());
}

std::vector<std::string> LeakGroups::aliases_of(const std::string& name) {
  if (sysfs_names_.empty()) read_sysfs_names();
  std::vector<std::string> aliases;
  auto own = sysfs_targets_.find(name);
  if (own == sysfs_targets_.end()) return aliases;
  auto [first, last] = sysfs_names_.equal_range(own->second);
  for (; first != last; ++first) {
    if (first->second != name) aliases.push_back(first->second);
  }
  std::ranges::sort(aliases);
  return aliases;
}

void LeakGroups::read_sysfs_names() {
  auto text = in_.target.source().text(in_.target.paths().slab_sysfs);
  if (!text) return;
  for (const Entry& entry : parse_directory(*text)) {
    if (entry.target.empty()) continue;
    std::string unique(entry.target.substr(entry.target.rfind('/') + 1));
    sysfs_names_.emplace(unique, entry.name);
    sysfs_targets_.emplace(entry.name, unique);
  }
}

void LeakGroups::trim_objects() {
  u64 left = in_.options.max_objects;
  for (Leak& leak : report_.leaks) left -= std::min<u64>(left, std::min<u64>(leak.objects.size(), kObjectsOfEachGroup));
  for (Leak& leak : report_.leaks) {
    u64 more = leak.objects.size() - std::min<u64>(leak.objects.size(), kObjectsOfEachGroup);
    u64 taken = std::min(more, left);
    leak.objects.resize(std::min<u64>(leak.objects.size(), kObjectsOfEachGroup) + taken);
    left -= taken;
  }
}

}  // namespace orphan::kernel
