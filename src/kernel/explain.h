// SPDX-License-Identifier: Apache-2.0
// What is known of a leaked block beyond its bytes: who allocated it, when, and on which way, who is charged for it, what it
// pointed to, and of what type it is likely to be. Asked only about blocks that are reported, so a pass costs no more for it.
#pragma once
#include "kernel/charges.h"
#include "kernel/origins.h"
#include "kernel/pointees.h"
#include "kernel/type_guess.h"
#include "report/report.h"

namespace orphan::kernel {

class Explainer {
 public:
  // What is known of a kernel as a whole; `look` is the last one, and there may be none. All of it must outlive this.
  struct Input {
    const Look* look;
    const Owners& owners;
    const Btf& btf;
    const Symbols& symbols;
    BitVector leaked;  // by slots of the look
    TextOf text_of;
    std::string module_btf;                      // the folder
    const AllocationRecords* records = nullptr;  // of allocations that were seen; null: none were
  };
  Explainer(const Kernel& kernel, Input input);
  Explainer(const Explainer&) = delete;

  // A number for the stack on which the block was allocated: equal for equal stacks. 0: not known.
  u32 stack_of(const Owner& owner, Addr block, u64 size_bytes);
  // Whether its allocation was seen: in Input::records.
  bool was_seen(const Owner& owner, Addr block, u64 size_bytes);
  // The stack of that number; where it is not known the caller that the owner has.
  std::vector<Frame> frames(const Owner& owner, u32 stack) const;
  // Of a new group: whose blocks these are, the stack of that number, and the type where the cache has one of its own.
  void begin(const Owner& owner, u64 size_bytes, u32 stack, Leak& group) const;
  // Counts who allocated the block, and when.
  void count(const Owner& owner, Addr block, u64 size_bytes, Leak& group);
  // Fills in what is known of the single block, one of `group`'s.
  void explain(const Owner& owner, Leak& group, LeakedObject& object);
  // Adds to the evidence where the block, one of those that are looked into, pointed.
  void point(Addr block, Bytes contents, EvidenceGatherer& to) const;
  // When all blocks of the group are known: its likely type, and the members where something was found.
  void finish(Leak& group) const;

 private:
  const Origin& origin_of(const Owner& owner, Addr block, u64 size_bytes);

  Kernel kernel_;
  const Btf& btf_;
  const Symbols& symbols_;
  TextOf text_of_;
  std::string module_btf_;
  BitVector leaked_;
  const AllocationRecords* records_;
  Origins origins_;
  Charges charges_;
  std::optional<Pointees> pointees_;
  TypeGuess types_;
  std::map<std::tuple<std::string, std::string, u32>, u32> line_numbers_;
  std::vector<CodeLine> lines_;
  Addr last_block_;  // whose origin this is
  Origin last_origin_;
  bool was_last_seen_ = false;
};

}  // namespace orphan::kernel
