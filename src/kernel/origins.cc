// SPDX-License-Identifier: Apache-2.0
#include "kernel/origins.h"

#include "kernel/slab_pages.h"

namespace orphan::kernel {
namespace {

constexpr u64 kWrap = u64{1} << 32;  // the clock begins so many seconds before 32 bits are full (INITIAL_JIFFIES)
constexpr u64 kWrapSeconds = 300;
constexpr u64 kNanoseconds = 1'000'000'000;
constexpr u32 kMostShift = 31;
constexpr u64 kMostFrames = 64;  // KFENCE_STACK_DEPTH
constexpr u32 kMostCacheBytes = 1 << 22;

}  // namespace

Origins::Origins(const Kernel& kernel, std::span<const Task> tasks)
    : kernel_(kernel), page_notes_(kernel.memory, kernel.layouts.origins.page_owner, kernel.globals.page_owner) {
  for (const Task& task : tasks) tasks_.try_emplace(task.pid, &task);
  const OriginLayouts& layouts = kernel.layouts.origins;
  kfence_ = read_kfence(kernel.memory, layouts.kfence, kernel.globals.kfence);
  if (layouts.depot && kernel.globals.stack_pools) depot_.emplace(kernel.memory, *layouts.depot, *kernel.globals.stack_pools);
  read_clock();
}

void Origins::read_clock() {
  const OriginLayouts& layouts = kernel_.layouts.origins;
  if (!kernel_.globals.jiffies || !kernel_.globals.jiffies_source || !layouts.tick) return;
  auto now = read_value<u64>(kernel_.memory, *kernel_.globals.jiffies);
  auto mult = read_value<u32>(kernel_.memory, *kernel_.globals.jiffies_source + layouts.tick->mult);
  auto shift = read_value<u32>(kernel_.memory, *kernel_.globals.jiffies_source + layouts.tick->shift);
  if (!now || !mult || !shift || *shift > kMostShift) return;
  now_jiffies_ = *now;
  // A clock of less than ten ticks a second is none.
  if (u64 tick = *mult >> *shift; tick != 0 && tick <= kNanoseconds / 10) tick_ns_ = tick;
}

Origin Origins::of(Addr object) {
  if (kfence_.pool.contains(object)) {
    auto entry = kfence_entry(kfence_, *kernel_.layouts.origins.kfence, object);
    return entry && kfence_.find(object) != nullptr ? of_kfence(*entry) : Origin{};
  }
  return kernel_.layouts.origins.track ? of_tracked(object) : Origin{};
}

u64 Origins::first_jiffies() const {
  return kWrap - kWrapSeconds * (kNanoseconds / tick_ns_);
}

// The task that has the number now is the one that allocated only if it is older than the block.
std::string Origins::name_of(u32 pid, u64 jiffies) const {
  auto task = tasks_.find(pid);
  if (task == tasks_.end() || !kernel_.layouts.origins.task_start_ns || tick_ns_ == 0 || jiffies < first_jiffies()) return {};
  auto start = read_value<u64>(kernel_.memory, task->second->task + *kernel_.layouts.origins.task_start_ns);
  return start && *start / tick_ns_ <= jiffies - first_jiffies() ? task->second->name : std::string();
}

void Origins::set_task(Origin& origin, u32 pid, u64 jiffies) {
  origin.pid = pid;
  origin.jiffies = jiffies;
  origin.comm = name_of(pid, jiffies);
  if (now_jiffies_ < jiffies || tick_ns_ == 0) return;
  origin.age_s = static_cast<double>(now_jiffies_ - jiffies) * static_cast<double>(tick_ns_) / static_cast<double>(kNanoseconds);
}

Origin Origins::of_kfence(Addr entry) {
  const KfenceLayout& layout = *kernel_.layouts.origins.kfence;
  Addr track = entry + layout.alloc_track;
  auto pid = read_value<u32>(kernel_.memory, track + layout.pid);
  auto time = read_value<u64>(kernel_.memory, track + layout.time_ns);
  auto count = read_value<u32>(kernel_.memory, track + layout.frame_count);
  Origin origin;
  if (!pid || !time || !count || *count > kMostFrames) return origin;
  // Nanoseconds since boot.
  if (tick_ns_ != 0)
    set_task(origin, *pid, first_jiffies() + *time / tick_ns_);
  else
    origin.pid = *pid;
  std::vector<Addr> frames(*count);
  static_assert(sizeof(Addr) == sizeof(u64));
  if (!kernel_.memory.read(track + layout.frames, std::as_writable_bytes(std::span(frames)))) return origin;
  origin.stack = number_of(std::move(frames));
  return origin;
}

Origin Origins::of_tracked(Addr object) {
  const TrackLayout& layout = *kernel_.layouts.origins.track;
  const KnownSlab* slab = slab_of(object);
  if (slab == nullptr || !slab->cache.is_tracked) return {};
  Addr start = kernel_.memory.space().linear(slab->frame * kPageBytes) + slab->cache.left_pad_bytes;
  u64 slot_start = (object - start) / slab->cache.size_bytes * slab->cache.size_bytes;
  if (object < start || start + slot_start != object) return {};
  std::vector<std::byte> track(layout.size_bytes);
  if (!kernel_.memory.read(object + slab->cache.track, track)) return {};
  Origin origin;
  // A cache's first objects may be older than its tracking: then there is nothing there.
  u64 when = load_unchecked<u64>(track.data() + layout.when);
  if (when == 0) return origin;
  set_task(origin, load_unchecked<u32>(track.data() + layout.pid), when);
  if (!layout.handle) {
    origin.stack = number_of(frames_of(track));
    return origin;
  }
  origin.stack = stack_of(load_unchecked<u32>(track.data() + *layout.handle));
  return origin;
}

Origin Origins::of(const AllocationRecord& record) {
  Origin origin;
  set_task(origin, record.pid, record.jiffies);
  origin.comm = record.comm;
  origin.stack = number_of(record.stack);
  origin.is_stack_inferred = record.is_stack_inferred;
  return origin;
}

Origin Origins::of_pages(Addr block) {
  Origin origin;
  auto note = page_notes_.of((block - kernel_.memory.space().linear_map) / kPageBytes);
  if (!note) return origin;
  if (tick_ns_ != 0) set_task(origin, note->pid, first_jiffies() + note->time_ns / tick_ns_);
  origin.pid = note->pid;
  // As it was called then, even if it is gone.
  if (!note->comm.empty()) origin.comm = std::move(note->comm);
  origin.stack = stack_of(note->handle);
  return origin;
}

u32 Origins::stack_of(u32 handle) {
  auto [known, is_new] = by_handle_.try_emplace(handle, 0);
  if (is_new && depot_) known->second = number_of(depot_->fetch(handle));
  return known->second;
}

std::vector<Addr> Origins::frames_of(Bytes track) {
  const TrackLayout& layout = *kernel_.layouts.origins.track;
  std::vector<Addr> frames;
  for (u32 i = 0; i < layout.frame_count; ++i) {
    Addr frame{load_unchecked<u64>(track.data() + layout.frames + i * 8)};
    if (!frame) break;
    frames.push_back(frame);
  }
  return frames;
}

u32 Origins::number_of(std::vector<Addr> stack) {
  if (stack.empty()) return 0;
  auto [known, is_new] = numbers_.try_emplace(std::move(stack), static_cast<u32>(stacks_.size()));
  if (is_new) stacks_.push_back(known->first);
  return known->second;
}

Origins::TrackedCache Origins::cache_at(Addr address) {
  auto [known, is_new] = caches_.try_emplace(address.value);
  if (!is_new) return known->second;
  const KmemCacheLayout& layout = kernel_.layouts.cache;
  const TrackLayout& track = *kernel_.layouts.origins.track;
  std::vector<std::byte> bytes(layout.read_bytes);
  auto inuse = read_value<u32>(kernel_.memory, address + track.cache_inuse);
  if (!inuse || !kernel_.memory.read(address, bytes)) return {};
  auto half = [&](Offset offset) { return load_unchecked<u32>(bytes.data() + offset); };
  TrackedCache cache;
  cache.size_bytes = half(layout.size);
  cache.left_pad_bytes = half(layout.red_left_pad);
  cache.track = TrackLayout::place(*inuse, half(layout.offset));
  bool fits = cache.size_bytes >= 8 && cache.size_bytes <= kMostCacheBytes && cache.left_pad_bytes < cache.size_bytes &&
              u64{cache.track} + track.size_bytes <= cache.size_bytes;
  cache.is_tracked = fits && (half(layout.flags) & track.store_user) != 0;
  caches_[address.value] = cache;
  return cache;
}

const Origins::KnownSlab* Origins::slab_of(Addr object) {
  const AddressSpace& space = kernel_.memory.space();
  if (!space.linear_span().contains(object)) return nullptr;
  u64 frame = (object - space.linear_map) / kPageBytes;
  if (last_slab_ && (frame - last_slab_->frame) * kPageBytes < last_slab_->bytes) return &*last_slab_;
  last_slab_.reset();
  auto head = head_frame(kernel_.memory, kernel_.layouts.page, frame);
  auto slab = head ? read_slab(kernel_.memory, kernel_.layouts.page, kernel_.layouts.slab, *head) : std::nullopt;
  if (!slab || frame - *head >= u64{1} << slab->order) return nullptr;
  last_slab_ = KnownSlab{*head, kPageBytes << slab->order, cache_at(slab->cache)};
  return &*last_slab_;
}

}  // namespace orphan::kernel
