// SPDX-License-Identifier: Apache-2.0
// Memory, pages and slabs of the made-up kernel; fake_kernel_lists.cc has the rest.
#include "kernel/fake_kernel.h"

#include <algorithm>

namespace orphan::kernel {
namespace {

constexpr u64 kTableFlags = 0x67;                        // present, writable, accessed, dirty
constexpr u64 kPageFlags = 0x8000'0000'0000'0163;        // the same, global, not executable
constexpr u64 kLargeFlags = kPageFlags | 0x80 | 0x1000;  // and large, with the attribute bit that an address may not have
constexpr u64 kFramesEnd = 10 * FakeKernel::kMiB / kPageBytes;
constexpr u64 kHoleStart = 4 * FakeKernel::kMiB / kPageBytes, kHoleEnd = 6 * FakeKernel::kMiB / kPageBytes;
constexpr u64 kGoldenRatio = 0x9E37'79B9'7F4A'7C15;

}  // namespace

Addr FakeRam::resolve(Addr at) const {
  for (const Window& window : windows_) {
    if (window.range.contains(at)) return window.target + (at - window.range.start);
  }
  return at;
}

Result<void> FakeRam::read(Addr at, std::span<std::byte> out) const {
  // By number: what a watch does may end the watches, or begin another.
  for (std::size_t i = 0; i < watches_.size(); ++i) {  // NOLINT(modernize-loop-convert)
    Range watched = watches_[i].range;
    if (at < watched.end() && watched.start < at + out.size()) watches_[i].act(++watches_[i].reads);
  }
  return ram_.read(resolve(at), out);
}

std::ostream& operator<<(std::ostream& out, Verdict verdict) {
  switch (verdict) {
    case Verdict::NoBlock: return out << "no block";
    case Verdict::Free: return out << "free";
    case Verdict::Held: return out << "held";
    case Verdict::Leaked: return out << "leaked";
  }
  bug("no such verdict");
}

Verdict FakeScan::verdict(Addr at) const {
  auto block = look->index->find(at.value);
  if (!block) return Verdict::NoBlock;
  if (!look->snapshot.live.test(block->slot)) return Verdict::Free;
  return marked.reached.test(block->slot) ? Verdict::Held : Verdict::Leaked;
}

u32 FakeScan::owner(Addr at) const {
  auto block = look->index->find(at.value);
  VERIFY(block.has_value());
  return look->snapshot.shape_of(look->snapshot.spans[block->span]).owner;
}

const Cache& FakeScan::cache(std::string_view name) const {
  auto found = std::ranges::find(look->slub.caches, name, &Cache::name);
  VERIFY(found != look->slub.caches.end());
  return *found;
}

FakeKernel::FakeKernel(const FakeVersion& version)
    : version_(version), types_(FakeTypes::of(version)), layouts_([&] {
        auto layouts = Layouts::resolve(types_.load());
        VERIFY(bool(layouts));
        return std::move(*layouts);
      }()) {
  make_memory();
  make_image();
  make_percpu();
  make_slabs();
  make_lists();
  make_tasks();
}

Kernel FakeKernel::kernel() const {
  Range image{kText, kImagePages * kPageBytes};
  return {.memory = *memory_,
          .cache = const_cast<CachingMemory&>(*cache_memory_),
          .layouts = layouts_,
          .globals = globals,
          .self = self,
          .image = image,
          .image_physical = kImagePhysical,
          .stack_text = stack_text,
          .code_with_constants = code_with_constants,
          .plain_pages = plain_pages,
          .scans_stacks = scans_stacks};
}

Result<FakeScan> FakeKernel::try_scan(const LookHooks& hooks) {
  Kernel target = kernel();
  std::unique_ptr<Look> look = TRY(take_look(target, owners_, hooks));
  MarkResult marked = TRY(mark(look->snapshot, *look->index, *memory_, {.keep_going = hooks.keep_going}));
  return FakeScan{std::move(look), std::move(marked)};
}

FakeScan FakeKernel::scan() {
  auto result = try_scan();
  if (!result) bug(result.error().text().c_str());
  return std::move(*result);
}

// --- memory ---

void FakeKernel::make_memory() {
  bool five = version_.levels == 5;
  space_.linear_map = Addr{five ? 0xff11'0000'0000'0000 : 0xffff'8880'0000'0000};
  space_.vmalloc = {Addr{five ? 0xffa0'0000'0000'0000 : 0xffff'c900'0000'0000}, u64{1} << 45};
  space_.modules = {kModules, 16 * kMiB};
  space_.page_descriptors = Addr{five ? 0xffd4'0000'0000'0000 : 0xffff'ea00'0000'0000};
  space_.ram = {{space_.linear(0), 4 * kMiB}, {space_.linear(6 * kMiB), 4 * kMiB}};
  space_.format.levels = version_.levels;
  for (Range range : space_.ram) ram_.map(range);
  next_area_ = space_.vmalloc.start + 16 * kPageBytes;
  u64 map_bytes = align_up(kFramesEnd * types_.size("page"), kPageBytes);
  // Taken by hand: no page has a descriptor before.
  Addr map = page(next_boot_);
  next_boot_ += map_bytes / kPageBytes;
  ram_.add_window({{space_.page_descriptors, map_bytes}, map});
  for (u64 frame = 0; frame < kFramesEnd; ++frame) {
    if (frame < kHoleStart || frame >= kHoleEnd) init_descriptor(frame, 0);
  }
  for (u64 frame = 1; frame < next_boot_; ++frame) {
    init_descriptor(frame, 1);
    set_flag(frame, "PG_reserved");
  }
  space_.top_table = boot_pages(1);
  cache_memory_.emplace(ram_, 16 * kMiB);
  memory_.emplace(*cache_memory_, space_);
  for (u64 at = 0; at < map_bytes; at += kPageBytes) map_page(space_.page_descriptors + at, (map - space_.linear_map) + at);
  for (Range range : space_.ram) {
    for (u64 at = 0; at < range.size_bytes; at += 2 * kMiB)
      map_page(range.start + at, range.start - space_.linear_map + at, 2 * kMiB);
  }
}

void FakeKernel::make_image() {
  ram_.add_window({{kText, kImagePages * kPageBytes}, space_.linear(kImagePhysical)});
  for (u64 i = 0; i < kImagePages; ++i) {
    init_descriptor(kImagePhysical / kPageBytes + i, 1);
    set_flag(kImagePhysical / kPageBytes + i, "PG_reserved");
  }
  auto at_page = [](u64 number) { return kText + number * kPageBytes; };
  globals.text = kText;
  globals.text_end = globals.rodata = at_page(4);
  globals.ro_after_init = at_page(8);
  globals.ro_after_init_end = at_page(10);
  globals.rodata_end = next_global_ = at_page(12);
  next_root_ = at_page(20);
  globals.init_stack = at_page(28);
}

Addr FakeKernel::boot_pages(u64 count) {
  Addr start = page(next_boot_);
  for (u64 i = 0; i < count; ++i, ++next_boot_) {
    VERIFY(next_boot_ < kImagePhysical / kPageBytes);
    init_descriptor(next_boot_, 1);
    set_flag(next_boot_, "PG_reserved");
  }
  return start;
}

Addr FakeKernel::boot_bytes(u64 size_bytes) {
  size_bytes = align_up(size_bytes, 16);
  bool fits = next_boot_byte_.value % kPageBytes != 0 && next_boot_byte_.value % kPageBytes + size_bytes <= kPageBytes;
  if (!fits) next_boot_byte_ = boot_pages((size_bytes + kPageBytes - 1) / kPageBytes);
  Addr start = next_boot_byte_;
  next_boot_byte_ += size_bytes;
  return start;
}

Addr FakeKernel::add_global(u64 size_bytes) {
  Addr at = next_global_;
  next_global_ += align_up(size_bytes, 16);
  VERIFY(next_global_ <= kText + 20 * kPageBytes);
  return at;
}

Addr FakeKernel::add_root_to(Addr block) {
  Addr at = next_root_;
  next_root_ += 8;
  VERIFY(next_root_ <= *globals.init_stack);
  point(at, block);
  return at;
}

void FakeKernel::put_word(Addr at, u64 word) {
  if (space_.vmalloc.contains(at) || space_.modules.contains(at)) {
    memory_->forget_tables();
    auto mapping = memory_->translate(at);
    VERIFY(mapping.has_value());
    at = space_.linear(mapping->physical);
  }
  ram_.put(at, word);
}

u64 FakeKernel::word(Addr at) const {
  auto word = read_value<u64>(KernelMemory(ram_, space_), at);
  VERIFY(bool(word));
  return *word;
}

void FakeKernel::put(Addr object, std::string_view type, std::string_view path, u64 value) {
  Member member = types_.member(type, path);
  Addr at = object + member.offset_bytes;
  if (member.bit_size != 0) {
    u64 mask = ((u64{1} << member.bit_size) - 1) << member.bit_offset;
    value = (word(at) & ~mask) | (value << member.bit_offset & mask);
    return put_word(at, value);
  }
  u64 kept = member.size_bytes >= 8 ? 0 : ~u64{0} << (member.size_bytes * 8);
  put_word(at, kept == 0 ? value : (word(at) & kept) | (value & ~kept));
}

u64 FakeKernel::value(Addr object, std::string_view type, std::string_view path) const {
  Member member = types_.member(type, path);
  u64 all = word(object + member.offset_bytes);
  u32 bits = member.bit_size != 0 ? member.bit_size : std::min(member.size_bytes, 8U) * 8;
  return bits == 64 ? all : all >> member.bit_offset & ((u64{1} << bits) - 1);
}

void FakeKernel::link(Addr head, std::span<const Addr> nodes) {
  for (std::size_t i = 0; i <= nodes.size(); ++i) {
    Addr from = i == 0 ? head : nodes[i - 1];
    Addr to = i == nodes.size() ? head : nodes[i];
    point(from, to);
    point(to + 8, from);
  }
}

// --- page tables ---

void FakeKernel::map_page(Addr at, u64 physical, u64 page_bytes) {
  put_table_entry(at, physical | (page_bytes == kPageBytes ? kPageFlags : kLargeFlags), page_bytes);
}

void FakeKernel::unmap_page(Addr at) {
  ram_.put(entry_of(at), u64{0});
}

void FakeKernel::put_table_entry(Addr at, u64 entry, u64 page_bytes) {
  Addr table = space_.top_table;
  for (u32 shift = 12 + 9 * (version_.levels - 1);; shift -= 9) {
    Addr place = table + (at.value >> shift & 511) * 8;
    if (u64{1} << shift == page_bytes) return ram_.put(place, entry);
    u64 next = word(place);
    if (next == 0) {
      u64 fresh = next_boot_;
      boot_pages(1);
      next = fresh * kPageBytes | kTableFlags;
      ram_.put(place, next);
    }
    table = space_.linear(next & space_.format.address_mask);
  }
}

Addr FakeKernel::entry_of(Addr at) {
  Addr table = space_.top_table;
  for (u32 shift = 12 + 9 * (version_.levels - 1);; shift -= 9) {
    Addr place = table + (at.value >> shift & 511) * 8;
    u64 entry = word(place);
    if (shift == 12 || (entry & 0x80) != 0 || entry == 0) return place;
    table = space_.linear(entry & space_.format.address_mask);
  }
}

// --- pages ---

void FakeKernel::init_descriptor(u64 frame, u32 refcount) {
  std::vector<std::byte> zeros(types_.size("page"));
  ram_.write(descriptor(frame), zeros);
  ram_.put(member(descriptor(frame), "page", "page_type"), ~u32{0});
  ram_.put(member(descriptor(frame), "page", "_refcount"), refcount);
}

u64 FakeKernel::take_frames(u64 count) {
  u64 alignment = std::bit_ceil(count);
  u64 first = align_up(next_frame_, alignment);
  if (first < kHoleEnd && first + count > kHoleStart) first = align_up(kHoleEnd, alignment);
  VERIFY(first + count <= kFramesEnd);
  next_frame_ = first + count;
  return first;
}

u64 FakeKernel::add_plain_pages(u64 count) {
  u64 first = take_frames(count);
  for (u64 i = 0; i < count; ++i) init_descriptor(first + i, 1);
  return first;
}

void FakeKernel::make_compound(u64 frame, u8 order) {
  set_flag(frame, "PG_head");
  for (u64 i = 1; i < u64{1} << order; ++i) {
    init_descriptor(frame + i, 0);
    put(descriptor(frame + i), "page", "compound_head", tail_mark(frame, order));
  }
  if (version_.is_typed)
    put_word(descriptor(frame) + types_.member("folio", "_flags_1").offset_bytes, 0xff00U | order);
  else
    put(descriptor(frame + 1), "page", "compound_order", order);
}

u64 FakeKernel::tail_mark(u64 head, u8 order) const {
  u64 mask = ~((u64{types_.size("page")} << order) - 1);
  return (version_.is_latest ? mask : descriptor(head).value) | 1;
}

u64 FakeKernel::add_compound(u8 order) {
  u64 frame = take_frames(u64{1} << order);
  init_descriptor(frame, 1);
  make_compound(frame, order);
  return frame;
}

u64 FakeKernel::add_large_kmalloc(u8 order) {
  u64 frame = add_compound(order);
  if (version_.has_kmalloc) {
    set_type(frame, "PGTY_large_kmalloc", 0);
    put(descriptor(frame), "page", "_refcount", 0);
  }
  return frame;
}

u64 FakeKernel::add_user_page() {
  u64 frame = add_plain_pages();
  put(descriptor(frame), "page", "mapping", page(frame).value | 1);  // anonymous; whatever it points to
  set_flag(frame, "PG_lru");
  return frame;
}

u64 FakeKernel::add_free_block(u8 order) {
  u64 frame = take_frames(u64{1} << order);
  set_type(frame, "PGTY_buddy", 0x80);
  put(descriptor(frame), "page", "private", order);
  return frame;
}

void FakeKernel::set_flag(u64 frame, std::string_view flag) {
  u64 flags = value(descriptor(frame), "page", "flags");
  put(descriptor(frame), "page", "flags", flags | u64{1} << types_.enumerator("pageflags", flag));
}

void FakeKernel::set_type(u64 frame, std::string_view new_type, u32 old_bit) {
  u32 type = version_.is_typed ? static_cast<u32>(types_.enumerator("pagetype", new_type)) << 24 : ~old_bit;
  put(descriptor(frame), "page", "page_type", type);
}

// --- slabs ---

void FakeKernel::make_slabs() {
  globals.slub.slab_caches = add_global(16);
  if (version_.barns != FakeBarns::None) {
    globals.slub.node_count = add_global(8);
    put_word(*globals.slub.node_count, 2);
    globals.slub.deferred = percpu_variable(0x380);
  }
  add_cache({.name = "kmem_cache", .object_bytes = types_.size("kmem_cache")});
  area_cache_ = add_cache({.name = "vmap_area", .object_bytes = types_.size("vmap_area")});
  // The free pointer stands in the middle of the object, as since 5.7.
  u32 task_bytes = types_.size("task_struct") + (version_.fpu_follows ? types_.size("fpu") : 0);
  task_cache_ = add_cache({.name = "task_struct", .object_bytes = task_bytes, .free_pointer = 512});
  for (u32 size : {64U, 128U, 256U, 512U, 1024U, 2048U, 4096U}) {
    kmalloc_caches_.push_back(
        add_cache({.name = "kmalloc-" + std::to_string(size), .object_bytes = size, .free_pointer = size / 2}));
  }
}

u32 FakeKernel::no_leak_trace() const {
  return version_.is_typed ? 1U << types_.enumerator("_slab_flag_bits", "_SLAB_NOLEAKTRACE") : 0x80'0000;
}

u32 FakeKernel::add_cache(FakeCache spec) {
  auto number = static_cast<u32>(caches_.size());
  if (spec.size_bytes == 0) spec.size_bytes = static_cast<u32>(align_up(spec.object_bytes, 8));
  spec.random = version_.is_hardened ? kGoldenRatio * (number + 1) : 0;
  if (version_.has_cpu_slab) spec.cpu_slab = add_percpu(types_.size("kmem_cache_cpu"));
  if (spec.sheaf_capacity != 0) make_barns(spec);
  caches_.push_back(spec);
  Addr at = allocate(0);
  caches_[number].address = at;
  if (number == 0) write_slab(*slabs_[0]);  // it holds the description of its own cache
  Addr name = boot_bytes(spec.name.size() + 1);
  ram_.write(name, std::as_bytes(std::span(spec.name.c_str(), spec.name.size() + 1)));
  if (version_.has_cpu_slab) put(at, "kmem_cache", "cpu_slab", spec.cpu_slab);
  put(at, "kmem_cache", "flags", spec.flags);
  put(at, "kmem_cache", "size", spec.size_bytes);
  put(at, "kmem_cache", "object_size", spec.object_bytes);
  put(at, "kmem_cache", "offset", spec.free_pointer);
  put(at, "kmem_cache", "refcount", spec.refcount);
  put(at, "kmem_cache", "red_left_pad", spec.left_pad_bytes);
  put(at, "kmem_cache", "name", name);
  if (version_.is_hardened) put(at, "kmem_cache", "random", spec.random);
  if (version_.barns != FakeBarns::None) put(at, "kmem_cache", "sheaf_capacity", spec.sheaf_capacity);
  if (spec.sheaf_capacity != 0) put(at, "kmem_cache", "cpu_sheaves", spec.cpu_sheaves);
  for (u64 node = 0; node < spec.barns.size(); ++node) {
    if (version_.barns == FakeBarns::PerNode) {
      Addr entry = member(at, "kmem_cache", "per_node") + node * types_.size("kmem_cache_per_node_ptrs");
      put(entry, "kmem_cache_per_node_ptrs", "barn", spec.barns[node]);
    } else {
      Addr of_node = kmalloc(types_.size("kmem_cache_node"));
      put(of_node, "kmem_cache_node", "barn", spec.barns[node]);
      point(member(at, "kmem_cache", "node") + node * 8, of_node);
    }
  }
  std::vector<Addr> nodes;
  for (const FakeCache& cache : caches_) nodes.push_back(member(cache.address, "kmem_cache", "list"));
  link(globals.slub.slab_caches, nodes);
  return number;
}

FakeSlab& FakeKernel::new_slab(u32 number) {
  const FakeCache& cache = caches_[number];
  auto slab = std::make_unique<FakeSlab>();
  slab->cache = number;
  slab->frame = take_frames(u64{1} << cache.order);
  slab->objects = static_cast<u32>(((kPageBytes << cache.order) - cache.left_pad_bytes) / cache.size_bytes);
  init_descriptor(slab->frame, 1);
  if (cache.order != 0) make_compound(slab->frame, cache.order);
  if (version_.is_typed)
    set_type(slab->frame, "PGTY_slab", 0);
  else
    set_flag(slab->frame, "PG_slab");
  // In no particular order, as with CONFIG_SLAB_FREELIST_RANDOM.
  for (u32 slot = 0; slot < slab->objects; slot += 2) slab->free.push_back(slot);
  for (u32 slot = 1; slot < slab->objects; slot += 2) slab->free.push_back(slot);
  slabs_.push_back(std::move(slab));
  return *slabs_.back();
}

Addr FakeKernel::slot_address(const FakeSlab& slab, u32 slot) const {
  const FakeCache& cache = caches_[slab.cache];
  return page(slab.frame) + cache.left_pad_bytes + u64{slot} * cache.size_bytes;
}

u32 FakeKernel::slot_of(const FakeSlab& slab, Addr object) const {
  return static_cast<u32>((object - slot_address(slab, 0)) / caches_[slab.cache].size_bytes);
}

FakeSlab& FakeKernel::slab_of(Addr object) {
  for (auto& slab : slabs_) {
    if (Range{page(slab->frame), kPageBytes << caches_[slab->cache].order}.contains(object)) return *slab;
  }
  bug("no such slab");
}

Addr FakeKernel::allocate(u32 number) {
  auto has_room = [&](const auto& slab) { return slab->cache == number && !(slab->free.empty() && slab->cpu_free.empty()); };
  auto found = std::ranges::find_if(slabs_, has_room);
  FakeSlab& slab = found == slabs_.end() ? new_slab(number) : **found;
  std::vector<u32>& list = slab.cpu_free.empty() ? slab.free : slab.cpu_free;
  Addr object = slot_address(slab, list.front());
  list.erase(list.begin());
  ram_.write(object, std::vector<std::byte>(caches_[number].object_bytes));
  write_slab(slab);
  return object;
}

Addr FakeKernel::kmalloc(u64 size_bytes) {
  for (u32 number : kmalloc_caches_) {
    if (size_bytes <= caches_[number].object_bytes) return allocate(number);
  }
  bug("too large");
}

void FakeKernel::free(Addr object) {
  FakeSlab& slab = slab_of(object);
  slab.free.insert(slab.free.begin(), slot_of(slab, object));
  write_slab(slab);
}

void FakeKernel::free_on_cpu(Addr object) {
  FakeSlab& slab = slab_of(object);
  VERIFY(slab.cpu.has_value());
  slab.cpu_free.insert(slab.cpu_free.begin(), slot_of(slab, object));
  write_slab(slab);
}

void FakeKernel::make_cpu_slab(Addr object, u32 cpu) {
  VERIFY(version_.has_cpu_slab);
  FakeSlab& slab = slab_of(object);
  slab.cpu = cpu;
  slab.cpu_free = std::exchange(slab.free, {});
  write_slab(slab);
}

u64 FakeKernel::encode(const FakeCache& cache, Addr place, Addr next) const {
  return version_.is_hardened ? next.value ^ cache.random ^ __builtin_bswap64(place.value) : next.value;
}

void FakeKernel::write_slab(const FakeSlab& slab) {
  const FakeCache& cache = caches_[slab.cache];
  auto write_list = [&](const std::vector<u32>& list) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      Addr place = slot_address(slab, list[i]) + cache.free_pointer;
      Addr next = i + 1 == list.size() ? Addr{} : slot_address(slab, list[i + 1]);
      ram_.put(place, encode(cache, place, next));
    }
    return list.empty() ? Addr{} : slot_address(slab, list.front());
  };
  Addr at = descriptor(slab.frame);
  put(at, "slab", "slab_cache", cache.address);
  put(at, "slab", "freelist", write_list(slab.free));
  put(at, "slab", "inuse", slab.objects - slab.free.size());
  put(at, "slab", "objects", slab.objects);
  put(at, "slab", "frozen", slab.cpu ? 1 : 0);
  if (!slab.cpu) return;
  Addr state = cache.cpu_slab + cpu_offset(*slab.cpu);
  put(state, "kmem_cache_cpu", "freelist", write_list(slab.cpu_free));
  put(state, "kmem_cache_cpu", "slab", at);
  put(state, "kmem_cache_cpu", "tid", value(state, "kmem_cache_cpu", "tid") + 1);
}

}  // namespace orphan::kernel
