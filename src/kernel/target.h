// SPDX-License-Identifier: Apache-2.0
// The running kernel as a target: everything that is found out once, before the first look.
#pragma once
#include "kernel/look.h"
#include "memory/kcore.h"

namespace orphan::kernel {

struct TargetPaths {
  std::string kcore = "/proc/kcore";
  std::string btf = "/sys/kernel/btf/vmlinux";
  std::string module_btf = "/sys/kernel/btf";  // the folder with one file a module
  std::string kallsyms = "/proc/kallsyms";
  std::string slabinfo = "/proc/slabinfo";
  std::string slab_sysfs = "/sys/kernel/slab";
};

class Target {
 public:
  // Permission, NotFound, Unsupported: the text says what to do about it.
  static Result<std::unique_ptr<Target>> open(const TargetPaths& paths, const LookHooks& hooks);

  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  Result<std::unique_ptr<Look>> look(const LookHooks& hooks) { return take_look(kernel(), owners_, hooks); }

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
  const std::vector<Phase>& startup() const { return startup_; }
  u64 bytes_read() const { return kcore_.bytes_read(); }

 private:
  Target(Kcore kcore, const TargetPaths& paths);
  Result<void> find_symbols();
  Result<AddressSpace> find_space() const;
  Result<u64> image_physical() const;

  TargetPaths paths_;
  Kcore kcore_;
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
