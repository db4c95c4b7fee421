// SPDX-License-Identifier: Apache-2.0
// The running kernel as a target: everything that is found out once, before the first look.
#pragma once
#include "kernel/look.h"
#include "kernel/source.h"

namespace orphan::kernel {

// What a look takes for blocks and roots.
struct LookScope {
  PlainPages plain_pages = PlainPages::Roots;
  bool stacks = true;  // those of tasks are roots
};

class Target {
 public:
  using OpenSource = std::function<Result<std::unique_ptr<Source>>()>;

  // This machine's kernel. Permission, NotFound, Unsupported: the text says what to do about it.
  static Result<std::unique_ptr<Target>> open(const TargetPaths& paths, const LookHooks& hooks);
  // Another source's, which calls its memory `paths.kcore`.
  static Result<std::unique_ptr<Target>> open(const OpenSource& open_source, const TargetPaths& paths, const LookHooks& hooks);

  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  Result<std::unique_ptr<Look>> look(const LookHooks& hooks, LookScope scope) {
    Kernel looked_at = kernel();
    looked_at.plain_pages = scope.plain_pages;
    looked_at.scans_stacks = scope.stacks;
    return take_look(looked_at, owners_, hooks);
  }

  // Keeps at most so much of what a pass reads.
  void limit_cache(u64 bytes) { cache_.limit(bytes); }
  static constexpr u64 kCacheBytes = 15 << 20;  // without a limit. Small machines' slabs fit: then nothing is read twice

  // For looks at single slabs.
  Kernel kernel();
  Owners& owners() { return owners_; }

  const KernelMemory& memory() const { return *memory_; }
  const Btf& btf() const { return *btf_; }
  const Layouts& layouts() const { return layouts_; }
  const Globals& globals() const { return globals_; }
  const Owners& owners() const { return owners_; }
  const TargetPaths& paths() const { return paths_; }
  Symbols& symbols() { return *symbols_; }
  std::string release() const { return info_.release(); }
  std::string build_id() const { return info_.build_id(); }
  const std::vector<Phase>& startup() const { return startup_; }
  Source& source() { return *source_; }
  u64 bytes_read() const { return source_->bytes_read(); }

 private:
  Target(std::unique_ptr<Source> source, const TargetPaths& paths);
  Result<void> read_facts();
  Result<void> find_types();
  Result<void> find_symbols();
  Result<AddressSpace> find_space() const;
  Result<u64> image_physical() const;

  TargetPaths paths_;
  std::unique_ptr<Source> source_;
  std::vector<CoreSegment> segments_;
  CachingMemory cache_;
  Vmcoreinfo info_;
  std::optional<Btf> btf_;
  Layouts layouts_{};
  std::optional<Symbols> symbols_;
  Globals globals_;
  std::optional<KernelMemory> memory_;
  Self self_;
  Owners owners_;
  u64 image_physical_ = 0;
  std::vector<Phase> startup_;
};

}  // namespace orphan::kernel
