// SPDX-License-Identifier: Apache-2.0
#include "kernel/scan.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "detector/confirm.h"
#include "kernel/block_contents.h"
#include "kernel/block_names.h"
#include "kernel/confidence.h"
#include "kernel/evidence.h"
#include "kernel/explain.h"
#include "kernel/memory_limit.h"
#include "kernel/phase_clock.h"
#include "kernel/recheck.h"
#include "kernel/self_test.h"
#include "kernel/suppressions.h"
#include "kernel/user_suppressions.h"
#include "kernel/weak_blocks.h"
#include "scan/leak_graph.h"
#include "scan/mark.h"

namespace orphan::kernel {
namespace {

constexpr i64 kSecondsOfADay = 24 * 60 * 60;
constexpr u64 kContentsKept = 64;     // bytes of a leaked object that the report holds
constexpr u64 kEvidenceBytes = 4096;  // of an object that are searched
constexpr u64 kEvidenceObjects = 64;  // of a group that are searched
constexpr std::size_t kEvidenceLines = 12;
constexpr std::size_t kMostRechecked = 1 << 16;
constexpr int kRechecks = 100;
constexpr double kRecheckInterval = 0.02;  // seconds
constexpr u64 kMostWeak = 1 << 16;         // leaked blocks: for more, weak references are not looked for
constexpr u64 kMostGraphed = 1 << 17;      // leaked blocks: more would take more memory than they are worth
constexpr u64 kObjectsOfEachGroup = 16;    // are kept at least, however many groups there are

// The most memory that this process ever had; 0: not known.
u64 peak_memory_bytes() {
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return static_cast<u64>(usage.ru_maxrss) * 1024;
}

// What is left of a pass when its snapshot is gone.
struct PassRecord {
  std::array<Tally, kBlockKinds> by_kind{};
  Tally reached, unstable, unreferenced, untracked;
  std::array<u64, kRootKinds> root_bytes{}, root_count{};
  LookGaps gaps;
  u64 unread_bytes = 0;
  u64 unstable_slabs = 0, unstable_slab_bytes = 0, reread_slabs = 0, foreign_slabs = 0, foreign_bytes = 0, all_slabs = 0;
  std::vector<u64> copy_offsets;
  std::vector<Module> modules;
  std::optional<SelfTest> self_test;
  std::string no_self_test;
};

// A leak that one pass could not judge is not in the report, whatever the others saw.
LookGaps worst_of(const LookGaps& a, const LookGaps& b) {
  return {.unread_descriptors = std::max(a.unread_descriptors, b.unread_descriptors),
          .unread_chunks = std::max(a.unread_chunks, b.unread_chunks),
          .unread_sheaves = std::max(a.unread_sheaves, b.unread_sheaves),
          .broken_area_lists = std::max(a.broken_area_lists, b.broken_area_lists),
          .tasks_incomplete = a.tasks_incomplete || b.tasks_incomplete,
          .modules_incomplete = a.modules_incomplete || b.modules_incomplete,
          .kfence_incomplete = a.kfence_incomplete || b.kfence_incomplete,
          .unmapped_linear_bytes = std::max(a.unmapped_linear_bytes, b.unmapped_linear_bytes)};
}

class Scan {
 public:
  Scan(Target& target, const ScanOptions& options, const ScanHooks& hooks) : target_(target), options_(options), hooks_(hooks) {
    report_.target = fmt::format("kernel {}", target.release());
    report_.version = options.version;
    report_.max_objects = options.max_objects;
    report_.startup = target.startup();
    report_.started_unix_s = static_cast<i64>(number_in(text::kDate));
  }

  Result<Report> run() {
    double start = seconds("at the start");
    if (options_.memory_limit_bytes != 0) TRY(limit_memory());
    for (u32 pass = 1; pass <= options_.max_passes && !confirmation_.is_settled(); ++pass) {
      if (pass != 1 && hooks_.wait) {
        double seconds = std::max(options_.interval_s, options_.min_age_s);
        say(fmt::format("pass {} of at most {}: waiting {:g} s", pass, options_.max_passes, seconds));
        hooks_.wait(seconds);
      }
      auto done = run_pass(pass);
      if (!done && done.error().code() == ErrorCode::Interrupted) {
        report_.interrupted = true;
        break;
      }
      // More passes than the scan that was recorded had.
      if (!done && done.error().code() == ErrorCode::NotFound && pass > 1) break;
      TRY(std::move(done));
    }
    report_.settled = confirmation_.is_settled();
    if (confirmation_.passes() >= 2) {
      TRY(search_weakly());
      TRY(recheck());
      TRY(find_weak());
    }
    // A recording that ends before goes on with what it has.
    (void)target_.source().begin("report");
    if (look_ && confirmation_.count() <= kMostGraphed) TRY(find_heads());
    if (confirmation_.passes() != 0) {
      say("writing the report");
      collect_leaks();
      account();
    }
    add_coverage();
    judge_leaks();
    report_.seconds = seconds("at the end") - start;
    report_.peak_memory_bytes = peak_memory_bytes();
    return std::move(report_);
  }

 private:
  void say(std::string text) const {
    if (hooks_.progress) hooks_.progress(std::move(text));
  }
  double number_in(std::string_view name) const {
    auto text = target_.source().text(name);
    double number = 0;
    if (text) std::from_chars(text->data(), text->data() + text->size(), number);
    return number;
  }
  // What the clock says at an event.
  double seconds(std::string_view event) const { return number_in(std::string(text::kSeconds).append(event)); }
  bool stopped() const { return hooks_.keep_going && !hooks_.keep_going(); }

  Result<void> limit_memory() {
    MemoryNeeds needs{.resident_bytes = static_cast<u64>(number_in(text::kResident))};
    if (auto text = target_.source().text(target_.paths().slabinfo)) count_slabs(*text, needs);
    for (Range ram : target_.memory().space().ram) needs.ram_pages += ram.size_bytes / kPageBytes;
    MemoryPlan plan = TRY(plan_memory(options_.memory_limit_bytes, needs, Target::kCacheBytes));
    cache_cut_bytes_ = Target::kCacheBytes - plan.cache_bytes;
    target_.limit_cache(plan.cache_bytes);
    confirmation_.bound(plan.most_checksums, [this] {
      say("waiting, to see what changes");
      if (hooks_.wait) hooks_.wait(options_.min_age_s);
    });
    return {};
  }

  Result<void> run_pass(u32 number) {
    if (stopped()) return Error(ErrorCode::Interrupted, "scan");
    TRY(target_.source().begin(fmt::format("pass {}", number)));
    double start = seconds("before a pass");
    u64 bytes_before = target_.bytes_read();
    PhaseClock clock([this] { return target_.source().seconds_reading(); });
    auto progress = [&](std::string_view what) {
      clock.start(std::string(what));
      say(fmt::format("pass {} of at most {}: {}", number, options_.max_passes, what));
    };
    look_.reset();
    marked_.reset();
    std::unique_ptr<Look> look = TRY(target_.look({hooks_.keep_going, progress}));
    PassRecord record;
    progress("comparing with slabinfo");
    compare(look->slub.caches, record);
    progress("following references");
    MarkResult marked = TRY(mark(look->snapshot, *look->index, target_.memory(), {.keep_going = hooks_.keep_going}));
    if (marked.stopped) return Error(ErrorCode::Interrupted, "scan");
    progress("checking what nothing refers to");
    BitVector unreferenced = count_blocks(look->snapshot, marked.reached, record);
    TRY(confirmation_.add_pass(look->snapshot, unreferenced, target_.memory()));
    TRY(spare(*look, std::move(unreferenced), marked));
    record_pass(*look, marked, record);
    Tally live;
    for (Tally kind : record_.by_kind) live += kind;
    double end = seconds("after a pass");
    if (number == 1) first_pass_end_ = end;
    last_pass_end_ = end;
    report_.passes.push_back({.seconds = end - start,
                              .live = live,
                              .unreferenced = record_.unreferenced.count,
                              .confirmed = confirmation_.count(),
                              .bytes_read = target_.bytes_read() - bytes_before,
                              .words = marked.words,
                              .phases = clock.finish()});
    look_ = std::move(look);
    marked_ = std::move(marked);
    return {};
  }

  void compare(std::span<const Cache> caches, PassRecord& record) const {
    auto text = target_.source().text(target_.paths().slabinfo);
    auto test = text ? compare_with_slabinfo(caches, *text) : Result<SelfTest>(std::move(text).error());
    if (test)
      record.self_test = std::move(*test);
    else
      record.no_self_test = test.error().text();
  }

  // What a live block refers to is no leak while that block is none: one that is new, or has changed, or was referred to in
  // the pass before, may be in somebody's hands, even if this pass did not see in whose.
  Result<void> spare(const Look& look, BitVector seeds, MarkResult& marked) {
    if (confirmation_.passes() < 2) return {};
    seeds.subtract(confirmation_.confirmed());
    // Not to be interrupted: the pass counts already, and this is short.
    TRY(mark_from(seeds, look.snapshot, *look.index, target_.memory(), marked));
    confirmation_.spare(marked.reached);
    return {};
  }

  // Sorts every live block into its class; returns those that nothing refers to.
  BitVector count_blocks(const Snapshot& snapshot, const BitVector& reached, PassRecord& record) const {
    BitVector unreferenced = reached;
    unreferenced.complement_within(snapshot.live);
    for (const Span& span : snapshot.spans) {
      if (span.has(span_flag::kAlias)) continue;
      u64 size = snapshot.shape_of(span).object_bytes;
      bool is_root = span.has(span_flag::kRoot);
      u64 live = snapshot.live.count(span.first_slot, span.slots);
      u64 hit = live - unreferenced.count(span.first_slot, span.slots);  // of a root: all
      if (is_root && span.has(span_flag::kNoScan)) {
        record.untracked += {live, live * size};
        continue;
      }
      BlockKind kind = target_.owners()[snapshot.shape_of(span).owner].kind;
      record.by_kind[static_cast<std::size_t>(kind)] += {live, live * size};
      (is_root ? record.unstable : record.reached) += {hit, hit * size};
      record.unreferenced += {live - hit, (live - hit) * size};
    }
    return unreferenced;
  }

  void record_pass(Look& look, const MarkResult& marked, PassRecord& record) {
    record.root_bytes = marked.root_bytes;
    record.root_count = marked.root_count;
    record.gaps = worst_of(record_.gaps, look.gaps);
    record.unread_bytes = marked.unread_bytes;
    record.unstable_slabs = look.slub.unstable_slabs;
    record.unstable_slab_bytes = look.slub.unstable_bytes;
    record.reread_slabs = look.slub.reread_slabs;
    record.foreign_slabs = look.slub.foreign_slabs;
    record.foreign_bytes = look.slub.foreign_bytes;
    for (const Cache& cache : look.slub.caches) record.all_slabs += cache.slabs;
    record.copy_offsets.assign(look.snapshot.copy_offsets.begin(), look.snapshot.copy_offsets.end());
    record.modules = std::move(look.modules);
    record_ = std::move(record);
  }

  // --- after the last pass ---

  Result<void> recheck() {
    std::vector<Addr> objects, areas;
    confirmation_.for_each([&](const Confirmation::Candidate& candidate) {
      BlockKind kind = target_.owners()[candidate.owner].kind;
      if (kind == BlockKind::Slab && objects.size() < kMostRechecked) objects.push_back(candidate.address);
      if (kind == BlockKind::PerCpu && areas.size() < kMostRechecked) areas.push_back(candidate.address);
    });
    if (objects.empty() && areas.empty()) return {};
    say("looking again at what nothing refers to");
    if (!target_.source().begin("recheck")) return {};
    Recheck recheck(target_.kernel(), target_.owners(), record_.copy_offsets, std::move(objects));
    for (Addr area : areas) recheck.watch_area(area);
    for (int i = 0; i < kRechecks && !stopped(); ++i) {
      if (hooks_.wait) hooks_.wait(kRecheckInterval);
      if (!target_.source().begin(fmt::format("recheck {}", i + 1))) break;
      TRY(recheck.look());
    }
    confirmation_.drop_if([&](const Confirmation::Candidate& candidate) { return recheck.was_freed(candidate.address); });
    return {};
  }

  // What may be in use by a reference that is no plain pointer: looked for soon after the last pass, while its picture holds.
  Result<void> search_weakly() {
    if (confirmation_.count() == 0) return {};
    is_weak_known_ = look_ && confirmation_.count() <= kMostWeak;
    if (!is_weak_known_) return {};
    say("looking for weak references to what nothing points to");
    (void)target_.source().begin("weak references");
    weak_finder_.emplace(*look_, target_.memory(), *marked_);
    auto done = weak_finder_->search(confirmation_, hooks_.keep_going);
    is_weak_known_ = bool(done);
    if (!done && done.error().code() != ErrorCode::Interrupted) return done;
    return {};
  }

  Result<void> find_weak() {
    if (!weak_finder_ || !is_weak_known_) return {};
    auto weak = weak_finder_->finish();
    if (!weak) return std::move(weak).error();
    weak_ = std::move(*weak);
    names_.emplace(kernel_, *look_, target_.owners(), target_.symbols(), marked_->reached);
    return {};
  }

  // Who hangs below whom. What is no longer as it was when it was judged makes a block a head, no worse.
  Result<void> find_heads() {
    std::vector<u64> slots;
    confirmation_.for_each([&](const Confirmation::Candidate& candidate) {
      if (weak_.contains(candidate.slot)) return;
      slots.push_back(candidate.slot);
      leaked_.push_back(candidate.address);
    });
    auto graph = find_leak_graph(look_->snapshot, *look_->index, target_.memory(), slots, hooks_.keep_going);
    if (!graph && graph.error().code() == ErrorCode::Interrupted) return {};
    graph_ = TRY(std::move(graph));
    report_.has_graph = true;
    return {};
  }

  struct Group {
    Leak leak;
    std::optional<EvidenceGatherer> evidence;
    u64 looked_into = 0;
    bool is_from_first = true, may_be_pages = false;
    Judgement judgement;
  };
  // By owner, size, and stack.
  using GroupKey = std::tuple<u32, u64, u32>;
  using Groups = std::map<GroupKey, Group>;

  void collect_leaks() {
    for (const Module& module : record_.modules)
      add_symbols(target_.memory(), target_.layouts().module, module, target_.symbols());
    contents_.emplace(target_.memory());
    checksummer_.emplace(target_.memory(), record_.copy_offsets);
    Suppressor suppressor(target_.memory(), target_.layouts(), target_.globals(), target_.symbols());
    user_suppressions_.emplace(options_.suppressions, report_.started_unix_s / kSecondsOfADay, target_.symbols());
    std::vector<Tally> suppressed(suppressions().size());
    explain_with(look_.get());
    Groups weak_groups;
    group_of_.resize(leaked_.size());
    if (confirmation_.passes() >= 2) {
      confirmation_.for_each([&](const Confirmation::Candidate& candidate) {
        add_leak(candidate, suppressor, suppressed, weak_.contains(candidate.slot) ? weak_groups : groups_);
      });
    }
    for (std::size_t i = 0; i < suppressed.size(); ++i) {
      if (suppressed[i].count == 0) continue;
      report_.suppressed.push_back({std::string(suppressions()[i].rule), std::string(suppressions()[i].reason), suppressed[i]});
    }
    for (Suppression& suppression : user_suppressions_->result()) report_.suppressed.push_back(std::move(suppression));
    for (const Suppression& suppression : report_.suppressed) report_.outcome.suppressed += suppression.total;
    sorted_ = sorted(groups_);
    report_.outcome.leaked = put_groups(sorted_, report_.leaks);
    report_.outcome.weak = put_groups(sorted(weak_groups), report_.weak);
    trim_objects();
  }

  // Those with the most first.
  static std::vector<Group*> sorted(Groups& groups) {
    std::vector<Group*> result;
    for (auto& [key, group] : groups) {
      if (group.leak.total.count != 0) result.push_back(&group);
    }
    std::ranges::stable_sort(result, std::greater<>(),
                             [](const Group* group) { return std::pair(group->leak.retained.bytes, group->leak.total.bytes); });
    return result;
  }

  // Returns what they have together.
  Tally put_groups(std::span<Group* const> groups, std::vector<Leak>& leaks) const {
    Tally sum;
    for (Group* group : groups) {
      group->leak.evidence = group->evidence->result(kEvidenceLines);
      explainer_->finish(group->leak);
      sum += group->leak.total;
      leaks.push_back(std::move(group->leak));
    }
    return sum;
  }

  // When all else is known. Who hangs below a group that is less sure is no surer.
  void judge_leaks() {
    bool is_all_seen = std::ranges::none_of(report_.coverage, &Coverage::incomplete);
    for (Group* group : sorted_) {
      group->judgement = judge({.passes = confirmation_.passes(),
                                .seconds = last_pass_end_ - first_pass_end_,
                                .is_from_first = group->is_from_first,
                                .may_be_pages = group->may_be_pages,
                                .is_settled = report_.settled,
                                .is_all_seen = is_all_seen,
                                .is_searched_weakly = is_weak_known_});
    }
    std::map<const Group*, Confidence> above;
    for (u32 i = 0; graph_ && i < group_of_.size(); ++i) {
      const Group* head = group_of_[graph_->head[i]];
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

  // Whether the kernel does not say that the compound page is a kmalloc (up to 6.12 none does): it may have come from
  // alloc_pages(), then.
  bool may_be_pages(const Owner& owner, Addr block) const {
    if (owner.kind != BlockKind::LargeKmalloc) return false;
    const PageLayout& page = target_.layouts().page;
    const AddressSpace& space = target_.memory().space();
    Addr descriptor = space.page_descriptors + (block - space.linear_map) / kPageBytes * page.size_bytes;
    auto type = read_value<u32>(target_.memory(), descriptor + page.page_type);
    return !page.type_large_kmalloc || !type || *type >> 24 != *page.type_large_kmalloc;
  }

  // The first bytes of a block, for a per-CPU one of its first CPU's copy. Valid until the next call.
  Bytes contents_of(const Confirmation::Candidate& candidate) {
    Addr at = candidate.address + (candidate.is_replicated && !record_.copy_offsets.empty() ? record_.copy_offsets[0] : 0);
    return contents_->of(at, std::min(candidate.size_bytes, kEvidenceBytes));
  }

  // As it is now, like the contents that are listed beside it; 0: it cannot be read.
  u32 checksum_of(const Confirmation::Candidate& candidate) {
    auto sum = checksummer_->of(candidate.place());
    return sum ? sum->value_or(0) : 0;
  }

  // Neighbours mostly belong together: of millions, few ask the map.
  Group& group_of(const GroupKey& key, Groups& groups) {
    if (last_group_ == nullptr || last_key_ != std::pair<const Groups*, GroupKey>(&groups, key)) {
      last_key_ = {&groups, key};
      last_group_ = &groups.try_emplace(key).first->second;
    }
    return *last_group_;
  }

  void add_leak(const Confirmation::Candidate& candidate, const Suppressor& suppressor, std::vector<Tally>& suppressed,
                Groups& groups) {
    bool is_weak = weak_.contains(candidate.slot);
    u32 number = is_weak ? 0 : next_leaked_++;
    if (!candidate.was_judged) {
      // Its slab did not hold still in the last pass; the passes before it are enough.
      record_.unstable.count -= 1;
      record_.unstable.bytes -= candidate.size_bytes;
      record_.unreferenced += {1, candidate.size_bytes};
    }
    const Owner& owner = target_.owners()[candidate.owner];
    u32 stack = explainer_->stack_of(owner, candidate.address);
    Group& group = group_of({candidate.owner, candidate.size_bytes, stack}, groups);
    bool is_kept = group.leak.objects.size() < kObjectsOfEachGroup || (!is_weak && kept_objects_ < options_.max_objects);
    bool may_be_suppressed = owner.kind == BlockKind::Slab && suppressor.may_match(candidate.size_bytes);
    Bytes contents;
    if (is_kept || may_be_suppressed || user_suppressions_->needs_contents() || group.looked_into < kEvidenceObjects)
      contents = contents_of(candidate);
    if (!group.evidence) start(group, owner, candidate, stack);
    if (may_be_suppressed) {
      if (auto rule = suppressor.match(contents)) {
        suppressed[*rule] += {1, candidate.size_bytes};
        return;
      }
    }
    if (user_suppressions_->take(group.leak, candidate.size_bytes, contents)) return;
    group.leak.total += {1, candidate.size_bytes};
    group.is_from_first = group.is_from_first && candidate.is_from_first;
    group.may_be_pages = group.may_be_pages || may_be_pages(owner, candidate.address);
    if (number < group_of_.size() && !is_weak) group_of_[number] = &group;
    bool has_head = graph_ && !is_weak;
    if (has_head && graph_->head[number] == number) {
      group.leak.heads += 1;
      group.leak.retained += {graph_->retained_count[number], graph_->retained_bytes[number]};
    }
    if (group.looked_into < kEvidenceObjects) {
      ++group.looked_into;
      group.evidence->add(contents);
      explainer_->point(candidate.address, contents, *group.evidence);
    }
    if (!is_kept) return;
    if (is_weak)
      name_weak(candidate, group.leak);
    else
      ++kept_objects_;
    contents = contents.first(std::min<u64>(contents.size(), kContentsKept));
    group.leak.objects.push_back({.address = candidate.address,
                                  .size_bytes = candidate.size_bytes,
                                  .checksum = checksum_of(candidate),
                                  .contents = {contents.begin(), contents.end()},
                                  .head = has_head ? leaked_[graph_->head[number]] : candidate.address});
    explainer_->explain(owner, group.leak, group.leak.objects.back());
  }

  void name_weak(const Confirmation::Candidate& candidate, Leak& leak) const {
    auto found = weak_.references.find(candidate.slot);
    if (found == weak_.references.end()) return;
    const WeakReference& reference = found->second;
    leak.weak.push_back({.object = candidate.address,
                         .form = to_string(reference.form),
                         .at = reference.at,
                         .word = reference.word,
                         .place = place_of(names_->referrer(reference.at, reference.word))});
  }

  void start(Group& group, const Owner& owner, const Confirmation::Candidate& candidate, u32 stack) {
    explainer_->begin(owner, candidate.size_bytes, stack, group.leak);
    if (owner.kind == BlockKind::Slab && owner.is_merged) group.leak.aliases = aliases_of(owner.name);
    group.evidence.emplace(target_.symbols());
  }

  void explain_with(const Look* look) {
    explainer_.emplace(target_.kernel(),
                       Explainer::Input{.look = look,
                                        .owners = target_.owners(),
                                        .btf = target_.btf(),
                                        .symbols = target_.symbols(),
                                        .leaked = look ? confirmation_.confirmed() : BitVector(),
                                        .text_of = [this](std::string_view name) { return target_.source().text(name); },
                                        .module_btf = target_.paths().module_btf});
  }

  // The names under which merged caches were made: in sysfs each is a link to the folder of all, named by a unique id.
  std::vector<std::string> aliases_of(const std::string& name) {
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

  void read_sysfs_names() {
    auto text = target_.source().text(target_.paths().slab_sysfs);
    if (!text) return;
    for (const Entry& entry : parse_directory(*text)) {
      if (entry.target.empty()) continue;
      std::string unique(entry.target.substr(entry.target.rfind('/') + 1));
      sysfs_names_.emplace(unique, entry.name);
      sysfs_targets_.emplace(entry.name, unique);
    }
  }

  // Of the largest groups as many objects as fit, of each group some.
  void trim_objects() {
    u64 left = options_.max_objects;
    for (Leak& leak : report_.leaks) left -= std::min<u64>(left, std::min<u64>(leak.objects.size(), kObjectsOfEachGroup));
    for (Leak& leak : report_.leaks) {
      u64 more = leak.objects.size() - std::min<u64>(leak.objects.size(), kObjectsOfEachGroup);
      u64 taken = std::min(more, left);
      leak.objects.resize(std::min<u64>(leak.objects.size(), kObjectsOfEachGroup) + taken);
      left -= taken;
    }
  }

  void account() {
    report_.by_kind = record_.by_kind;
    Outcome& outcome = report_.outcome;
    outcome.referenced = record_.reached;
    outcome.unstable = record_.unstable;
    outcome.unconfirmed = record_.unreferenced;
    for (Tally tally : {outcome.leaked, outcome.weak, outcome.suppressed}) outcome.unconfirmed -= tally;
    for (std::size_t i = 0; i < kRootKinds; ++i) {
      report_.roots.push_back({to_string(static_cast<RootKind>(i)), record_.root_count[i], record_.root_bytes[i]});
    }
    report_.self_test = std::move(record_.self_test);
  }

  void gap(std::string what, Tally size, std::string why, bool incomplete = true) {
    if (size.count != 0 || size.bytes != 0) {
      report_.coverage.push_back(
          {.what = std::move(what), .bytes = size.bytes, .count = size.count, .why = std::move(why), .incomplete = incomplete});
    }
  }

  void add_coverage() {
    const PassRecord& r = record_;
    gap("interrupted scans", {report_.interrupted ? 1U : 0U, 0}, "stopped before two passes agreed");
    bool is_too_large = !report_.has_graph && report_.outcome.leaked.count > kMostGraphed;
    gap("who hangs below whom", {is_too_large ? report_.outcome.leaked.count : 0, 0},
        "not worked out for so many leaks: each is shown as its own head", false);
    gap("cache of contents", {0, cache_cut_bytes_}, "kept out of it because of --memory-limit: more is read twice", false);
    gap("parts of the candidates", {confirmation_.parts(), 0},
        fmt::format("looked at one by one because of --memory-limit, {:g} s each", options_.min_age_s), false);
    gap("weak references", {is_weak_known_ ? 0 : report_.outcome.leaked.count, 0},
        "not looked for: too many leaks, or stopped; some of these may be in use by one", false);
    gap("page descriptors", {r.gaps.unread_descriptors, r.gaps.unread_descriptors * kPageBytes},
        "could not be read: what their pages hold is not known");
    gap("RAM outside the page tables", {0, r.gaps.unmapped_linear_bytes}, "reads as zeros: references in it are not seen");
    gap("per-CPU chunks", {r.gaps.unread_chunks, 0}, "changed while they were read: areas in them are not known");
    gap("sheaves", {r.gaps.unread_sheaves, 0}, "could not be read: free objects in them may look like leaks");
    gap("vmalloc lists", {r.gaps.broken_area_lists, 0}, "changed at every try: areas may be missing");
    gap("task lists", {r.gaps.tasks_incomplete ? 1U : 0U, 0}, "changed at every try: stacks may be missing");
    gap("module lists", {r.gaps.modules_incomplete ? 1U : 0U, 0}, "changed while it was read: data of modules may be missing");
    gap("KFENCE's table", {r.gaps.kfence_incomplete ? 1U : 0U, 0}, "could not be read: its objects are not known");
    gap("memory of roots and blocks", {0, r.unread_bytes}, "was gone when its turn came: references in it are not seen", false);
    // A few slabs are always moving on a busy machine; many mean that leaks may hide in them.
    gap("slabs that did not hold still", {r.unstable_slabs, r.unstable_slab_bytes}, "their objects were taken as referenced",
        r.unstable_slabs * 100 > r.all_slabs);
    gap("slabs of unlisted caches", {r.foreign_slabs, r.foreign_bytes},
        "caches being made or destroyed: their memory was taken as roots", r.foreign_slabs * 100 > r.all_slabs);
    gap("objects that the kernel marks as untracked", r.untracked, "caches with SLAB_NOLEAKTRACE: neither scanned nor judged",
        false);
    if (!r.no_self_test.empty()) gap("self-tests", {1, 0}, "no comparison with the kernel's own count: " + r.no_self_test, false);
  }

  Target& target_;
  const ScanOptions& options_;
  const ScanHooks& hooks_;
  Report report_;
  Confirmation confirmation_;
  PassRecord record_;
  double first_pass_end_ = 0, last_pass_end_ = 0;
  u64 kept_objects_ = 0;
  u64 cache_cut_bytes_ = 0;
  std::unique_ptr<Look> look_;        // the last one, when its pass was whole
  std::optional<MarkResult> marked_;  // of the same
  Kernel kernel_ = target_.kernel();
  std::optional<BlockNames> names_;
  std::optional<WeakFinder> weak_finder_;
  WeakBlocks weak_;
  bool is_weak_known_ = true;
  std::vector<Addr> leaked_;  // in the order of the confirmation
  std::optional<BlockContents> contents_;
  std::optional<Checksummer> checksummer_;
  std::pair<const Groups*, GroupKey> last_key_;
  Group* last_group_ = nullptr;  // of this key
  std::optional<UserSuppressions> user_suppressions_;
  std::optional<Explainer> explainer_;
  std::optional<LeakGraph> graph_;  // of these
  Groups groups_;
  std::vector<Group*> sorted_;                           // of these, those in the report, in its order
  std::vector<const Group*> group_of_;                   // of each of leaked_; null: suppressed
  u32 next_leaked_ = 0;                                  // number in leaked_
  std::multimap<std::string, std::string> sysfs_names_;  // unique id -> names
  std::map<std::string, std::string> sysfs_targets_;     // name -> unique id
};

}  // namespace

Result<Report> scan(Target& target, const ScanOptions& options, const ScanHooks& hooks) {
  return Scan(target, options, hooks).run();
}

}  // namespace orphan::kernel
