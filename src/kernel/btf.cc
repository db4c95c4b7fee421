// SPDX-License-Identifier: Apache-2.0
#include "kernel/btf.h"

#include <bpf/btf.h>
#include <sys/mman.h>

#include <bit>
#include <functional>

#include "base/fd.h"

namespace orphan::kernel {
namespace {

// A struct nests anonymous members only so deep; more is a loop in hostile data.
constexpr int kMaxDepth = 16;
constexpr u64 kMostBytes = 1 << 30;
constexpr i64 kMostTypeBytes = 1 << 24;  // no real type comes near it, and sums of a few such stay 32-bit numbers

// libbpf takes a module's BTF only out of a file.
btf* parse_split(std::string_view bytes, btf* base) {
  Fd file(::memfd_create("btf", MFD_CLOEXEC));
  if (file.value() < 0) return nullptr;
  ssize_t wrote = ::write(file.value(), bytes.data(), bytes.size());
  if (wrote < 0 || static_cast<std::size_t>(wrote) != bytes.size()) return nullptr;
  return btf__parse_raw_split(("/proc/self/fd/" + std::to_string(file.value())).c_str(), base);
}

}  // namespace

void Btf::Free::operator()(btf* b) const {
  btf__free(b);
}

Result<Btf> Btf::load(const std::string& path, const Btf* base) {
  std::string bytes = TRY(read_file(path));
  return parse(bytes, path, base);
}

Result<Btf> Btf::parse(std::string_view bytes, const std::string& name, const Btf* base) {
  Error invalid(ErrorCode::BadData, name + ": not valid BTF; nothing can be read without the kernel's type information");
  if (bytes.size() > kMostBytes) return invalid;
  btf* parsed =
      base == nullptr ? btf__new(bytes.data(), static_cast<u32>(bytes.size())) : parse_split(bytes, base->handle_.get());
  if (parsed == nullptr) return invalid;
  Btf result{std::unique_ptr<btf, Free>(parsed)};
  result.index_names(base == nullptr ? 1 : btf__type_cnt(base->handle_.get()));
  return result;
}

void Btf::index_names(u32 first) {
  first_ = first;
  u32 count = btf__type_cnt(handle_.get());
  std::vector<u32> named;
  for (u32 id = first; id < count; ++id) {
    const btf_type* type = btf__type_by_id(handle_.get(), id);
    if (type->name_off == 0 || (!btf_is_composite(type) && !btf_is_any_enum(type))) continue;
    if (btf__name_by_offset(handle_.get(), type->name_off) != nullptr) named.push_back(id);
  }
  ids_.assign(std::bit_ceil(2 * named.size() + 1), 0);
  for (u32 id : named) {
    u32& place = ids_[place_of(name_of_type(id))];
    if (place == 0) place = id;
  }
}

std::string_view Btf::name_of_type(u32 id) const {
  return btf__name_by_offset(handle_.get(), btf__type_by_id(handle_.get(), id)->name_off);
}

std::size_t Btf::place_of(std::string_view name) const {
  std::size_t place = std::hash<std::string_view>{}(name) & (ids_.size() - 1);
  while (ids_[place] != 0 && name_of_type(ids_[place]) != name) place = (place + 1) & (ids_.size() - 1);
  return place;
}

u32 Btf::find(std::string_view type) const {
  return ids_[place_of(type)];
}

std::optional<u32> Btf::size_of_id(u32 type_id) const {
  i64 size = btf__resolve_size(handle_.get(), type_id);
  if (size < 0 || size > kMostTypeBytes) return std::nullopt;
  return static_cast<u32>(size);
}

std::optional<u32> Btf::size_of(std::string_view type) const {
  u32 id = find(type);
  return id == 0 ? std::nullopt : size_of_id(id);
}

u32 Btf::stripped(u32 id) const {
  for (int i = 0; i < kMaxDepth; ++i) {
    const btf_type* type = btf__type_by_id(handle_.get(), id);
    if (type == nullptr || (!btf_is_mod(type) && !btf_is_typedef(type))) return id;
    id = type->type;
  }
  return 0;
}

std::optional<Member> Btf::find_member(u32 type_id, std::string_view name, u32* member_type, int depth) const {
  const btf_type* type = btf__type_by_id(handle_.get(), stripped(type_id));
  if (type == nullptr || !btf_is_composite(type) || depth > kMaxDepth) return std::nullopt;
  const btf_member* members = btf_members(type);
  for (u32 i = 0; i < btf_vlen(type); ++i) {
    u32 bit = btf_member_bit_offset(type, i);
    u32 bits = btf_member_bitfield_size(type, i);
    const char* member_name = btf__name_by_offset(handle_.get(), members[i].name_off);
    if (member_name != nullptr && !name.empty() && name == member_name) {
      *member_type = members[i].type;
      if (bit / 8 >= kMostTypeBytes) return std::nullopt;
      return Member{bit / 8, size_of_id(members[i].type).value_or(0), static_cast<u8>(bit % 8), static_cast<u8>(bits)};
    }
    if (members[i].name_off != 0) continue;
    if (auto inner = find_member(members[i].type, name, member_type, depth + 1)) {
      if (bit / 8 >= kMostTypeBytes || inner->offset_bytes >= kMostTypeBytes) return std::nullopt;
      inner->offset_bytes += bit / 8;
      return inner;
    }
  }
  return std::nullopt;
}

std::optional<Member> Btf::member(std::string_view type, std::string_view path) const {
  u32 id = find(type);
  if (id == 0) return std::nullopt;
  Member sum;
  for (;;) {
    std::size_t dot = path.find('.');
    u32 next = 0;
    auto found = find_member(id, path.substr(0, dot), &next, 0);
    if (!found) return std::nullopt;
    if (sum.offset_bytes >= kMostTypeBytes) return std::nullopt;
    found->offset_bytes += sum.offset_bytes;
    sum = *found;
    if (dot == std::string_view::npos) return sum;
    path.remove_prefix(dot + 1);
    id = next;
  }
}

std::optional<u64> Btf::enumerator(std::string_view type, std::string_view name) const {
  const btf_type* found = btf__type_by_id(handle_.get(), find(type));
  if (found == nullptr) return std::nullopt;
  for (u32 i = 0; i < btf_vlen(found); ++i) {
    u32 name_off;
    u64 value;
    if (btf_is_enum(found)) {
      name_off = btf_enum(found)[i].name_off;
      value = static_cast<u64>(i64{btf_enum(found)[i].val});
    } else if (btf_is_enum64(found)) {
      name_off = btf_enum64(found)[i].name_off;
      value = btf_enum64_value(&btf_enum64(found)[i]);
    } else {
      return std::nullopt;
    }
    const char* text = btf__name_by_offset(handle_.get(), name_off);
    if (text != nullptr && name == text) return value;
  }
  return std::nullopt;
}

}  // namespace orphan::kernel
