// SPDX-License-Identifier: Apache-2.0
// From offsets to names of members, and from a pointer's type to the structs that have one.
#include <bpf/btf.h>

#include "kernel/btf.h"

namespace orphan::kernel {
namespace {

constexpr int kMaxDepth = 16;
constexpr u32 kMostStructBytes = 1 << 20;

std::string_view name_of(const btf* types, u32 offset) {
  const char* name = btf__name_by_offset(types, offset);
  return name == nullptr ? std::string_view() : std::string_view(name);
}

}  // namespace

bool Btf::append_member_at(u32 type_id, u32 offset, int depth, std::string& path) const {
  const btf* types = handle_.get();
  u32 id = stripped(type_id);
  const btf_type* type = btf__type_by_id(types, id);
  if (type == nullptr || depth > kMaxDepth) return false;
  if (btf_is_array(type)) {
    u32 element = size_of_id(btf_array(type)->type).value_or(0);
    if (element == 0) return true;
    path += "[" + std::to_string(offset / element) + "]";
    return append_member_at(btf_array(type)->type, offset % element, depth + 1, path);
  }
  if (!btf_is_composite(type)) return true;
  for (u32 i = 0; i < btf_vlen(type); ++i) {
    const btf_member& member = btf_members(type)[i];
    u32 start = btf_member_bit_offset(type, i) / 8, size = size_of_id(member.type).value_or(0);
    if (offset < start || offset - start >= size) continue;
    std::string name(name_of(types, member.name_off)), inner = path;
    if (!name.empty()) inner += (inner.empty() ? "" : ".") + name;
    if (!append_member_at(member.type, offset - start, depth + 1, inner)) continue;
    path = std::move(inner);
    return true;
  }
  return false;
}

std::string Btf::member_at(std::string_view type, u32 offset) const {
  std::string path;
  u32 id = find(type);
  return id != 0 && append_member_at(id, offset, 0, path) ? path : std::string();
}

// The type that stands at an offset of a struct; of a union's members the first pointer. 0: none, or only a part of one.
u32 Btf::type_at(u32 type_id, u32 offset, int depth) const {
  const btf* types = handle_.get();
  u32 id = stripped(type_id);
  const btf_type* type = btf__type_by_id(types, id);
  if (type == nullptr || depth > kMaxDepth) return 0;
  if (btf_is_ptr(type)) return offset == 0 ? id : 0;
  if (btf_is_array(type)) {
    u32 element = size_of_id(btf_array(type)->type).value_or(0);
    return element == 0 ? 0 : type_at(btf_array(type)->type, offset % element, depth + 1);
  }
  if (!btf_is_composite(type)) return 0;
  for (u32 i = 0; i < btf_vlen(type); ++i) {
    const btf_member& member = btf_members(type)[i];
    u32 start = btf_member_bit_offset(type, i) / 8, size = size_of_id(member.type).value_or(0);
    if (offset < start || offset - start >= size) continue;
    if (u32 found = type_at(member.type, offset - start, depth + 1); found != 0) return found;
  }
  return 0;
}

std::vector<Btf::Holder> Btf::holders(const HolderQuery& query) const {
  const btf* types = handle_.get();
  std::vector<Holder> result;
  u32 count = btf__type_cnt(types);
  for (u32 id = first_; id < count && result.size() < query.most; ++id) {
    const btf_type* type = btf__type_by_id(types, id);
    if (!btf_is_struct(type) || type->name_off == 0 || type->size > kMostStructBytes) continue;
    if (type->size < query.smallest_bytes || type->size > query.largest_bytes) continue;
    u32 pointer = type_at(id, query.offset_bytes, 0);
    if (pointer == 0) continue;
    const btf_type* pointee = btf__type_by_id(types, stripped(btf__type_by_id(types, pointer)->type));
    bool is_struct = pointee != nullptr && (btf_is_composite(pointee) || btf_is_fwd(pointee));
    if (!is_struct || name_of(types, pointee->name_off) != query.pointee) continue;
    std::string member;
    append_member_at(id, query.offset_bytes, 0, member);
    result.push_back({std::string(name_of(types, type->name_off)), std::move(member), type->size});
  }
  return result;
}

}  // namespace orphan::kernel
