// SPDX-License-Identifier: Apache-2.0
// The kernel's own description of its types (BTF), read through libbpf: offsets of members, sizes, enumerators.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct btf;

namespace orphan::kernel {

// Where a member stands in its struct.
struct Member {
  u32 offset_bytes = 0;
  u32 size_bytes = 0;
  u8 bit_offset = 0;  // of a bit field, from offset_bytes on
  u8 bit_size = 0;    // 0: not a bit field
};

class Btf {
 public:
  // Parses raw BTF, e.g. what is in /sys/kernel/btf/vmlinux; `name` is for the error. With `base`, a module's BTF, which builds
  // on the kernel's; `base` must outlive this.
  static Result<Btf> parse(std::string_view bytes, const std::string& name, const Btf* base = nullptr);
  // The same of a file.
  static Result<Btf> load(const std::string& path, const Btf* base = nullptr);

  // Size of a struct or union; nothing when there is no complete type of that name.
  std::optional<u32> size_of(std::string_view type) const;
  // A member by its path, "thread.fpu"; anonymous structs and unions on the way are looked through.
  std::optional<Member> member(std::string_view type, std::string_view path) const;
  // An enumerator of the enum named `type`.
  std::optional<u64> enumerator(std::string_view type, std::string_view name) const;
  // The path of the innermost member that holds the byte at `offset_bytes` of a struct, "f_op" or "sk.sk_node.next"; of a union's
  // members the first. Empty: no member does.
  std::string member_at(std::string_view type, u32 offset_bytes) const;
  // A struct with a member that is a pointer.
  struct Holder {
    std::string type, member;
    u32 size_bytes = 0;
  };
  // The structs (of this BTF, without its base) of a size between the two that have a pointer to the struct `pointee` at
  // `offset_bytes`, up to `most`.
  struct HolderQuery {
    std::string_view pointee;
    u32 offset_bytes;
    u64 smallest_bytes, largest_bytes;
    std::size_t most;
  };
  std::vector<Holder> holders(const HolderQuery& query) const;
  // Whether the type exists at all.
  bool has(std::string_view type) const { return find(type) != 0; }

 private:
  u32 stripped(u32 id) const;  // the type behind typedefs and qualifiers
  struct Free {
    void operator()(btf* b) const;
  };
  explicit Btf(std::unique_ptr<btf, Free> handle) : handle_(std::move(handle)) {}
  u32 find(std::string_view type) const;
  std::optional<Member> find_member(u32 type_id, std::string_view name, u32* member_type, int depth) const;
  std::optional<u32> size_of_id(u32 type_id) const;
  bool append_member_at(u32 type_id, u32 offset_bytes, int depth, std::string& path) const;
  u32 type_at(u32 type_id, u32 offset_bytes, int depth) const;
  void index_names(u32 first);
  std::string_view name_of_type(u32 id) const;
  std::size_t place_of(std::string_view name) const;  // in ids_: that of the first type with this name, or where it would be

  std::unique_ptr<btf, Free> handle_;
  u32 first_ = 1;         // the first type that is not the base's
  std::vector<u32> ids_;  // a hash table of structs, unions and enums by name; 0: an empty place
};

}  // namespace orphan::kernel
