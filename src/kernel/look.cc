// SPDX-License-Identifier: Apache-2.0
// The order matters on a kernel that runs: the page map first, the slabs' freelists right after it, and the memory that
// holds references last (mark() reads it). What was allocated in between is not known and not judged.
#include "kernel/look.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_set>

#include "kernel/code_constants.h"
#include "kernel/cpu_free_pages.h"
#include "kernel/page_blocks.h"
#include "kernel/prologue.h"
#include "kernel/rcu_pages.h"
#include "kernel/sheaves.h"

namespace orphan::kernel {
namespace {

constexpr u64 kImageBytes = u64{1} << 30;  // KERNEL_IMAGE_SIZE: it is not larger
constexpr u64 kCachedStacksPerCpu = 2;     // NR_CACHED_STACKS, since v4.9 (ac496bf48d97)

class Builder {
 public:
  Builder(const Kernel& kernel, Owners& owners, const LookHooks& hooks)
      : kernel_(kernel),
        memory_(kernel.memory),
        space_(kernel.memory.space()),
        owners_(owners),
        hooks_(hooks),
        look_(std::make_unique<Look>(kernel.layouts, kernel.memory.space())),
        snapshot_(look_->snapshot) {}

  Result<std::unique_ptr<Look>> run() {
    kernel_.cache.clear();
    memory_.forget_tables();
    step("reading the memory map");
    auto noted = kernel_.notes_places ? WordPlaces::Noted : WordPlaces::Unknown;
    look_->pages =
        TRY(read_page_map(memory_, kernel_.layouts.page, kernel_.layouts.slab, hooks_.keep_going, {noted, kernel_.plain_pages}));
    step("reading the slabs");
    look_->percpu = TRY(read_percpu(memory_, kernel_.layouts.percpu, kernel_.globals.percpu));
    add_tails_of_blocks();
    look_->slub = TRY(read_caches(memory_, kernel_.layouts, kernel_.globals.slub));
    take_kfence_pages();
    add_slabs({memory_, kernel_.cache, kernel_.layouts, look_->pages, look_->percpu}, look_->slub, owners_, snapshot_);
    if (hooks_.keep_going && !hooks_.keep_going()) return Error(ErrorCode::Interrupted, "reading the slabs");
    step("reading vmalloc, per-CPU areas and tasks");
    TRY(read_lists());
    claim_pages();
    add_compounds();
    add_kfence();
    add_vmalloc();
    add_percpu();
    cut_rcu_records();
    add_page_roots();
    add_code_constants();
    add_static_percpu_roots();
    add_module_roots();
    add_stack_roots();
    make_index();
    apply_rules();
    note_gaps();
    look_->tasks = std::move(tasks_.tasks);
    look_->stack_bytes = stack_bytes_;
    return std::move(look_);
  }

 private:
  void step(std::string_view what) const {
    if (hooks_.progress) hooks_.progress(what);
  }

  bool pages_are_blocks() const { return kernel_.plain_pages == PlainPages::Blocks; }

  void add_tails_of_blocks() {
    PageMap& pages = look_->pages;
    const Globals& g = kernel_.globals;
    if (kernel_.layouts.zone) {
      ZoneSymbols zones{g.nodes, g.node_count, g.only_node};
      for (CompoundPage free :
           cpu_free_pages(memory_, kernel_.layouts.page, *kernel_.layouts.zone, zones, look_->percpu.offsets)) {
        pages.unused.clear_range(free.frame, u64{1} << free.order);
      }
    }
    if (pages_are_blocks()) {
      tails_.first_frame = pages.plain.first_frame;
      tails_.bits.resize(pages.plain.bits.size());
    }
    add_tails(pages, pages_are_blocks() ? &tails_ : nullptr);
    pages.unused = FrameBits();
    drop_false_tails();
  }

  // What was just being freed or handed out looks like a later page of the block in front, too. As a root that does not matter;
  // but the page in front would be another block in each pass. Later pages have no references, and are on no list, now as before.
  void drop_false_tails() {
    const PageLayout& layout = kernel_.layouts.page;
    std::vector<std::byte> descriptor(layout.size_bytes);
    tails_.bits.for_each(0, tails_.bits.size(), [&](u64 bit) {
      Addr at = space_.page_descriptors + (tails_.first_frame + bit) * layout.size_bytes;
      if (!memory_.read(at, descriptor)) return;
      Addr next{load_unchecked<u64>(descriptor.data() + layout.lru)};
      bool is_listed = next != at + layout.lru && (space_.linear_span().contains(next) || page_descriptors().contains(next));
      if (is_listed || load_unchecked<u32>(descriptor.data() + layout.refcount) != 0) tails_.bits.clear(bit);
    });
  }

  Range page_descriptors() const {
    Range linear = space_.linear_span();
    u64 bytes = kernel_.layouts.page.size_bytes;
    return {space_.page_descriptors + frame_of(linear.start) * bytes, linear.size_bytes / kPageBytes * bytes};
  }

  // KFENCE's pages look like slabs and are none; there is nothing in its pool but its objects.
  void take_kfence_pages() {
    kfence_ = read_kfence(memory_, kernel_.layouts.origins.kfence, kernel_.globals.kfence);
    look_->gaps.kfence_incomplete = !kfence_.is_whole;
    if (kfence_.count == 0) return;
    u64 first = frame_of(kfence_.pool.start), pages = kfence_.pool.size_bytes / kPageBytes;
    std::erase_if(look_->pages.slabs, [&](const SlabPage& page) { return page.frame - first < pages; });
    look_->pages.plain.clear_range(first, pages);
    look_->pages.reserved.clear_range(first, pages);
  }

  Result<void> read_lists() {
    vmalloc_ = TRY(read_vmalloc(memory_, kernel_.layouts.vmalloc, kernel_.globals.vmalloc));
    tasks_ = TRY(read_tasks(memory_, kernel_.layouts.task, kernel_.globals.tasks, look_->percpu.offsets, kernel_.self));
    Modules modules = TRY(read_modules(memory_, kernel_.layouts.module, kernel_.globals.modules));
    look_->gaps.modules_incomplete = !modules.is_complete;
    look_->modules = std::move(modules.modules);
    for (const Task& task : tasks_.tasks) stacks_.insert(task.stack.value);
    for (std::optional<Addr> variable : {kernel_.globals.kthreadd_task, kernel_.globals.watchdog_task}) {
      auto task = variable ? read_value<u64>(memory_, *variable) : Result<u64>(u64{0});
      if (task) dead_stack_tasks_.insert(*task);
    }
    for (const VmallocArea& area : vmalloc_.areas) {
      if (!stacks_.contains(area.start.value)) continue;
      stack_callers_.insert(area.caller.value);
      stack_bytes_ = area.size_bytes;
    }
    return {};
  }

  u64 frame_of(Addr linear) const { return (linear - space_.linear_map) / kPageBytes; }
  u64 physical_of_image(Addr at) const { return kernel_.image_physical + (at - kernel_.image.start); }

  // Calls f(frame, count) for each run of pages that the page tables map in the range.
  template <typename F>
  void for_each_frame(Range range, F&& f) const {
    for (Addr at = range.start; at < range.end();) {
      auto mapping = memory_.translate(at);
      u64 size = std::min(mapping ? mapping->size_bytes : memory_.hole_bytes(at), range.end() - at);
      if (mapping) f(mapping->physical / kPageBytes, (size + kPageBytes - 1) / kPageBytes);
      at += size;
    }
  }

  // Pages that belong to something we know are no plain kernel pages, nor compound blocks of their own.
  void claim_pages() {
    auto claim = [&](u64 frame, u64 count) {
      look_->pages.plain.clear_range(frame, count);
      look_->pages.reserved.clear_range(frame, count);
      for (u64 i = 0; i < count; ++i) claimed_.insert(frame + i);
    };
    for (const VmallocArea& area : vmalloc_.areas) {
      if (area.is_allocated) for_each_frame({area.start, area.reserved_bytes}, claim);
    }
    for (const PerCpuChunk& chunk : look_->percpu.chunks) {
      for (u64 offset : look_->percpu.offsets) for_each_frame({chunk.first_cookie + offset, chunk.size_bytes}, claim);
    }
    auto clear = [&](u64 frame, u64 count) {
      look_->pages.plain.clear_range(frame, count);
      look_->pages.reserved.clear_range(frame, count);
    };
    for (u64 offset : look_->percpu.offsets) {
      Range unit = first_unit_pages(offset);
      clear(frame_of(unit.start), unit.size_bytes / kPageBytes);
    }
    for (Range ram : space_.ram) {
      Range descriptors{space_.page_descriptors + frame_of(ram.start) * kernel_.layouts.page.size_bytes,
                        ram.size_bytes / kPageBytes * kernel_.layouts.page.size_bytes};
      for_each_frame(descriptors, clear);
    }
    clear_image(clear);
  }

  // Code and constants hold no pointers to blocks, but for what becomes constant only after init.
  template <typename F>
  void clear_image(F&& clear) const {
    const Globals& g = kernel_.globals;
    auto clear_between = [&](Addr from, Addr to) {
      u64 first = align_up(physical_of_image(from), kPageBytes) / kPageBytes;
      u64 last = physical_of_image(to) / kPageBytes;
      if (first < last) clear(first, last - first);
    };
    clear_between(g.text, g.text_end);
    if (g.ro_after_init && g.ro_after_init_end) {
      clear_between(g.rodata, *g.ro_after_init);
      clear_between(*g.ro_after_init_end, g.rodata_end);
    }
    if (init_stack_bytes() != 0) clear_between(*g.init_stack, *g.init_stack + init_stack_bytes());
  }

  u64 init_stack_bytes() const { return kernel_.globals.init_stack ? stack_bytes_ : 0; }

  // The pages of a CPU's unit of the area that was set up at boot.
  Range first_unit_pages(u64 cpu_offset) const {
    Addr start{align_down((look_->percpu.first_unit.start + cpu_offset).value, kPageBytes)};
    return {start, align_up(look_->percpu.first_unit.size_bytes, kPageBytes)};
  }

  u32 shape(u64 size_bytes, u32 owner) {
    auto [found, is_new] = shapes_.try_emplace({size_bytes, owner}, 0);
    if (is_new) found->second = snapshot_.add_shape(size_bytes, size_bytes, owner);
    return found->second;
  }

  u32 add_block(Addr start, u64 size_bytes, u32 owner, u8 flags) {
    u32 index = snapshot_.add_span(start, 1, shape(size_bytes, owner), flags);
    snapshot_.live.set(snapshot_.spans[index].first_slot);
    return index;
  }

  void add_compounds() {
    for (const CompoundPage& page : look_->pages.compounds) {
      if (page.order == 0 || claimed_.contains(page.frame)) continue;
      add_block(space_.linear(page.frame * kPageBytes), kPageBytes << page.order, owners_.large_kmalloc(), span_flag::kByPage);
    }
    std::vector<CompoundPage>().swap(look_->pages.compounds);
    std::vector<SlabPage>().swap(look_->pages.slabs);
    claimed_.clear();
  }

  // A CPU's sheaf takes objects of KFENCE, too, when they are freed: KFENCE is not told before the sheaf is emptied.
  std::unordered_set<u64> objects_in_sheaves() const {
    std::unordered_set<u64> held;
    if (!kernel_.layouts.sheaves || kfence_.objects.empty()) return held;
    std::vector<u32> caches;
    for (u32 number = 0; number < look_->slub.caches.size(); ++number) caches.push_back(number);
    Sheaves sheaves = read_sheaves(memory_, kernel_.layouts, look_->slub, caches, look_->percpu.offsets);
    for (const FreeObject& free : sheaves.objects) held.insert(free.object.value);
    return held;
  }

  // KFENCE's array holds the address of each object: that is no reference. Nor is what is left of a callback of RCU: it points to
  // the callback that was queued behind it, whose memory has been given back long ago.
  void add_kfence() {
    if (kfence_.count == 0) return;
    std::unordered_set<u64> free = objects_in_sheaves();
    for (const KfenceObject& object : kfence_.objects) {
      if (free.contains(object.address.value)) continue;
      auto known = look_->slub.by_address.find(object.cache.value);
      if (known == look_->slub.by_address.end()) {
        snapshot_.roots.push_back({{object.address, object.size_bytes}, RootKind::KernelPages});
        continue;
      }
      const Cache& cache = look_->slub.caches[known->second];
      u8 flags = cache.is_untracked ? span_flag::kRoot | span_flag::kNoScan : 0;
      add_block(object.address, object.size_bytes, owners_.owner_of(cache), flags);
    }
    const KfenceLayout& layout = *kernel_.layouts.origins.kfence;
    for (u64 i = 0; i < kfence_.count; ++i) {
      std::array<std::optional<u32>, 2> members{layout.rcu_head, layout.address};
      std::ranges::sort(members);
      for (std::optional<u32> member : members) {
        if (member) ignore_word(kfence_.entries + i * layout.entry_bytes + *member);
      }
    }
  }
  // Ascending. What stands in the image is read in the linear map.
  void ignore_word(Addr at) {
    bool is_in_image = at - kernel_.image.start < kImageBytes;
    snapshot_.ignored_words.push_back(is_in_image ? space_.linear(physical_of_image(at)) : at);
  }

  bool is_module_memory(Addr at) const {
    return std::ranges::any_of(look_->modules, [&](const Module& module) {
      return std::ranges::any_of(module.memory, [&](Range range) { return range.start == at; });
    });
  }

  void add_vmalloc() {
    for (VmallocArea& area : vmalloc_.areas) {
      if (area.size_bytes == 0 || is_module_memory(area.start)) continue;
      bool is_stack = stack_callers_.contains(area.caller.value);
      u8 flags = is_stack ? span_flag::kNoScan : 0;
      area_spans_.emplace_back(area.vm, add_block(area.start, area.size_bytes, owners_.vmalloc(area.caller), flags));
      if (is_stack && !stacks_.contains(area.start.value)) add_dead_stack(area);
    }
  }

  // The stack of a task that is gone waits for RCU on a list that leads through its first words, unless a CPU keeps it for
  // the next fork.
  void add_dead_stack(const VmallocArea& area) {
    if (kernel_.layouts.vmalloc.stack_header_bytes == 0 || is_cached_stack(area.vm)) return;
    snapshot_.roots.push_back({{area.start, kernel_.layouts.vmalloc.stack_header_bytes}, RootKind::Stacks});
  }

  bool is_cached_stack(Addr vm) const {
    if (!kernel_.globals.cached_stacks) return false;
    for (u64 offset : look_->percpu.offsets) {
      for (u64 i = 0; i < kCachedStacksPerCpu; ++i) {
        auto cached = read_value<u64>(memory_, *kernel_.globals.cached_stacks + offset + i * 8);
        if (cached && *cached == vm.value) return true;
      }
    }
    return false;
  }

  void add_percpu() {
    std::unordered_set<u64> cpu_slabs;
    for (const Cache& cache : look_->slub.caches) cpu_slabs.insert(cache.cpu_slab.value);
    for (const PerCpuArea& area : look_->percpu.areas) {
      u8 flags = span_flag::kReplicated;
      if (cpu_slabs.contains(area.cookie.value)) flags |= span_flag::kNoScan;
      add_block(area.cookie, area.size_bytes, owners_.percpu(), flags);
    }
    for (u64 offset : look_->percpu.offsets) {
      snapshot_.copy_offsets.push_back(offset);
      const Range& unit = look_->percpu.first_unit;
      add_alias(unit.start + offset, unit.size_bytes, unit.start);
      for (const PerCpuChunk& chunk : look_->percpu.chunks) {
        add_alias(chunk.first_cookie + offset, chunk.size_bytes, chunk.first_cookie);
      }
    }
  }
  // Copies stand in RAM or in vmalloc space; one elsewhere comes from a damaged chunk or offset.
  void add_alias(Addr start, u64 size_bytes, Addr target) {
    bool is_known = space_.linear_span().contains(start) || space_.vmalloc.contains(start);
    if (is_known && size_bytes != 0) snapshot_.add_alias(start, size_bytes, target);
  }

  // Takes the pages that kfree_rcu() uses out of the plain ones and puts back their live parts.
  void cut_rcu_records() {
    if (!kernel_.layouts.rcu_pages || !kernel_.globals.krc) return;
    for (Range dead : dead_rcu_records(memory_, *kernel_.layouts.rcu_pages, *kernel_.globals.krc, look_->percpu.offsets)) {
      u64 frame = frame_of(dead.start);
      if (!look_->pages.plain.test(frame)) continue;
      look_->pages.plain.clear_range(frame, 1);
      Addr page{align_down(dead.start.value, kPageBytes)};
      if (dead.start != page) snapshot_.roots.push_back({{page, dead.start - page}, RootKind::KernelPages});
    }
  }

  void add_code_constants() {
    for (Range code : kernel_.code_with_constants) {
      std::vector<std::byte> bytes(code.size_bytes);
      Addr at = space_.linear(physical_of_image(code.start));
      if (!memory_.read(at, bytes)) continue;
      for (const CodeConstant& constant : code_constants(bytes)) {
        snapshot_.root_words.push_back(constant.value);
        if (kernel_.notes_places) snapshot_.root_word_places.push_back(at + constant.offset);
      }
    }
  }

  void add_page_roots() {
    if (pages_are_blocks()) add_page_blocks();
    add_runs(look_->pages.plain, RootKind::KernelPages);
    add_runs(look_->pages.reserved, RootKind::Image);
    for (const Root& root : look_->slub.foreign) snapshot_.roots.push_back(root);
    snapshot_.root_words.insert(snapshot_.root_words.end(), look_->pages.words.begin(), look_->pages.words.end());
    std::vector<u64>().swap(look_->pages.words);
    auto& places = look_->pages.word_places;
    snapshot_.root_word_places.insert(snapshot_.root_word_places.end(), places.begin(), places.end());
    std::vector<Addr>().swap(places);
  }

  // Of the plain pages those that are nobody's as far as one can see become blocks. What stays a root is mapped or is a page
  // table.
  void add_page_blocks() {
    PageHolders holders{.memory = memory_, .layouts = kernel_.layouts, .globals = kernel_.globals, .tasks = tasks_.tasks};
    std::vector<CompoundPage> blocks = take_page_blocks(holders, look_->pages.plain, tails_);
    for (CompoundPage block : blocks) {
      add_block(space_.linear(block.frame * kPageBytes), kPageBytes << block.order, owners_.pages(), span_flag::kByPage);
    }
    tails_ = FrameBits();
  }

  void add_runs(const FrameBits& frames, RootKind kind) {
    const BitVector& bits = frames.bits;
    for (u64 first = bits.find_from(0); first < bits.size();) {
      u64 end = first + 1;
      while (end < bits.size() && bits.test(end)) ++end;
      snapshot_.roots.push_back({{space_.linear((frames.first_frame + first) * kPageBytes), (end - first) * kPageBytes}, kind});
      first = bits.find_from(end);
    }
  }

  void add_static_percpu_roots() {
    for (u64 offset : look_->percpu.offsets) {
      Range left = look_->percpu.static_cookies;
      for (Range hole : static_percpu_exceptions(memory_, kernel_.layouts, kernel_.globals, offset)) {
        if (!left.contains(hole)) continue;
        add_percpu_root(offset, {left.start, hole.start - left.start});
        left = {hole.end(), left.end() - hole.end()};
      }
      add_percpu_root(offset, left);
    }
  }
  void add_percpu_root(u64 offset, Range cookies) {
    if (cookies.size_bytes != 0)
      snapshot_.roots.push_back({{cookies.start + offset, cookies.size_bytes}, RootKind::PerCpuStatic});
  }

  void add_module_roots() {
    for (const Module& module : look_->modules) {
      for (Range range : module.data) snapshot_.roots.push_back({range, RootKind::Modules});
    }
  }

  void add_stack_roots() {
    if (!kernel_.scans_stacks) return;
    std::map<u64, u64> sizes;
    for (const VmallocArea& area : vmalloc_.areas) sizes.emplace(area.start.value, area.size_bytes);
    if (init_stack_bytes() != 0) sizes.emplace(kernel_.globals.init_stack->value, init_stack_bytes());
    for (const Task& task : tasks_.tasks) {
      auto size = sizes.find(task.stack.value);
      if (task.is_ours || size == sizes.end() || size->second == 0) continue;
      Range stack{task.stack, size->second};
      if (task.is_running || !stack.contains(task.saved_sp))
        snapshot_.roots.push_back({stack, RootKind::Stacks});
      else
        add_sleeping({task.saved_sp, stack.end() - task.saved_sp}, task);
    }
  }

  void add_sleeping(Range frames, const Task& task) {
    if (dead_stack_tasks_.contains(task.task.value)) return;
    std::vector<std::byte> bytes(frames.size_bytes);
    if (!memory_.read(frames.start, bytes)) {
      snapshot_.roots.push_back({frames, RootKind::Stacks});  // mark() reads what is left of it, and counts the rest
      return;
    }
    StackText text = kernel_.stack_text;
    if (task.is_kernel_thread)
      text.saved_registers = registers_saved_by(task);
    else
      text.kthread.reset();
    StackRoots roots;
    add_sleeping_stack(frames.start, bytes, kernel_.layouts.switch_frame_bytes.value_or(0), text, roots);
    for (Range range : roots.ranges) snapshot_.roots.push_back({range, RootKind::Stacks});
    for (const StackRoots::Word& word : roots.words) {
      snapshot_.root_words.push_back(word.value);
      if (kernel_.notes_places) snapshot_.root_word_places.push_back(word.at);
    }
  }

  // By the function that a kernel thread runs.
  unsigned registers_saved_by(const Task& task) {
    constexpr u64 kPrologueBytes = 64;
    const MaybeOffset& threadfn = kernel_.layouts.task.threadfn;
    if (!task.kthread || !threadfn) return 0;
    auto function = read_value<u64>(memory_, task.kthread + *threadfn);
    if (!function || !is_code(Addr{*function})) return 0;
    auto [known, is_new] = saved_registers_.try_emplace(*function, 0);
    std::array<std::byte, kPrologueBytes> code;
    if (is_new && memory_.read(Addr{*function}, code)) known->second = saved_registers(code);
    return known->second;
  }
  bool is_code(Addr at) const { return kernel_.stack_text.kernel.contains(at) || space_.modules.contains(at); }

  void make_index() {
    std::vector<SortedWindow> windows{{space_.vmalloc, false}, {space_.modules, false}, {look_->percpu.first_unit, true}};
    for (const PerCpuChunk& chunk : look_->percpu.chunks) windows.push_back({{chunk.first_cookie, chunk.size_bytes}, false});
    Range linear = space_.linear_span();
    snapshot_.page_descriptors = {page_descriptors(), kernel_.layouts.page.size_bytes, linear.start};
    look_->index = std::make_unique<BlockIndex>(snapshot_, linear, windows, std::pmr::get_default_resource());
  }

  void flag(u32 span, u8 flags) { snapshot_.spans[span].flags = (snapshot_.spans[span].flags | flags) & 0xff; }

  // Of all blocks of the object's cache: those that KFENCE has are of other shapes.
  void flag_shapes_of(Addr object, Rule rule) {
    auto block = look_->index->find(object.value);
    if (!block) return;
    u32 owner = snapshot_.shapes[snapshot_.spans[block->span].shape].owner;
    if (!flagged_owners_.emplace(owner, rule).second) return;
    for (u32 i = 0; i < snapshot_.shapes.size(); ++i) {
      if (snapshot_.shapes[i].owner != owner) continue;
      look_->filter.set_shape(i, rule);
      filtered_shapes_.insert(i);
    }
  }

  // The cache of xarray nodes has a constructor, so it is never merged.
  void flag_xarray_nodes() {
    if (!kernel_.layouts.xarray) return;
    for (u32 i = 0; i < snapshot_.shapes.size(); ++i) {
      const Shape& shape = snapshot_.shapes[i];
      if (shape.owner >= owners_.size() || owners_[shape.owner].name != "radix_tree_node") continue;
      if (shape.object_bytes < kernel_.layouts.xarray->node_bytes) continue;
      look_->filter.set_shape(i, Rule::XarrayNumbers);
      filtered_shapes_.insert(i);
    }
  }

  void add_dead_block(Addr at) {
    if (auto block = look_->index->find(at.value)) flag(block->span, span_flag::kFiltered);
    look_->filter.add_dead_block(at);
  }

  // Sheaves are kmallocs. Those on lists are known; for others, all kmallocs that may be one are looked at.
  void flag_sheaves() {
    if (!kernel_.layouts.sheaves) return;
    for (Addr sheaf : look_->slub.sheaves) {
      if (auto block = look_->index->find(sheaf.value)) flag(block->span, span_flag::kFiltered);
      look_->filter.add_sheaf(sheaf);
    }
    for (const Cache& cache : look_->slub.caches) {
      if (cache.sheaf_capacity != 0) look_->filter.add_sheaf_cache(cache.address);
    }
    for (u32 i = 0; i < snapshot_.shapes.size(); ++i) {
      const Shape& shape = snapshot_.shapes[i];
      if (shape.owner >= owners_.size() || !owners_[shape.owner].name.starts_with("kmalloc-")) continue;
      look_->filter.set_shape(i, Rule::SheafSlots);
      filtered_shapes_.insert(i);
    }
  }

  // Tells the filter which blocks its rules are about.
  void apply_rules() {
    for (const VmallocArea& area : vmalloc_.areas) {
      flag_shapes_of(area.area, Rule::VmapAreaBounds);
      if (auto block = look_->index->find(area.vm.value)) {
        flag(block->span, span_flag::kFiltered | span_flag::kForwards);
        look_->filter.add_vm_struct(area.vm);
        snapshot_.root_blocks.push_back(*block);
      }
    }
    for (auto [vm, span] : area_spans_) {
      auto block = look_->index->find(vm.value);
      if (block) snapshot_.forwards.push_back({block->slot, {span, snapshot_.spans[span].first_slot}});
    }
    std::ranges::sort(snapshot_.forwards, {}, &Forward::from);
    for (const Task& task : tasks_.tasks) flag_shapes_of(task.task, Rule::TaskState);
    flag_xarray_nodes();
    for (const Cache& cache : look_->slub.caches) {
      if (auto block = look_->index->find(cache.address.value)) flag(block->span, span_flag::kFiltered);
      look_->filter.add_cache(cache.address);
    }
    for (const PerCpuChunk& chunk : look_->percpu.chunks) {
      if (auto block = look_->index->find(chunk.chunk.value)) flag(block->span, span_flag::kFiltered);
      look_->filter.add_percpu_chunk(chunk.chunk);
    }
    flag_sheaves();
    for (Addr buffer : tasks_.bounce_buffers) add_dead_block(buffer);
    for (u64 offset : look_->percpu.offsets) {
      for (Addr skb : cached_skbs(memory_, kernel_.layouts, kernel_.globals, offset)) add_dead_block(skb);
    }
    for (u32 i = 0; i < snapshot_.spans.size(); ++i) {
      if (filtered_shapes_.contains(snapshot_.spans[i].shape)) flag(i, span_flag::kFiltered);
    }
    look_->filter.sort();
    snapshot_.filter = &look_->filter;
    // The image is read where the linear map has it.
    for (Addr variable : stale_variables(kernel_.globals)) {
      snapshot_.ignored_words.push_back(space_.linear(physical_of_image(variable)));
    }
    std::ranges::sort(snapshot_.ignored_words);
  }

  // Bytes of the range in KFENCE's pool, where it is on purpose that pages are not mapped.
  u64 kfence_bytes(Range range) const {
    Addr start = std::max(range.start, kfence_.pool.start), end = std::min(range.end(), kfence_.pool.end());
    return start < end ? end - start : 0;
  }

  void note_gaps() {
    LookGaps& gaps = look_->gaps;
    gaps.unread_descriptors = look_->pages.unread_descriptors;
    gaps.unread_chunks = look_->percpu.unread_chunks;
    gaps.unread_sheaves = look_->slub.unread_sheaves;
    gaps.broken_area_lists = vmalloc_.broken_lists;
    gaps.tasks_incomplete = !tasks_.is_complete;
    for (Range ram : space_.ram) {
      for (Addr at = ram.start; at < ram.end();) {
        auto mapping = memory_.translate(at);
        u64 size = std::min(mapping ? mapping->size_bytes : memory_.hole_bytes(at), ram.end() - at);
        if (!mapping) gaps.unmapped_linear_bytes += size - kfence_bytes({at, size});
        at += size;
      }
    }
  }

  const Kernel& kernel_;
  const KernelMemory& memory_;
  const AddressSpace& space_;
  Owners& owners_;
  const LookHooks& hooks_;
  std::unique_ptr<Look> look_;
  Snapshot& snapshot_;
  Vmalloc vmalloc_;
  Tasks tasks_;
  Kfence kfence_;
  FrameBits tails_;                                    // of plain pages: not the first of their blocks
  std::unordered_map<u64, unsigned> saved_registers_;  // of functions that kernel threads run, by address
  std::unordered_set<u64> dead_stack_tasks_;           // kernel threads whose stacks hold nothing
  std::unordered_set<u64> stacks_;                     // lowest addresses of live tasks' stacks
  std::unordered_set<u64> stack_callers_;              // who allocates stacks
  u64 stack_bytes_ = 0;                                // of one; all are equal
  std::unordered_set<u64> claimed_;                    // frames behind vmalloc and per-CPU memory
  std::vector<std::pair<Addr, u32>> area_spans_;       // vm_struct, span of its area
  std::map<std::pair<u64, u32>, u32> shapes_;          // by size and owner
  std::unordered_set<u32> filtered_shapes_;
  std::set<std::pair<u32, Rule>> flagged_owners_;
};

}  // namespace

Result<std::unique_ptr<Look>> take_look(const Kernel& kernel, Owners& owners, const LookHooks& hooks) {
  return Builder(kernel, owners, hooks).run();
}

}  // namespace orphan::kernel
