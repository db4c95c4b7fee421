// SPDX-License-Identifier: Apache-2.0
#include "kernel/charges.h"

#include <algorithm>
#include <array>

#include "kernel/slab_pages.h"

namespace orphan::kernel {
namespace {

constexpr u64 kFlagBits = 7;          // in the words that lead to vectors and charges
constexpr u64 kIsVector = 1;          // MEMCG_DATA_OBJEXTS, and before v6.10 MEMCG_DATA_OBJCGS; since v5.9 (286e04b8ed7a)
constexpr u64 kIsObjCgroup = 2;       // MEMCG_DATA_KMEM: the word leads to an obj_cgroup, else to a mem_cgroup
constexpr u64 kUnitOfAllocation = 4;  // of per-CPU memory
constexpr int kMostLevels = 64;
constexpr std::size_t kLongestName = 256;
constexpr u32 kMostStructBytes = 1 << 16;
constexpr u32 kMostEntryBytes = 4096;

std::optional<u32> maybe(const Btf& btf, std::string_view type, std::string_view path) {
  auto member = btf.member(type, path);
  if (!member || member->offset_bytes > kMostStructBytes) return std::nullopt;
  return member->offset_bytes;
}

std::optional<ChargeLayouts::Cgroup> cgroup_layout(const Btf& btf) {
  auto memcg = maybe(btf, "obj_cgroup", "memcg"), cgroup = maybe(btf, "mem_cgroup", "css.cgroup");
  auto node = maybe(btf, "cgroup", "kn"), self = maybe(btf, "cgroup", "self.cgroup"), name = maybe(btf, "kernfs_node", "name");
  auto parent = maybe(btf, "kernfs_node", "__parent");  // since v6.15 (633488947ef6)
  if (!parent) parent = maybe(btf, "kernfs_node", "parent");
  if (!memcg || !cgroup || !node || !self || !name || !parent) return std::nullopt;
  return ChargeLayouts::Cgroup{*memcg, *cgroup, *node, *self, *parent, *name};
}

ChargeLayouts::Entry entry_layout(const Btf& btf, std::string_view type, std::string_view charge, std::string_view tag) {
  ChargeLayouts::Entry entry;
  auto size = btf.size_of(type);
  if (!size) return entry;
  entry.bytes = *size;
  entry.charge = maybe(btf, type, charge);
  entry.tag = maybe(btf, type, tag);
  bool fits =
      *size >= 8 && *size <= kMostEntryBytes && entry.charge.value_or(0) + 8 <= *size && entry.tag.value_or(0) + 8 <= *size;
  if (!fits) entry.charge = entry.tag = std::nullopt;
  return entry;
}

}  // namespace

ChargeLayouts ChargeLayouts::resolve(const Btf& btf) {
  ChargeLayouts layouts;
  layouts.cgroup = cgroup_layout(btf);
  layouts.slab = entry_layout(btf, "slabobj_ext", "objcg", "ref.ct");
  layouts.percpu = entry_layout(btf, "pcpuobj_ext", "cgroup", "tag.ct");
  if (!layouts.slab.charge && layouts.slab.bytes == 8) layouts.slab.charge = maybe(btf, "slabobj_ext", "_objcg");
  if (auto bit = btf.member("slab", "obj_exts_in_object"); bit && bit->bit_size == 1) layouts.slab.in_object = bit;
  if (auto stride = btf.member("slab", "stride"); stride && stride->size_bytes <= 4) layouts.slab.slab_stride = stride;
  layouts.percpu_vector = maybe(btf, "pcpu_chunk", "obj_exts");
  if (!layouts.percpu_vector) layouts.percpu_vector = maybe(btf, "pcpu_chunk", "obj_cgroups");
  auto line = maybe(btf, "codetag", "lineno"), module = maybe(btf, "codetag", "modname");
  auto function = maybe(btf, "codetag", "function"), file = maybe(btf, "codetag", "filename");
  if (line && module && function && file) layouts.codetag = Codetag{*line, *module, *function, *file};
  return layouts;
}

Charges::Charges(const Kernel& kernel, const Btf& btf) : kernel_(kernel), layouts_(ChargeLayouts::resolve(btf)) {}

std::string Charges::cgroup_of(const Owner& owner, Addr block) {
  if (!layouts_.cgroup) return {};
  bool are_pages = owner.kind == BlockKind::LargeKmalloc || owner.kind == BlockKind::Pages;
  if (are_pages || owner.kind == BlockKind::Vmalloc) return path_of_page(block);
  auto place = place_of(owner, block);
  if (!place || !place->layout->charge) return {};
  auto charge = read_value<u64>(kernel_.memory, place->entry + *place->layout->charge);
  return charge ? path_of_charge(Addr{*charge & ~kFlagBits}) : std::string();
}

std::optional<CodeLine> Charges::line_of(const Owner& owner, Addr block) {
  // Asked about each block that is leaked: where nothing is noted, nothing is to be read.
  const ChargeLayouts::Entry& entry = owner.kind == BlockKind::PerCpu ? layouts_.percpu : layouts_.slab;
  auto place = layouts_.codetag && entry.tag ? place_of(owner, block) : std::nullopt;
  if (!place || !place->layout->tag) return std::nullopt;
  auto tag = read_value<u64>(kernel_.memory, place->entry + *place->layout->tag);
  if (!tag || *tag < kFlagBits) return std::nullopt;  // not tagged, or a mark that says so
  Addr at{*tag};
  auto word = [&](u32 offset) {
    auto value = read_value<u64>(kernel_.memory, at + offset);
    return Addr{value ? *value : 0};
  };
  auto line = read_value<u32>(kernel_.memory, at + layouts_.codetag->line);
  CodeLine result{text_at(word(layouts_.codetag->function)), text_at(word(layouts_.codetag->file)),
                  text_at(word(layouts_.codetag->module)), line ? *line : 0};
  if (result.function.empty() || result.file.empty()) return std::nullopt;
  return result;
}

std::optional<Charges::Place> Charges::place_of(const Owner& owner, Addr block) {
  if (owner.kind == BlockKind::Slab) return in_slab(block);
  if (owner.kind == BlockKind::PerCpu) return in_chunk(block);
  return std::nullopt;
}

// The number of an object in its slab is that of its slot; KFENCE's pages have a vector of one.
std::optional<Charges::Place> Charges::in_slab(Addr object) {
  const AddressSpace& space = kernel_.memory.space();
  const Layouts& layouts = kernel_.layouts;
  if (!layouts.slab.extensions || !space.linear_span().contains(object)) return std::nullopt;
  auto head = head_frame(kernel_.memory, layouts.page, (object - space.linear_map) / kPageBytes);
  auto slab = head ? read_slab(kernel_.memory, layouts.page, layouts.slab, *head) : std::nullopt;
  if (!slab) return std::nullopt;
  Addr descriptor = space.page_descriptors + *head * layouts.page.size_bytes;
  auto word = read_value<u64>(kernel_.memory, descriptor + *layouts.slab.extensions);
  auto size = read_value<u32>(kernel_.memory, slab->cache + layouts.cache.size);
  auto pad = read_value<u32>(kernel_.memory, slab->cache + layouts.cache.red_left_pad);
  if (!word || (*word & kIsVector) == 0 || !size || *size == 0 || !pad) return std::nullopt;
  Addr start = space.linear(*head * kPageBytes) + *pad;
  u64 number = slab->objects == 1 || object < start ? 0 : (object - start) / *size;
  if (number >= slab->objects) return std::nullopt;
  u64 stride = layouts_.slab.bytes;
  if (layouts_.slab.slab_stride) {
    const Member& member = *layouts_.slab.slab_stride;
    u32 value = 0;
    auto bytes = std::as_writable_bytes(std::span(&value, 1)).first(member.size_bytes);
    if (!kernel_.memory.read(descriptor + member.offset_bytes, bytes)) return std::nullopt;
    if (value != 0) stride = value;
  }
  if (layouts_.slab.in_object) {
    auto flags = read_value<u8>(kernel_.memory, descriptor + layouts_.slab.in_object->offset_bytes);
    if (!flags) return std::nullopt;
    if ((*flags >> layouts_.slab.in_object->bit_offset & 1) != 0) stride = *size;
  }
  return Place{Addr{*word & ~kFlagBits} + number * stride, &layouts_.slab};
}

std::optional<Charges::Place> Charges::in_chunk(Addr cookie) {
  if (!layouts_.percpu_vector) return std::nullopt;
  if (!chunks_) {
    auto percpu = read_percpu(kernel_.memory, kernel_.layouts.percpu, kernel_.globals.percpu);
    chunks_ = percpu ? std::move(percpu->all_chunks) : std::vector<PerCpuChunk>();
  }
  for (const PerCpuChunk& chunk : *chunks_) {
    u64 offset = cookie - chunk.first_cookie;
    if (offset >= chunk.size_bytes) continue;
    auto vector = read_value<u64>(kernel_.memory, chunk.chunk + *layouts_.percpu_vector);
    if (!vector || *vector == 0) continue;
    return Place{Addr{*vector} + offset / kUnitOfAllocation * layouts_.percpu.bytes, &layouts_.percpu};
  }
  return std::nullopt;
}

std::string Charges::path_of_page(Addr block) {
  const AddressSpace& space = kernel_.memory.space();
  if (!kernel_.layouts.page.memcg_data) return {};
  std::optional<u64> frame;
  if (space.linear_span().contains(block)) {
    frame = (block - space.linear_map) / kPageBytes;
  } else if (auto mapping = kernel_.memory.translate(block)) {
    frame = mapping->physical / kPageBytes;
  }
  if (!frame) return {};
  Addr descriptor = space.page_descriptors + *frame * kernel_.layouts.page.size_bytes;
  auto word = read_value<u64>(kernel_.memory, descriptor + *kernel_.layouts.page.memcg_data);
  if (!word || *word == 0 || (*word & kIsVector) != 0) return {};
  Addr charged{*word & ~kFlagBits};
  return (*word & kIsObjCgroup) != 0 ? path_of_charge(charged) : path_of_memcg(charged);
}

std::string Charges::path_of_charge(Addr obj_cgroup) {
  if (!obj_cgroup) return {};
  auto memcg = read_value<u64>(kernel_.memory, obj_cgroup + layouts_.cgroup->memcg);
  return memcg && *memcg != 0 ? path_of_memcg(Addr{*memcg}) : std::string();
}

std::string Charges::path_of_memcg(Addr memcg) {
  auto [known, is_new] = paths_.try_emplace(memcg.value);
  if (!is_new) return known->second;
  auto cgroup = read_value<u64>(kernel_.memory, memcg + layouts_.cgroup->css_cgroup);
  // A cgroup's own state points back to it: what does not is none.
  auto self = cgroup ? read_value<u64>(kernel_.memory, Addr{*cgroup} + layouts_.cgroup->self_cgroup) : Result<u64>(u64{0});
  if (!cgroup || *cgroup == 0 || !self || *self != *cgroup) return {};
  auto node = read_value<u64>(kernel_.memory, Addr{*cgroup} + layouts_.cgroup->kernfs_node);
  if (node && *node != 0) known->second = climb(Addr{*node});
  return known->second;
}

// The names from a node up to the root, which has none.
std::string Charges::climb(Addr node) const {
  std::string path;
  for (int level = 0; level < kMostLevels; ++level) {
    auto parent = read_value<u64>(kernel_.memory, node + layouts_.cgroup->parent);
    if (!parent) return {};
    if (*parent == 0) return path.empty() ? "/" : path;
    auto name = read_value<u64>(kernel_.memory, node + layouts_.cgroup->name);
    if (!name) return {};
    path = "/" + text_at(Addr{*name}) + path;
    node = Addr{*parent};
  }
  return {};
}

std::string Charges::text_at(Addr at) const {
  if (!at) return {};
  std::array<char, kLongestName> text{};
  u64 size = std::min<u64>(kPageBytes - at.value % kPageBytes, text.size());
  auto bytes = std::as_writable_bytes(std::span(text));
  if (!kernel_.memory.read(at, bytes.first(size))) return {};
  bool goes_on = std::ranges::find(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size), '\0') ==
                 text.begin() + static_cast<std::ptrdiff_t>(size);
  // Its end may stand in the next page.
  if (goes_on && size < text.size() && !kernel_.memory.read(at + size, bytes.subspan(size))) return {};
  return {text.begin(), std::ranges::find(text, '\0')};
}

}  // namespace orphan::kernel
