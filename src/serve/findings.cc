// SPDX-License-Identifier: Apache-2.0
#include "serve/findings.h"

#include <algorithm>

#include "report/kmemleak.h"

namespace orphan::serve {
namespace {

constexpr i64 kSecond = 1'000'000'000;  // ns

// Nobody wants to hear of its leaks any more: they count as referenced, and the numbers still add up.
Report without_leaks(const Report& report) {
  Report rest = report;
  rest.outcome.referenced += rest.outcome.leaked;
  rest.outcome.leaked = {};
  rest.leaks.clear();
  return rest;
}

}  // namespace

Space space_of(BlockKind kind) {
  return kind == BlockKind::PerCpu ? Space::PerCpu : Space::Virtual;
}

std::vector<kernel::KnownBlock> Findings::known() const {
  std::vector<kernel::KnownBlock> known;
  detector_.for_each([&](const Object& object) {
    known.push_back({.start = object.start,
                     .size_bytes = object.size_bytes,
                     .checksum = object.checksum,
                     .jiffies = object.born,
                     .is_root = object.min_count == kNeedsNone});
  });
  return known;
}

void Findings::forget_gone(std::span<const kernel::KnownBlock> known) {
  for (const kernel::KnownBlock& block : known) {
    if (!block.is_gone) continue;
    for (Space space : {Space::Virtual, Space::PerCpu}) {
      const Object* object = detector_.find(space, block.start);
      if (object != nullptr && object->start == block.start && object->size_bytes == block.size_bytes)
        detector_.see_gone(space, block.start);
    }
  }
}

u64 Findings::take(Report report, std::span<const kernel::KnownBlock> known, i64 now_ns) {
  detector_.begin_scan(now_ns);
  forget_gone(known);
  std::vector<std::pair<Leak*, const LeakedObject*>> found;
  for (Leak& leak : report.leaks) {
    leak.first_seen_unix_s = now_ns / kSecond;
    for (const LeakedObject& object : leak.objects) found.emplace_back(&leak, &object);
  }
  // As kmemleak lists them: the oldest first, as far as their age is known.
  std::ranges::stable_sort(found, {}, [](const auto& pair) { return pair.second->jiffies.value_or(~u64{0}); });
  for (auto [leak, object] : found) {
    const Object& seen = detector_.see_unreferenced({.space = space_of(leak->kind),
                                                     .start = object->address,
                                                     .size_bytes = object->size_bytes,
                                                     .checksum = object->checksum,
                                                     .born = object->jiffies});
    leak->first_seen_unix_s = std::min(leak->first_seen_unix_s, seen.first_seen.value_or(now_ns) / kSecond);
  }
  report_ = std::make_shared<const Report>(std::move(report));
  index();
  return detector_.end_scan();
}

void Findings::index() {
  places_.clear();
  for (const Leak& leak : report_->leaks) {
    for (const LeakedObject& object : leak.objects)
      places_.emplace(Key{space_of(leak.kind), object.address}, Place{&leak, &object});
  }
}

u64 Findings::clear() {
  u64 cleared = detector_.clear();
  if (report_) report_ = std::make_shared<const Report>(without_leaks(*report_));
  places_.clear();
  return cleared;
}

u64 Findings::forget() {
  return detector_.forget();
}

std::string Findings::to_kmemleak() const {
  std::string out;
  detector_.for_each_listed([&](const Object& object) {
    auto found = places_.find({object.space, object.start});
    if (found != places_.end()) out += orphan::to_kmemleak(*found->second.leak, *found->second.object);
  });
  return out;
}

Tally Findings::listed() const {
  Tally tally;
  detector_.for_each_listed([&](const Object& object) {
    if (places_.contains({object.space, object.start})) tally += {1, object.size_bytes};
  });
  return tally;
}

u64 Findings::omitted() const {
  u64 omitted = 0;
  if (!report_) return 0;
  for (const Leak& leak : report_->leaks) omitted += leak.total.count - leak.objects.size();
  return omitted;
}

std::vector<SavedObject> Findings::saved() const {
  std::vector<SavedObject> saved;
  detector_.for_each([&](const Object& object) {
    if (!object.is_reported) return;
    saved.push_back({.space = static_cast<u8>(object.space),
                     .address = object.start.value,
                     .size_bytes = object.size_bytes,
                     .order = object.generation,
                     .checksum = object.checksum,
                     .born = object.born,
                     .first_seen_unix_s = object.first_seen.value_or(object.created) / kSecond,
                     .is_cleared = object.is_cleared});
  });
  return saved;
}

void Findings::restore(std::span<const SavedObject> objects) {
  for (const SavedObject& saved : objects) {
    if (saved.space >= kSpaces) continue;
    Object object{.space = static_cast<Space>(saved.space), .start = Addr{saved.address}, .size_bytes = saved.size_bytes};
    object.checksum = saved.checksum;
    object.created = saved.first_seen_unix_s * kSecond;
    object.first_seen = object.created;
    object.is_reported = true;
    object.born = saved.born;
    object.is_cleared = saved.is_cleared;
    object.cleared_min_count = 1;
    object.min_count = saved.is_cleared ? kNeedsNone : 1;
    // Until a scan has seen it again it is as good as referenced.
    object.count = 1;
    // What the file says twice, or wrongly, is not worth an end.
    (void)detector_.restore(std::move(object));
  }
}

}  // namespace orphan::serve
