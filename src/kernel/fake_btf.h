// SPDX-License-Identifier: Apache-2.0
// The types of a kernel that a test makes up, and the BTF that describes them. For tests only.
//
// Types are written as text: a line "struct NAME SIZE", "enum NAME" or "typedef NAME TYPE", and below it, indented, one line a
// member, "TYPE NAME OFFSET" ("u32 inuse 40:3:16" is a bit field of 16 bits from bit 3 on), or an enumerator, "NAME VALUE".
// TYPE may be an array, "u64[4]", or a pointer to a struct, "page*". A struct whose name begins with a dot is anonymous; so is a
// member named "-". What is written "hidden NAME SIZE", or has a member name that begins with "~", is known to the test and not
// in the BTF: where an old kernel keeps what newer ones have a struct or another name for.
#pragma once
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/btf.h"

namespace orphan::kernel {

enum class FakeBarns { None, OfNode, PerNode };  // no sheaves; kmem_cache_node.barn; kmem_cache.per_node

struct FakeVersion {
  bool has_slab = true;      // struct slab; before, its members stood in struct page
  bool has_cpu_slab = true;  // struct kmem_cache_cpu
  FakeBarns barns = FakeBarns::None;
  bool is_latest = false;    // as 7.2: tails know their head by a mask, on_cpu is a byte
  bool fpu_follows = false;  // the floating point state stands behind the task_struct (from 6.16 on)
  bool is_typed = false;     // page types, vmap_nodes, module.mem, as 6.12; else as 6.1
  bool is_hardened = true;   // freelists are encoded
  bool is_shifted = false;   // members stand where no kernel has them
  bool has_kmalloc = false;  // the page type for large kmalloc (from 6.18 on)
  u32 levels = 4;            // of page tables
  u64 percpu_start = 0;      // where the static per-CPU area is linked
  const char* name = "like_6_1";
};

inline constexpr FakeVersion kLike5_10{.has_slab = false, .name = "like_5_10"};
inline constexpr FakeVersion kLike6_1{};
inline constexpr FakeVersion kLike6_12{.is_typed = true, .name = "like_6_12"};
inline constexpr FakeVersion kLike6_18{
    .barns = FakeBarns::OfNode, .fpu_follows = true, .is_typed = true, .has_kmalloc = true, .name = "like_6_18"};
inline constexpr FakeVersion kLike7_2{.has_cpu_slab = false,
                                      .barns = FakeBarns::PerNode,
                                      .is_latest = true,
                                      .fpu_follows = true,
                                      .is_typed = true,
                                      .has_kmalloc = true,
                                      .percpu_start = 0xffff'ffff'8340'0000,
                                      .name = "like_7_2"};
inline constexpr FakeVersion kPlainFreelist{.is_hardened = false, .name = "plain_freelist"};
inline constexpr FakeVersion kShifted{.barns = FakeBarns::PerNode,
                                      .is_typed = true,
                                      .is_shifted = true,
                                      .has_kmalloc = true,
                                      .levels = 5,
                                      .percpu_start = 0xffff'ffff'8300'0000,
                                      .name = "shifted_5_levels"};
std::ostream& operator<<(std::ostream& out, const FakeVersion& version);
inline constexpr FakeVersion kVersions[] = {kLike5_10, kLike6_1, kLike6_12, kLike6_18, kLike7_2, kPlainFreelist, kShifted};
// Those whose CPUs have a slab of their own to allocate from, and those with sheaves.
inline constexpr FakeVersion kCpuSlabVersions[] = {kLike5_10, kLike6_1, kLike6_12, kLike6_18, kPlainFreelist, kShifted};
inline constexpr FakeVersion kSheafVersions[] = {kLike6_18, kLike7_2, kShifted};

class FakeTypes {
 public:
  explicit FakeTypes(std::string_view text) { add(text); }
  static FakeTypes of(const FakeVersion& version);

  // A type of the same name takes the place of an earlier one.
  void add(std::string_view text);
  // A struct, "page", or a member of one, "page.flags", or an enumerator, "pageflags.PG_lru". It must be there.
  void remove(std::string_view what);

  u32 size(std::string_view type) const;
  Member member(std::string_view type, std::string_view path) const;
  bool has(std::string_view type) const { return find(type) != nullptr; }
  i64 enumerator(std::string_view type, std::string_view name) const;

  // Raw BTF in a file; with `base_path`, split BTF on top of the one in that file.
  void write(const std::string& path, const std::string& base_path = {}) const;
  // As the kernel's readers get it.
  Btf load() const;

 private:
  enum class Kind { Struct, Enum, Typedef };
  struct Field {
    std::string type, name;
    u32 offset = 0, bit = 0, bits = 0;
    i64 value = 0;
    bool is_hidden = false;
  };
  struct Type {
    Kind kind;
    std::string name, target;
    u32 size = 0;
    std::vector<Field> fields;
    bool is_hidden = false;
  };
  void shift();
  std::vector<const Type*> in_order() const;
  Type* find(std::string_view name);
  const Type* find(std::string_view name) const { return const_cast<FakeTypes*>(this)->find(name); }
  u32 size_of_type(std::string_view type) const;
  std::optional<Member> find_member(const Type& type, std::string_view name, std::string* member_type) const;

  std::vector<Type> types_;
};

}  // namespace orphan::kernel
