// SPDX-License-Identifier: Apache-2.0
#include "kernel/scan.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>

#include "kernel/back_links.h"
#include "kernel/leak_groups.h"
#include "kernel/memory_limit.h"
#include "kernel/phase_clock.h"
#include "kernel/recheck.h"
#include "kernel/self_test.h"
#include "scan/mark.h"

namespace orphan::kernel {
namespace {

constexpr std::size_t kMostRechecked = 1 << 16;
constexpr int kRechecks = 100;
constexpr double kRecheckInterval = 0.02;  // seconds
constexpr u64 kMostWeak = 1 << 16;         // leaked blocks: for more, weak references are not looked for
constexpr u64 kMostGraphed = 1 << 17;      // leaked blocks: more would take more memory than they are worth

// The most memory that this process ever had; 0: not known.
u64 peak_memory_bytes() {
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  return static_cast<u64>(usage.ru_maxrss) * 1024;
}

class Scan {
 public:
  Scan(Target& target, const ScanOptions& options, const ScanHooks& hooks) : target_(target), options_(options), hooks_(hooks) {
    report_.target = fmt::format("kernel {}", target.release());
    report_.release = target.release();
    report_.version = options.version;
    report_.max_objects = options.max_objects;
    report_.startup = target.startup();
    report_.started_unix_s = static_cast<i64>(number_in(text::kDate));
    if (options.pages) pages_.emplace(kernel_, target.owners());
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
      if (pages_ && look_ && pages_->confirmation().count() <= kMostWeak)
        TRY(pages_->search_weakly(*look_, target_.memory(), hooks_.keep_going));
      TRY(recheck());
      TRY(find_weak());
      if (pages_ && look_) TRY(pages_->find_weak(*look_, target_.memory(), weak_.slots));
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
    if (groups_) groups_->judge_all(facts());
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
    LookScope scope{.plain_pages = options_.pages ? PlainPages::Blocks : PlainPages::Roots, .stacks = options_.stacks};
    std::unique_ptr<Look> look = TRY(target_.look({hooks_.keep_going, progress}, scope));
    TRY(find_known(options_.known, *look, kernel_, target_.owners(), options_.records));
    PassRecord record;
    progress("comparing with slabinfo");
    compare(look->slub.caches, record);
    progress("following references");
    MarkResult marked = TRY(mark(look->snapshot, *look->index, target_.memory(), {.keep_going = hooks_.keep_going}));
    if (marked.stopped) return Error(ErrorCode::Interrupted, "scan");
    if (pages_) TRY(pages_->split(*look, target_.memory(), marked));
    progress("checking what nothing refers to");
    BitVector unreferenced = count_blocks(look->snapshot, marked.reached, record);
    TRY(confirmation_.add_pass(look->snapshot, unreferenced, target_.memory()));
    TRY(spare(*look, unreferenced, marked));
    if (pages_) TRY(pages_->add_pass(*look, target_.memory(), std::move(unreferenced)));
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

  // What a live block of `seeds` refers to is no leak while that block is none, and those that are none are left in it: one that
  // is new, or has changed, or was referred to in the pass before, may be in somebody's hands, even if this pass did not see in
  // whose.
  Result<void> spare(const Look& look, BitVector& seeds, MarkResult& marked) {
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
      BlockKind kind = target_.owners()[snapshot.shape_of(span).owner].kind;
      if (kind == BlockKind::Pages) continue;  // judged apart, and all of them are reached here
      u64 size = snapshot.shape_of(span).object_bytes;
      bool is_root = span.has(span_flag::kRoot);
      u64 live = snapshot.live.count(span.first_slot, span.slots);
      u64 hit = live - unreferenced.count(span.first_slot, span.slots);  // of a root: all
      if (is_root && span.has(span_flag::kNoScan)) {
        record.untracked += {live, live * size};
        continue;
      }
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
    std::vector<Addr> objects, areas, page_blocks;
    confirmation_.for_each([&](const Confirmation::Candidate& candidate) {
      BlockKind kind = target_.owners()[candidate.owner].kind;
      if (kind == BlockKind::Slab && objects.size() < kMostRechecked) objects.push_back(candidate.address);
      if (kind == BlockKind::PerCpu && areas.size() < kMostRechecked) areas.push_back(candidate.address);
    });
    if (pages_) {
      pages_->confirmation().for_each([&](const Confirmation::Candidate& page) { page_blocks.push_back(page.address); });
    }
    if (objects.empty() && areas.empty() && page_blocks.empty()) return {};
    say("looking again at what nothing refers to");
    if (!target_.source().begin("recheck")) return {};
    std::optional<BackLinks> links;
    if (look_ && marked_) {
      links.emplace(kernel_, *look_, marked_->reached, record_.copy_offsets);
      confirmation_.for_each([&](const Confirmation::Candidate& candidate) {
        if (!candidate.is_replicated) links->watch(candidate.address, candidate.size_bytes);
      });
    }
    Recheck recheck(kernel_, target_.owners(), record_.copy_offsets, std::move(objects));
    for (Addr area : areas) recheck.watch_area(area);
    PageRecheck page_recheck(target_.memory(), target_.layouts().page, std::move(page_blocks));
    for (int i = 0; i < kRechecks && !stopped(); ++i) {
      if (hooks_.wait) hooks_.wait(kRecheckInterval);
      if (!target_.source().begin(fmt::format("recheck {}", i + 1))) break;
      TRY(recheck.look());
      page_recheck.look();
      if (links) links->look();
    }
    confirmation_.drop_if([&](const Confirmation::Candidate& candidate) {
      return recheck.was_freed(candidate.address) || (links && links->is_linked(candidate.address));
    });
    if (pages_) {
      pages_->confirmation().drop_if([&](const Confirmation::Candidate& page) { return page_recheck.was_used(page.address); });
    }
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

  void collect_leaks() {
    groups_.emplace(LeakGroups::Input{.target = target_,
                                      .options = options_,
                                      .confirmation = confirmation_,
                                      .record = record_,
                                      .look = look_.get(),
                                      .weak = weak_,
                                      .names = names_ ? &*names_ : nullptr,
                                      .graph = graph_ ? &*graph_ : nullptr,
                                      .pages = pages_ ? &*pages_ : nullptr,
                                      .leaked = leaked_},
                    report_);
    groups_->collect();
    report_.images = images_of(report_, target_.build_id(), options_.gone_modules,
                               [this](std::string_view name) { return target_.source().text(name); });
    record_.unstable -= groups_->unjudged();
    record_.unreferenced += groups_->unjudged();
  }

  ConfidenceFacts facts() const {
    return {.passes = confirmation_.passes(),
            .seconds = last_pass_end_ - first_pass_end_,
            .is_settled = report_.settled,
            .is_all_seen = std::ranges::none_of(report_.coverage, &Coverage::incomplete),
            .is_searched_weakly = is_weak_known_};
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

  void add_coverage() {
    bool is_too_large = !report_.has_graph && report_.outcome.leaked.count > kMostGraphed;
    report_.coverage = coverage_of(record_, {.is_interrupted = report_.interrupted,
                                             .not_graphed = is_too_large ? report_.outcome.leaked.count : 0,
                                             .not_searched_weakly = is_weak_known_ ? 0 : report_.outcome.leaked.count,
                                             .cache_cut_bytes = cache_cut_bytes_,
                                             .parts = confirmation_.parts(),
                                             .seconds_of_a_part = options_.min_age_s});
  }

  Target& target_;
  const ScanOptions& options_;
  const ScanHooks& hooks_;
  Report report_;
  Confirmation confirmation_;
  std::optional<PageScan> pages_;  // with ScanOptions::pages
  PassRecord record_;
  double first_pass_end_ = 0, last_pass_end_ = 0;
  u64 cache_cut_bytes_ = 0;
  std::unique_ptr<Look> look_;        // the last one, when its pass was whole
  std::optional<MarkResult> marked_;  // of the same
  Kernel kernel_ = target_.kernel();
  std::optional<BlockNames> names_;
  std::optional<WeakFinder> weak_finder_;
  WeakBlocks weak_;
  bool is_weak_known_ = true;
  std::vector<Addr> leaked_;        // in the order of the confirmation
  std::optional<LeakGraph> graph_;  // of these
  std::optional<LeakGroups> groups_;
};

}  // namespace

Result<Report> scan(Target& target, const ScanOptions& options, const ScanHooks& hooks) {
  return Scan(target, options, hooks).run();
}

}  // namespace orphan::kernel
