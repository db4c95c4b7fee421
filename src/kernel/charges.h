// SPDX-License-Identifier: Apache-2.0
// What the allocator notes beside a block: the memory cgroup that is charged for it, and, where memory allocation profiling is
// on, the line of source that allocated it. Slabs have a vector with an entry for each object, per-CPU chunks one for each place
// where an area may begin, other pages a word in their descriptor.
#pragma once
#include <map>

#include "kernel/look.h"

namespace orphan::kernel {

// Layouts of all that, from BTF; what is missing is off.
struct ChargeLayouts {
  // struct obj_cgroup -> struct mem_cgroup -> struct cgroup -> its node in the file system.
  struct Cgroup {
    u32 memcg;         // in obj_cgroup
    u32 css_cgroup;    // in mem_cgroup
    u32 kernfs_node;   // in cgroup
    u32 self_cgroup;   // in cgroup: it points to itself
    u32 parent, name;  // in kernfs_node
  };
  std::optional<Cgroup> cgroup;
  // An entry of a vector: struct slabobj_ext, or up to v6.9 only the pointer to the obj_cgroup.
  struct Entry {
    u32 bytes = 8;
    std::optional<u32> charge = 0;      // the obj_cgroup
    std::optional<u32> tag;             // of allocation profiling
    std::optional<Member> slab_stride;  // struct slab: bytes from entry to entry, since v7.0
  };
  Entry slab;
  Entry percpu;
  std::optional<u32> percpu_vector;  // in pcpu_chunk
  // struct codetag.
  struct Codetag {
    u32 line, module, function, file;
  };
  std::optional<Codetag> codetag;

  static ChargeLayouts resolve(const Btf& btf);
};

// A line of source.
struct CodeLine {
  std::string function, file, module;
  u32 line = 0;
};

class Charges {
 public:
  // `kernel` must outlive this.
  Charges(const Kernel& kernel, const Btf& btf);

  // The path of the cgroup that is charged for the block: "/system.slice/cron.service". Empty: none, or not known.
  std::string cgroup_of(const Owner& owner, Addr block);
  // The line that allocated the block; nothing where it is not known.
  std::optional<CodeLine> line_of(const Owner& owner, Addr block);

 private:
  struct Place {
    Addr entry;  // of a vector
    const ChargeLayouts::Entry* layout = nullptr;
  };
  std::optional<Place> place_of(const Owner& owner, Addr block);
  std::optional<Place> in_slab(Addr object);
  std::optional<Place> in_chunk(Addr cookie);
  std::string path_of_page(Addr block);
  std::string path_of_charge(Addr obj_cgroup);
  std::string path_of_memcg(Addr memcg);
  std::string climb(Addr node) const;
  std::string text_at(Addr at) const;

  const Kernel& kernel_;
  ChargeLayouts layouts_;
  std::optional<std::vector<PerCpuChunk>> chunks_;  // read when they are asked for
  std::map<u64, std::string> paths_;                // by memcg
};

}  // namespace orphan::kernel
