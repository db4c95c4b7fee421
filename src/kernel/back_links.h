// SPDX-License-Identifier: Apache-2.0
// A block may hang in a list or tree whose neighbouring node is on the stack of a task that sleeps for a moment: a timer, behind
// that of a process that has just begun to wait. Processes like that come and go faster than memory is read, often one after the
// other on the same stack, and each pass may find none of them. Such a node points back. So whoever a candidate points to is
// looked at again, many times in short order: if he points at the candidate, and is in use himself, it is no leak.
#pragma once
#include <unordered_set>
#include <vector>

#include "kernel/look.h"

namespace orphan::kernel {

class BackLinks {
 public:
  // `look` is that of the last pass, and `reached` what it reached. All must outlive this.
  BackLinks(const Kernel& kernel, const Look& look, const BitVector& reached, std::vector<u64> cpu_offsets)
      : kernel_(kernel), look_(look), reached_(reached), cpu_offsets_(std::move(cpu_offsets)) {}

  // A block to be watched. Of very many only the first are.
  void watch(Addr block, u64 size_bytes);
  // One more look at all whom the blocks point to.
  void look();
  bool is_linked(Addr block) const { return linked_.contains(block.value); }

 private:
  struct Link {
    Range block;
    Addr neighbour;  // a node, of a list or of a red-black tree
  };
  bool is_in_use(Addr at);

  const Kernel& kernel_;
  const Look& look_;
  const BitVector& reached_;
  std::vector<u64> cpu_offsets_;
  std::vector<Link> links_;
  std::vector<Task> tasks_;  // as they are in this look
  bool knows_tasks_ = false;
  std::unordered_set<u64> linked_;
};

}  // namespace orphan::kernel
