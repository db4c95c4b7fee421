// SPDX-License-Identifier: Apache-2.0
#include "kernel/back_links.h"

#include <algorithm>
#include <array>

namespace orphan::kernel {
namespace {

constexpr std::size_t kMostLinks = 1 << 14;
constexpr u64 kMostBytes = 4096;  // of a block, in which nodes are looked for
constexpr u64 kNodeFlags = 3;     // a red-black tree's node keeps its colour in the address of the one above

}  // namespace

void BackLinks::watch(Addr block, u64 size_bytes) {
  std::vector<std::byte> contents(std::min(size_bytes, kMostBytes) / 8 * 8);
  if (links_.size() >= kMostLinks || contents.empty() || !kernel_.memory.read(block, contents)) return;
  const AddressSpace& space = kernel_.memory.space();
  Range own{block, size_bytes};
  for (u64 at = 0; at < contents.size() && links_.size() < kMostLinks; at += 8) {
    Addr neighbour{load_unchecked<u64>(contents.data() + at) & ~kNodeFlags};
    if (neighbour.value % 8 != 0 || own.contains(neighbour)) continue;
    auto found = look_.index->find(neighbour.value);
    bool is_reached = found && reached_.test(found->slot);
    if (is_reached || (!found && space.vmalloc.contains(neighbour))) links_.push_back({own, neighbour});
  }
}

void BackLinks::look() {
  knows_tasks_ = false;
  for (const Link& link : links_) {
    if (linked_.contains(link.block.start.value)) continue;
    std::array<u64, 3> node{};
    if (!kernel_.memory.read(link.neighbour, std::as_writable_bytes(std::span(node)))) continue;
    bool points_back = std::ranges::any_of(node, [&](u64 word) { return link.block.contains(Addr{word}); });
    if (points_back && is_in_use(link.neighbour)) linked_.insert(link.block.start.value);
  }
}

// Memory of a block that was reached, or a part of a task's stack that has live frames.
bool BackLinks::is_in_use(Addr at) {
  auto found = look_.index->find(at.value);
  if (found && reached_.test(found->slot)) return true;
  if (!knows_tasks_) {
    auto tasks = read_tasks(kernel_.memory, kernel_.layouts.task, kernel_.globals.tasks, cpu_offsets_, kernel_.self);
    tasks_ = tasks ? std::move(tasks->tasks) : std::vector<Task>();
    knows_tasks_ = true;
  }
  return std::ranges::any_of(tasks_, [&](const Task& task) {
    Range stack{task.stack, look_.stack_bytes};
    return !task.is_ours && stack.contains(at) && (task.is_running || !stack.contains(task.saved_sp) || at >= task.saved_sp);
  });
}

}  // namespace orphan::kernel
