// SPDX-License-Identifier: Apache-2.0
// A second detector, for tests: slow and obvious. It keeps a plain list of objects in order of registration, and asks every one
// of them for every byte and every word.
#pragma once
#include <string>
#include <vector>

#include "detector/detector.h"

namespace orphan {

class SlowDetector : public Operations {
 public:
  SlowDetector(i64 min_age_ns, u64 attribute_bytes) : min_age_ns_(min_age_ns), most_bytes_(attribute_bytes) {}

  void alloc(Range block, i32 min_count, const Origin& origin) override;
  void alloc_percpu(Range block, const Origin& origin) override;
  void alloc_phys(Range block, const Origin& origin) override;
  void vmalloc(Addr area, Range block, const Origin& origin) override;
  void free(Addr start) override;
  void free_percpu(Addr start) override;
  void free_part(Range part, const Origin& origin) override;
  void free_part_phys(Range part, const Origin& origin) override;
  void not_leak(Addr start) override;
  void transient_leak(Addr start) override;
  void ignore(Addr start) override;
  void ignore_percpu(Addr start) override;
  void ignore_phys(Addr start) override;
  void scan_area(Range area) override;
  void no_scan(Addr start) override;
  void update_trace(Addr at, std::span<const Addr> stack) override;

  u64 scan(const ScanInput& input);
  void set_min_age(i64 ns) { min_age_ns_ = ns; }

  void begin_scan(i64 now_ns);
  void see_unreferenced(const Sighting& sighting);
  void see_gone(Space space, Addr start);
  u64 end_scan();

  u64 clear();
  u64 forget();
  bool restore(Object object);

  std::vector<Object> objects;
  u64 warnings = 0;
  Degradation lost;
  u64 attribute_bytes() const;

 private:
  static bool has(const Object& object, Space space, Addr at);
  static bool overlaps(const Object& object, Space space, Range range);
  Object* find(Space space, Addr at);
  Object* find_start(Space space, Addr at);
  void erase(u64 generation);
  void add(Object object, const Origin& origin);
  void insert(Object object, const Origin& origin);
  void cut(const Object& object, Range part, const Origin& origin);
  void paint(Space space, Addr start, i32 min_count);
  void set_comm(u64 generation, std::string_view comm);
  void set_stack(u64 generation, std::span<const Addr> stack);
  void add_area(u64 generation, Range area);
  void make_room(u64 bytes, bool for_area);
  bool has_room(u64 bytes) const { return attribute_bytes() + bytes <= most_bytes_; }
  Object& by_generation(u64 generation);

  void begin(const ScanInput& input);
  void drain(const ScanInput& input);
  void scan_object(const ScanInput& input, const Object& object);
  void scan_words(const ScanInput& input, Range range, u64 owner);
  void meet(u64 word, u64 owner);

  i64 min_age_ns_;
  u64 most_bytes_;
  u64 next_generation_ = 1;
  i64 marker_start_ = 0;
  std::vector<u64> seen_;  // generations
  std::vector<u64> grey_;  // generations, in the order in which they turned grey
};

}  // namespace orphan
