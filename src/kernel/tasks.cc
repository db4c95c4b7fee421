// SPDX-License-Identifier: Apache-2.0
#include "kernel/tasks.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <unordered_set>
#include <utility>

#include "base/fd.h"

namespace orphan::kernel {
namespace {

constexpr u64 kMaxTasks = 1 << 23;  // more than the kernel's own limit of pids
constexpr int kTries = 16;
constexpr std::size_t kNameBytes = 16;  // TASK_COMM_LEN
constexpr int kStartStackField = 28;    // of /proc/pid/stat, proc(5)

class Reader {
 public:
  Reader(const KernelMemory& memory, const TaskLayout& layout, const Self& self)
      : memory_(memory), layout_(layout), self_(self), bytes_(layout.read_bytes) {}

  Result<Tasks> run(const TaskSymbols& symbols, std::span<const u64> cpu_offsets) {
    bool is_complete = false;
    for (int attempt = 0; attempt < kTries && !is_complete; ++attempt) {
      seen_.clear();
      is_complete = walk(symbols.init_task);
    }
    result_.is_complete = is_complete;
    if (symbols.idle_threads) {
      for (u64 offset : cpu_offsets) {
        auto idle = read_value<u64>(memory_, *symbols.idle_threads + offset);
        if (idle && *idle != 0) add(Addr{*idle});
      }
    }
    keep_latest();
    find_bounce_buffers();
    return std::move(result_);
  }

 private:
  u64 word(Offset offset) const { return load_unchecked<u64>(bytes_.data() + offset); }

  // Through the list of processes, and in each through its threads.
  bool walk(Addr init_task) {
    Addr at = init_task;
    do {
      if (seen_.contains(at.value) || seen_.size() >= kMaxTasks || !add(at)) return false;
      Addr next{word(layout_.tasks)};
      if (!walk_threads(at)) return false;
      at = next - layout_.tasks;
    } while (at != init_task);
    return true;
  }

  bool walk_threads(Addr leader) {
    Addr signal{word(layout_.signal)};
    Addr next{word(layout_.thread_node)};
    Addr head = signal + layout_.signal_thread_head;
    bool passed_leader = false;
    while (next != head) {
      Addr task = next - layout_.thread_node;
      if (task != leader) {
        if (seen_.contains(task.value) || seen_.size() >= kMaxTasks || !add(task)) return false;
        next = Addr{word(layout_.thread_node)};
        continue;
      }
      // The leader's own node, when the walk did not begin with it; twice: a circle.
      if (std::exchange(passed_leader, true)) return false;
      auto after = read_value<u64>(memory_, next);
      if (!after) return false;
      next = Addr{*after};
    }
    return true;
  }

  // Walks that broke off have seen some tasks, too: of each the last state counts.
  void keep_latest() {
    std::vector<Task>& tasks = result_.tasks;
    std::ranges::reverse(tasks);
    std::unordered_set<u64> kept;
    std::erase_if(tasks, [&](const Task& task) { return !kept.insert(task.task.value).second; });
  }

  // Reads the task into bytes_ and notes it, once a walk.
  bool add(Addr at) {
    if (!memory_.read(at, bytes_)) return false;
    if (!seen_.insert(at.value).second) return true;
    Task task;
    task.task = at;
    task.stack = Addr{word(layout_.stack)};
    task.saved_sp = Addr{word(layout_.sp)};
    task.pid = load_unchecked<u32>(bytes_.data() + layout_.pid);
    const char* name = reinterpret_cast<const char*>(bytes_.data() + layout_.comm);
    task.name.assign(name, ::strnlen(name, kNameBytes));
    const std::byte* on_cpu = bytes_.data() + layout_.on_cpu.offset_bytes;
    task.is_running = layout_.on_cpu.size_bytes == 1 ? *on_cpu != std::byte{0} : load_unchecked<u32>(on_cpu) != 0;
    task.is_kernel_thread = word(layout_.mm) == 0;
    if (task.is_kernel_thread && layout_.kthread) task.kthread = Addr{word(*layout_.kthread)};
    task.is_ours = is_ours(Addr{word(layout_.mm)});
    if (task.is_ours && !our_files_) our_files_ = Addr{word(layout_.files)};
    result_.tasks.push_back(task);
    return true;
  }

  bool is_ours(Addr mm) const {
    if (self_.start_stack == 0 || !mm) return false;
    auto start_stack = read_value<u64>(memory_, mm + layout_.mm_start_stack);
    return start_stack && *start_stack == self_.start_stack;
  }

  // An open kcore keeps the page that it last copied in file->private_data.
  void find_bounce_buffers() {
    if (!our_files_) return;
    auto table = read_value<u64>(memory_, our_files_ + layout_.files_fdt);
    if (!table) return;
    auto count = read_value<u32>(memory_, Addr{*table} + layout_.fdt_max_fds);
    auto files = read_value<u64>(memory_, Addr{*table} + layout_.fdt_fd);
    if (!count || !files) return;
    for (int descriptor : self_.descriptors) {
      if (descriptor < 0 || static_cast<u32>(descriptor) >= *count) continue;
      auto file = read_value<u64>(memory_, Addr{*files} + static_cast<u64>(descriptor) * 8);
      if (!file || *file == 0) continue;
      auto buffer = read_value<u64>(memory_, Addr{*file} + layout_.file_private_data);
      if (buffer && *buffer != 0) result_.bounce_buffers.push_back(Addr{*buffer});
    }
    std::ranges::sort(result_.bounce_buffers);
  }

  const KernelMemory& memory_;
  const TaskLayout& layout_;
  const Self& self_;
  std::vector<std::byte> bytes_;
  Addr our_files_;
  Tasks result_;
  std::unordered_set<u64> seen_;
};

}  // namespace

Result<Self> Self::read(std::vector<int> descriptors) {
  constexpr const char* kPath = "/proc/self/stat";
  std::string text = TRY(read_file(kPath));
  // The second field, the name, may hold anything; the fields after its last parenthesis are numbers.
  std::size_t at = text.rfind(')');
  for (int field = 2; field < kStartStackField && at != std::string::npos; ++field) at = text.find(' ', at + 1);
  Self self;
  if (at != std::string::npos) std::from_chars(text.data() + at + 1, text.data() + text.size(), self.start_stack);
  if (self.start_stack == 0) return Error(ErrorCode::BadData, std::string(kPath) + ": no start of the stack in it");
  self.descriptors = std::move(descriptors);
  return self;
}

Result<Tasks> read_tasks(const KernelMemory& memory, const TaskLayout& layout, const TaskSymbols& symbols,
                         std::span<const u64> cpu_offsets, const Self& self) {
  return Reader(memory, layout, self).run(symbols, cpu_offsets);
}

}  // namespace orphan::kernel
