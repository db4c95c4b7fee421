// SPDX-License-Identifier: Apache-2.0
// What the scans of the daemon have found: the detector, which remembers, and the last report, which has what is printed of each
// object. Reports come in, and what the control file lists comes out.
#pragma once
#include <map>
#include <memory>
#include <span>

#include "detector/detector.h"
#include "kernel/known_blocks.h"
#include "report/report.h"
#include "serve/state_file.h"

namespace orphan::serve {

class Findings {
 public:
  // What a scan has to look after: all that is known. What was cleared is to be a root.
  std::vector<kernel::KnownBlock> known() const;
  // A scan that came to its end: what it found, and what became of what was known. How many leaks are new.
  u64 take(Report report, std::span<const kernel::KnownBlock> known, i64 now_ns);

  // As Detector's. Of the last report nothing that was cleared is left among the leaks.
  u64 clear();
  u64 forget();

  // The text of the control file: the listed objects, as kmemleak prints them, in the order in which they were found first.
  std::string to_kmemleak() const;
  // Of those.
  Tally listed() const;
  // Leaked blocks of the last report that are not among its single objects.
  u64 omitted() const;
  u64 cleared() const { return detector_.counts().cleared; }
  // The last one; null: there was none.
  const std::shared_ptr<const Report>& report() const { return report_; }
  const Object* find(Space space, Addr at) const { return detector_.find(space, at); }

  // What was reported, to be kept over a restart.
  std::vector<SavedObject> saved() const;
  void restore(std::span<const SavedObject> objects);

 private:
  struct Place {
    const Leak* leak;
    const LeakedObject* object;
  };
  using Key = std::pair<Space, Addr>;
  void forget_gone(std::span<const kernel::KnownBlock> known);
  void index();

  Detector detector_;
  std::shared_ptr<const Report> report_;
  std::map<Key, Place> places_;  // in report_
};

Space space_of(BlockKind kind);

}  // namespace orphan::serve
