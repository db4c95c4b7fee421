// SPDX-License-Identifier: Apache-2.0
// What a scan has confirmed becomes the groups of its report: blocks of one owner, size and stack, with what their contents say,
// less those that rules suppress, each group judged.
#pragma once
#include <map>

#include "detector/confirm.h"
#include "kernel/block_contents.h"
#include "kernel/block_names.h"
#include "kernel/confidence.h"
#include "kernel/coverage.h"
#include "kernel/evidence.h"
#include "kernel/explain.h"
#include "kernel/page_scan.h"
#include "kernel/scan.h"
#include "kernel/suppressions.h"
#include "kernel/user_suppressions.h"
#include "kernel/weak_blocks.h"
#include "scan/leak_graph.h"

namespace orphan::kernel {

class LeakGroups {
 public:
  // All must outlive this, and stay as they are.
  struct Input {
    Target& target;
    const ScanOptions& options;
    const Confirmation& confirmation;
    const PassRecord& record;
    const Look* look;              // the last one; null: its pass was not whole
    const WeakBlocks& weak;        //
    const BlockNames* names;       // of that look; where there are weak ones
    const LeakGraph* graph;        // null: not known
    PageScan* pages;               // null: the kernel's own pages were roots
    std::span<const Addr> leaked;  // the graph's blocks: all that are not weak, in the order of the confirmation
  };
  LeakGroups(const Input& input, Report& report);

  // Fills the report's groups, what was suppressed, and how much each is.
  void collect();
  // Of what was collected: blocks that the last pass could not judge. Those before it are enough.
  Tally unjudged() const { return unjudged_; }
  // When all else is known: `facts` says what holds for all groups. Who hangs below a group that is less sure is no surer.
  void judge_all(const ConfidenceFacts& facts);

 private:
  struct Group {
    Leak leak;
    std::optional<EvidenceGatherer> evidence;
    u64 looked_into = 0;
    bool is_from_first = true, may_be_pages = false;
    Judgement judgement;
  };
  // By owner, size, stack, whether the allocation was seen, and of pages what they look like.
  using GroupKey = std::tuple<u32, u64, u32, u32>;
  using Groups = std::map<GroupKey, Group>;

  // Those whose allocation was seen first, then those with the most.
  static std::vector<Group*> sorted(Groups& groups);
  // Returns what they have together.
  Tally put_groups(std::span<Group* const> groups, std::vector<Leak>& leaks) const;
  // Whether the kernel does not say that the compound page is a kmalloc (up to 6.12 none does): it may have come from
  // alloc_pages(), then.
  bool may_be_pages(const Owner& owner, Addr block) const;
  // The first bytes of a block, for a per-CPU one of its first CPU's copy. Valid until the next call.
  Bytes contents_of(const Confirmation::Candidate& candidate);
  // As it is now, like the contents that are listed beside it; 0: it cannot be read.
  u32 checksum_of(const Confirmation::Candidate& candidate);
  // Neighbours mostly belong together: of millions, few ask the map.
  Group& group_of(const GroupKey& key, Groups& groups);
  void add(const Confirmation::Candidate& candidate, Groups& groups);
  void collect_pages();
  void add_page(const Confirmation::Candidate& candidate);
  u32 looks_of(Bytes page);
  void look_into(const Confirmation::Candidate& candidate, Bytes contents, Group& group);
  LeakedObject object_of(const Confirmation::Candidate& candidate, Bytes contents);
  void name_weak(const Confirmation::Candidate& candidate, Leak& leak) const;
  void start(Group& group, const Owner& owner, const Confirmation::Candidate& candidate, u32 stack);
  void put_suppressed();
  // The names under which merged caches were made: in sysfs each is a link to the folder of all, named by a unique id.
  std::vector<std::string> aliases_of(const std::string& name);
  void read_sysfs_names();
  // Of the largest groups as many objects as fit, of each group some.
  void trim_objects();

  Input in_;
  Report& report_;
  BlockContents contents_;
  Checksummer checksummer_;
  Suppressor suppressor_;
  std::vector<Tally> suppressed_;  // by rule
  UserSuppressions user_suppressions_;
  Kernel kernel_;
  Explainer explainer_;
  Groups groups_;
  std::pair<const Groups*, GroupKey> last_key_;
  Group* last_group_ = nullptr;         // of this key
  std::vector<Group*> sorted_;          // of groups_, those in the report, in its order
  std::vector<const Group*> group_of_;  // of each of `leaked`; null: suppressed
  u32 next_leaked_ = 0;                 // number in `leaked`
  u64 kept_objects_ = 0;
  Groups page_groups_;
  std::vector<Group*> sorted_pages_;
  std::map<std::string, u32> looks_;  // numbers, from 1 on
  u64 looked_at_pages_ = 0, kept_pages_ = 0;
  Tally unjudged_;
  std::multimap<std::string, std::string> sysfs_names_;  // unique id -> names
  std::map<std::string, std::string> sysfs_targets_;     // name -> unique id
};

}  // namespace orphan::kernel
