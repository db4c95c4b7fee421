// SPDX-License-Identifier: Apache-2.0
// Who allocated a block, when, and on which way, where the kernel was told to note that: SLUB's user tracking, page_owner, and
// KFENCE, for the objects that it has. Only asked about single objects that are leaked.
#pragma once
#include <map>
#include <unordered_map>

#include "kernel/allocation_records.h"
#include "kernel/look.h"
#include "kernel/page_notes.h"
#include "kernel/stack_depot.h"

namespace orphan::kernel {

struct Origin {
  u32 stack = 0;  // a number for Origins::stack(); equal ones for equal stacks; 0: not known
  bool is_stack_inferred = false;
  std::optional<u32> pid;
  std::string comm;             // empty: the task is gone, or another one has its number now
  std::optional<u64> jiffies;   // when, by the kernel's clock
  std::optional<double> age_s;  // since then
};

class Origins {
 public:
  // `kernel` and `tasks`, those that live, must outlive this.
  Origins(const Kernel& kernel, std::span<const Task> tasks);

  // Of an object in a slab or of KFENCE, by its first byte.
  Origin of(Addr object);
  // Of pages, by the first byte.
  Origin of_pages(Addr block);
  // Of whoever was seen to allocate.
  Origin of(const AllocationRecord& record);
  // Return addresses, innermost first.
  const std::vector<Addr>& stack(u32 number) const { return stacks_[number]; }

 private:
  struct TrackedCache {
    bool is_tracked = false;
    u32 size_bytes = 0, left_pad_bytes = 0;
    u32 track = 0;  // offset of the track from the object's start
  };
  struct KnownSlab {
    u64 frame = 0;
    u64 bytes = 0;
    TrackedCache cache;
  };

  void read_clock();
  Origin of_kfence(Addr entry);
  Origin of_tracked(Addr object);
  TrackedCache cache_at(Addr address);
  const KnownSlab* slab_of(Addr object);
  std::vector<Addr> frames_of(Bytes track);
  u32 stack_of(u32 handle);
  u32 number_of(std::vector<Addr> stack);
  void set_task(Origin& origin, u32 pid, u64 jiffies);
  std::string name_of(u32 pid, u64 jiffies) const;
  u64 first_jiffies() const;

  const Kernel& kernel_;
  std::unordered_map<u32, const Task*> tasks_;
  Kfence kfence_;
  PageNotes page_notes_;
  std::optional<StackDepot> depot_;
  u64 now_jiffies_ = 0;  // 0: not known
  u64 tick_ns_ = 0;      // 0: not known
  std::unordered_map<u64, TrackedCache> caches_;
  std::unordered_map<u32, u32> by_handle_;
  std::vector<std::vector<Addr>> stacks_{1};
  std::map<std::vector<Addr>, u32> numbers_;
  std::optional<KnownSlab> last_slab_;
};

}  // namespace orphan::kernel
