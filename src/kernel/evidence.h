// SPDX-License-Identifier: Apache-2.0
// What the contents of leaked blocks say about them: a function table names the type, a string the owner.
#pragma once
#include <vector>

#include "kernel/btf.h"
#include "kernel/source.h"
#include "kernel/symbols.h"
#include "report/report.h"

namespace orphan::kernel {

// Gathers evidence over the blocks of one group: what stands at the same offset in most of them is worth most.
class EvidenceGatherer {
 public:
  explicit EvidenceGatherer(const Symbols& symbols) : symbols_(symbols) {}

  void add(Bytes contents);
  // One thing more, found in the block that was added last.
  void note(Evidence::Kind kind, u64 offset, std::string text);
  // The most frequent first; at most `limit`.
  std::vector<Evidence> result(std::size_t limit) const;

 private:
  const Symbols& symbols_;
  std::vector<Evidence> found_;
};

// The struct that a cache's objects are, when the cache has a type of its own: one of that name and size in the kernel's
// BTF, or in a module's, of which `module_folder` has a file each. Empty: not known.
std::string type_of_cache(std::string_view cache, u64 object_bytes, const Btf& btf, const TextOf& text_of,
                          const std::string& module_folder);

// The address as a frame of a stack.
Frame to_frame(Addr address, const Symbols& symbols);
// A stack's frames, without those of a BPF program that took it.
std::vector<Frame> to_frames(std::span<const Addr> stack, const Symbols& symbols);

}  // namespace orphan::kernel
