// SPDX-License-Identifier: Apache-2.0
// A tiny kernel that a test writes: types, page tables, page descriptors, slabs, per-CPU chunks, vmalloc areas, tasks and
// modules, laid out in ten megabytes of fake memory as a real one lays them out. For tests only.
//
// Everything is written by the names of members, by this file's own table of types, so that a reader that takes a member
// from the wrong place reads the wrong thing. Memory has the kernel's aliases: the image and the page descriptors are in
// the linear map too.
#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <ostream>

#include "kernel/fake_btf.h"
#include "kernel/look.h"
#include "memory/fake_memory.h"
#include "scan/mark.h"

namespace orphan::kernel {

// RAM at its linear addresses, and windows onto it. Reads can be watched, to change what is read while it is read.
class FakeRam : public Memory {
 public:
  struct Window {
    Range range;
    Addr target;
  };
  void map(Range range) { ram_.map(range); }
  void add_window(Window window) { windows_.push_back(window); }
  template <typename T>
  void put(Addr at, const T& value) {
    ram_.put(resolve(at), value);
  }
  void write(Addr at, Bytes bytes) { ram_.write(resolve(at), bytes); }
  Result<void> read(Addr at, std::span<std::byte> out) const override;

  // Calls act(n) before the n-th read from now on of a byte in `range`, as the reader addresses it.
  void watch(Range range, std::function<void(u64)> act) { watches_.push_back({range, std::move(act), 0}); }
  void unwatch() { watches_.clear(); }
  void fail_read(u64 n) { ram_.fail_read(n); }
  u64 reads() const { return ram_.reads(); }

 private:
  struct Watch {
    Range range;
    std::function<void(u64)> act;
    u64 reads;
  };
  Addr resolve(Addr at) const;

  FakeMemory ram_;
  std::vector<Window> windows_;
  mutable std::vector<Watch> watches_;
};

// What a scan says about the block that holds an address.
enum class Verdict { NoBlock, Free, Held, Leaked };
std::ostream& operator<<(std::ostream& out, Verdict verdict);

struct FakeScan {
  std::unique_ptr<Look> look;
  MarkResult marked;

  Verdict verdict(Addr at) const;
  u32 owner(Addr at) const;  // of the block there
  const Cache& cache(std::string_view name) const;
};

struct FakeCache {
  std::string name;
  u32 object_bytes;
  u32 size_bytes = 0;  // of a slot; 0: that of the object
  u32 free_pointer = 0;
  u32 left_pad_bytes = 0;
  u32 flags = 0;
  u32 refcount = 1;
  u8 order = 0;
  u32 sheaf_capacity = 0;
  // Filled by add_cache.
  Addr address = {};
  Addr cpu_slab = {}, cpu_sheaves = {};
  std::vector<Addr> barns = {};  // of both NUMA nodes
  u64 random = 0;
};

struct FakeSlab {
  u32 cache = 0;
  u64 frame = 0;
  u32 objects = 0;
  std::vector<u32> free, cpu_free;  // slots, in the order of the lists
  std::optional<u32> cpu = {};      // that allocates from it
};

struct FakeArea {
  Addr start;
  u64 pages = 0;
  Addr area, vm;            // its struct vmap_area and vm_struct
  std::vector<u64> frames;  // behind it
};

struct FakeModule {
  Addr module;  // its struct module, in `data`
  Range text, rodata, ro_after_init, data;
};

// Names of the instances of a test that runs on several versions.
inline std::string version_name(const testing::TestParamInfo<FakeVersion>& tested) {
  return tested.param.name;
}

class FakeKernel {
 public:
  static constexpr u64 kMiB = 1 << 20;
  static constexpr Addr kText{0xffff'ffff'8100'0000};
  static constexpr Addr kModules{0xffff'ffff'c000'0000};
  static constexpr u64 kImagePhysical = 1 * kMiB;
  static constexpr u64 kImagePages = 32;
  static constexpr u64 kUnitBytes = 0x1'0000;  // of a CPU's part of a per-CPU chunk
  static constexpr u64 kStaticBytes = 0x4340;  // of static per-CPU variables
  static constexpr u64 kStackPages = 4;
  static constexpr Addr kStackCaller{kText.value + 0x100};
  static constexpr Addr kModuleCaller{kText.value + 0x180};
  static constexpr u64 kOurStack = 0x7ffc'1234'5678;

  explicit FakeKernel(const FakeVersion& version = kLike6_1);
  FakeKernel(const FakeKernel&) = delete;

  const FakeVersion& version() const { return version_; }
  const FakeTypes& types() const { return types_; }
  const Layouts& layouts() const { return layouts_; }
  const KernelMemory& memory() const { return *memory_; }
  FakeRam& ram() { return ram_; }
  Globals globals;
  Self self;
  PlainPages plain_pages = PlainPages::Roots;
  bool scans_stacks = true;
  StackText stack_text{.kernel = {kText, 4 * kPageBytes}, .kthread = std::nullopt};
  std::vector<Range> code_with_constants;

  // --- scanning ---
  Result<FakeScan> try_scan(const LookHooks& hooks = {});
  FakeScan scan();
  Verdict verdict(Addr block) { return scan().verdict(block); }
  Kernel kernel() const;
  Owners& owners() { return owners_; }

  // --- memory ---
  void put(Addr object, std::string_view type, std::string_view path, u64 value);
  void put(Addr object, std::string_view type, std::string_view path, Addr value) { put(object, type, path, value.value); }
  u64 value(Addr object, std::string_view type, std::string_view path) const;
  Addr member(Addr object, std::string_view type, std::string_view path) const {
    return object + types_.member(type, path).offset_bytes;
  }
  // A word at `at` that refers to `to`. Addresses of vmalloc memory are translated.
  void point(Addr at, Addr to) { put_word(at, to.value); }
  void put_word(Addr at, u64 word);
  u64 word(Addr at) const;
  u32 offset(std::string_view type, std::string_view path) const { return types_.member(type, path).offset_bytes; }
  void link(Addr head, std::span<const Addr> nodes);  // a struct list_head through all of them
  Addr add_global(u64 size_bytes);                    // in the image's data
  Addr add_root_to(Addr block);                       // a global that refers to the block

  // --- pages ---
  Addr page(u64 frame) const { return space_.linear(frame * kPageBytes); }
  u64 frame(Addr linear) const { return (linear - space_.linear_map) / kPageBytes; }
  // What the descriptor of a tail page says of its head, in a block of this order.
  u64 tail_mark(u64 head, u8 order) const;
  Addr descriptor(u64 frame) const { return space_.page_descriptors + frame * types_.size("page"); }
  u64 add_plain_pages(u64 count = 1);
  u64 add_compound(u8 order);       // in use, of the kernel's own
  u64 add_large_kmalloc(u8 order);  // as this version marks it
  u64 add_user_page();              // anonymous memory
  u64 add_free_block(u8 order);     // in the buddy allocator
  void set_flag(u64 frame, std::string_view flag);
  void set_type(u64 frame, std::string_view new_type, u32 old_bit);
  void map_page(Addr at, u64 physical, u64 page_bytes = kPageBytes);
  void unmap_page(Addr at);
  Addr entry_of(Addr at);  // the lowest entry of the page tables for `at`

  // --- slabs ---
  u32 no_leak_trace() const;  // the flag of a cache
  u32 add_cache(FakeCache spec);
  const FakeCache& cache(u32 number) const { return caches_[number]; }
  Addr allocate(u32 cache);  // zeroed
  Addr kmalloc(u64 size_bytes);
  void free(Addr object);  // onto its slab's freelist
  FakeSlab& slab_of(Addr object);
  Addr slab_descriptor(Addr object) { return descriptor(slab_of(object).frame); }
  // A CPU takes the slab and all that is free on it.
  void make_cpu_slab(Addr object, u32 cpu);
  void free_on_cpu(Addr object);
  void write_slab(const FakeSlab& slab);
  u64 encode(const FakeCache& cache, Addr place, Addr next) const;
  Addr cpu_state(u32 cache, u32 cpu) const { return caches_[cache].cpu_slab + cpu_offset(cpu); }

  // --- sheaves ---
  // A sheaf of the cache, held by nobody yet; the first `size` of the objects count.
  Addr add_sheaf(u32 cache, std::span<const Addr> objects, u32 size);
  Addr add_sheaf(u32 cache, std::span<const Addr> objects) { return add_sheaf(cache, objects, static_cast<u32>(objects.size())); }
  Addr sheaf_slot(Addr sheaf, u32 slot) const { return member(sheaf, "slab_sheaf", "objects") + u64{slot} * 8; }
  // `place` is main, spare or rcu_free.
  void give_sheaf(u32 cache, u32 cpu, std::string_view place, Addr sheaf);
  // `list` is sheaves_full or sheaves_empty.
  void put_in_barn(u32 cache, u32 node, std::string_view list, std::span<const Addr> sheaves);
  void defer_frees(u32 cpu, std::span<const Addr> objects);  // of any caches, all of them

  // --- per-CPU ---
  static constexpr u32 kCpus = 2;  // possible ones, not next to each other in the kernel's tables
  u64 cpu_offset(u32 cpu) const { return cpu_offsets_[cpu]; }
  Addr percpu_variable(u64 offset) const { return Addr{version_.percpu_start} + offset; }  // a static one's cookie
  Addr add_percpu(u64 size_bytes);                                                         // in the first chunk
  Addr add_percpu_far(u64 size_bytes);                                                     // in a chunk of vmalloc memory
  Addr add_percpu_reserved(u64 size_bytes);
  Addr first_chunk() const { return chunks_[0].chunk; }
  Addr far_chunk() const { return chunks_[2].chunk; }

  // --- vmalloc, tasks, modules ---
  FakeArea add_area(u64 pages, Addr caller = kText + 0x40, u64 vm_flags = 2);
  FakeArea add_area_at(Addr start, u64 pages, Addr caller, u64 vm_flags);
  void remove_area(const FakeArea& area);  // from the kernel's lists; its memory stays mapped
  Addr add_task(u32 pid);                  // off the CPU, its stack pointer half way up
  Addr add_thread(Addr leader, u32 pid);
  void exit_task(Addr task);  // off the list, its links poisoned
  Addr stack_of(Addr task) const { return Addr{value(task, "task_struct", "stack")}; }
  FakeArea stack_area_of(Addr task) const;
  // The task is this very process; its open file keeps `buffer`, which is what is given back.
  Addr make_ours(Addr task);
  FakeModule add_module(std::string_view name);
  Addr init_task() const { return globals.tasks.init_task; }

 private:
  struct Chunk {
    Addr chunk, base, first_cookie, alloc_map, bound_map;
    u64 begin, end, used;  // bytes from base
  };

  void make_memory();
  void make_image();
  void make_slabs();
  void make_percpu();
  void make_tasks();
  void make_lists();
  Addr boot_pages(u64 count);
  Addr boot_bytes(u64 size_bytes);
  u64 take_frames(u64 count);
  void init_descriptor(u64 frame, u32 refcount);
  void make_compound(u64 frame, u8 order);
  void make_barns(FakeCache& cache);
  void put_table_entry(Addr at, u64 entry, u64 page_bytes);
  FakeSlab& new_slab(u32 cache);
  Addr slot_address(const FakeSlab& slab, u32 slot) const;
  u32 slot_of(const FakeSlab& slab, Addr object) const;
  Addr take_percpu(Chunk& chunk, u64 size_bytes);
  Chunk& add_chunk(Addr base, u64 begin, u64 end, u64 pages);
  void relink_areas();
  void relink_tasks();

  FakeVersion version_;
  FakeTypes types_;
  Layouts layouts_;
  FakeRam ram_;
  AddressSpace space_;
  std::optional<CachingMemory> cache_memory_;
  std::optional<KernelMemory> memory_;
  Owners owners_;
  u64 next_boot_ = 1, next_frame_ = 512;  // page frames
  Addr next_boot_byte_, next_global_, next_root_, next_area_;
  std::vector<FakeCache> caches_;
  std::vector<std::unique_ptr<FakeSlab>> slabs_;
  std::vector<u32> kmalloc_caches_;
  u32 area_cache_ = 0, task_cache_ = 0;
  std::array<u64, kCpus> cpu_offsets_{};
  std::vector<Chunk> chunks_;  // first, reserved, far
  std::vector<FakeArea> areas_;
  std::vector<Addr> tasks_, modules_;
  std::vector<std::pair<Addr, Addr>> threads_;  // leader, thread
};

}  // namespace orphan::kernel
