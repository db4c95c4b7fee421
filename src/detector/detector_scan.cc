// SPDX-License-Identifier: Apache-2.0
// The scan of a target of which every block is registered: kmemleak's. Words are taken from the roots first; an object that
// reaches the references that it needs turns grey, and is scanned in its turn. Of what is still white then, the contents are
// compared with those when it was last white: what has changed is in use, and is scanned as well. What stays white and is old
// enough is a leak.
#include <algorithm>
#include <array>
#include <utility>

#include "base/verify.h"
#include "detector/checksum.h"
#include "detector/detector.h"

namespace orphan {
namespace {

constexpr u64 kPiece = 4096;  // a page: what is not mapped costs no more than that
constexpr u64 kWord = sizeof(u64);

class OwnScan {
 public:
  OwnScan(ObjectTable& objects, const ScanInput& input) : objects_(objects), input_(input) {}

  Result<void> run() {
    begin();
    for (Range root : input_.roots) TRY(scan_range(root, nullptr));
    TRY(drain());
    TRY(spare_changed());
    TRY(drain());
    (void)is_interrupted();
    return {};
  }
  const ScanOutcome& outcome() const { return outcome_; }

 private:
  void begin() {
    objects_.for_each([&](Object& object) {
      bool is_outside = object.space == Space::Physical && !input_.linear.contains(object.range());
      if (is_outside) {
        object.min_count = kIgnored;
        object.no_scan = true;
      }
      object.count = 0;
      if (object.min_count == kNeedsNone) grey_.push_back(&object);
    });
  }

  bool is_interrupted() {
    outcome_.was_interrupted = outcome_.was_interrupted || (input_.is_interrupted && input_.is_interrupted());
    return outcome_.was_interrupted;
  }

  // The list grows while it is worked off.
  Result<void> drain() {
    for (; next_grey_ < grey_.size() && !is_interrupted(); ++next_grey_) TRY(scan_object(*grey_[next_grey_]));
    return {};
  }

  Result<void> scan_object(const Object& object) {
    if (object.no_scan) return {};
    switch (object.space) {
      case Space::PerCpu:
        for (u64 offset : input_.copy_offsets) TRY(scan_range({object.start + offset, object.size_bytes}, &object));
        return {};
      case Space::Physical: return scan_range({in_linear_map(object), object.size_bytes}, &object);
      case Space::Virtual: break;
    }
    if (object.scan_areas.empty()) return scan_range(object.range(), &object);
    for (Range area : object.scan_areas) TRY(scan_range(area, &object));
    return {};
  }

  // Of a physical object; begin() has seen to it that all of it is there.
  Addr in_linear_map(const Object& object) const { return input_.linear_start + (object.start - input_.linear.start); }

  // Whole words only. `owner` is the object that is scanned, or null.
  Result<void> scan_range(Range range, const Object* owner) {
    u64 skipped = (0 - range.start.value) % kWord;
    if (range.size_bytes < skipped) return {};
    Addr at = range.start + skipped;
    for (u64 left = (range.size_bytes - skipped) / kWord * kWord; left != 0;) {
      if (is_interrupted()) return {};
      u64 size = std::min(left, kPiece - at.value % kPiece);
      auto bytes = input_.memory.view(at, std::span(buffer_).first(size));
      if (!bytes && bytes.error().code() != ErrorCode::NotMapped) return std::move(bytes).error();
      if (bytes) {
        for (u64 offset = 0; offset < size; offset += kWord) meet(load_unchecked<u64>(bytes->data() + offset), owner);
      } else {
        outcome_.unread_bytes += size;
      }
      at += size;
      left -= size;
    }
    return {};
  }

  // One word may be an address and a per-CPU cookie. What is scanned is grey already; references to itself are not passed on
  // either.
  void meet(u64 word, const Object* owner) {
    for (Space space : {Space::Virtual, Space::PerCpu}) {
      Object* object = objects_.find(space, Addr{word});
      if (object == nullptr || object == owner) continue;
      if (colour(*object) != Colour::Grey) {
        refer_to(*object);
      } else if (object->excess_ref) {
        Object* other = objects_.find(Space::Virtual, object->excess_ref);
        if (other != nullptr && other->start == object->excess_ref) refer_to(*other);
      }
    }
  }

  void refer_to(Object& object) {
    if (colour(object) != Colour::White) return;
    ++object.count;
    if (colour(object) == Colour::Grey) grey_.push_back(&object);
  }

  // What cannot be read cannot be compared, and is spared too.
  Result<void> spare_changed() {
    Checksummer checksummer(input_.memory, input_.copy_offsets);
    Result<void> result;
    objects_.for_each([&](Object& object) {
      if (!result || colour(object) != Colour::White || is_interrupted()) return;
      Addr start = object.space == Space::Physical ? in_linear_map(object) : object.start;
      auto sum = checksummer.of({start, object.size_bytes, object.space == Space::PerCpu});
      if (!sum) {
        result = std::move(sum).error();
        return;
      }
      if (!*sum) ++outcome_.unread_objects;
      if (*sum && std::exchange(object.checksum, **sum) == **sum) return;
      object.count = object.min_count;
      grey_.push_back(&object);
    });
    return result;
  }

  ObjectTable& objects_;
  const ScanInput& input_;
  ScanOutcome outcome_;
  std::vector<Object*> grey_;
  std::size_t next_grey_ = 0;
  std::array<std::byte, kPiece> buffer_;
};

}  // namespace

Result<ScanOutcome> Detector::scan(const ScanInput& input) {
  VERIFY(!is_scanning_);
  OwnScan scan(objects_, input);
  TRY(scan.run());
  ScanOutcome outcome = scan.outcome();
  if (outcome.was_interrupted) return outcome;
  objects_.for_each([&](Object& object) {
    bool is_unreferenced = colour(object) == Colour::White && object.created <= input.now_ns - min_age_ns_;
    object.unreferenced_scans = is_unreferenced ? object.unreferenced_scans + 1 : 0;
    if (!is_unreferenced) return;
    if (!object.first_seen) object.first_seen = input.now_ns;
    if (!std::exchange(object.is_reported, true)) ++outcome.reported;
  });
  return outcome;
}

}  // namespace orphan
