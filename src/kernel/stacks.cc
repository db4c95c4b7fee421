// SPDX-License-Identifier: Apache-2.0
#include "kernel/stacks.h"

#include <algorithm>

namespace orphan::kernel {
namespace {

// A function saves at most six registers for its caller, right below its return address.
constexpr u64 kSavedBytes = 6 * 8;

}  // namespace

void add_sleeping_stack(Addr sp, Bytes frames, u64 switch_frame_bytes, const StackText& text, StackRoots& roots) {
  u64 size = frames.size() / 8 * 8;
  auto word = [&](u64 offset) { return load_unchecked<u64>(frames.data() + offset); };
  // The return address out of __schedule() is the first address of code above what the switch pushed. One that was left
  // behind by an earlier call would be found before it: then less is left out.
  u64 begin = 0;
  for (u64 at = switch_frame_bytes; switch_frame_bytes != 0 && at + 8 <= size; at += 8) {
    if (!text.kernel.contains(Addr{word(at)})) continue;
    begin = at > kSavedBytes ? at - kSavedBytes : 0;
    break;
  }
  // Where kthread() called the thread's function: the highest such address, for the same reason. Above it ret_from_fork() may
  // have the address of kthread() itself, which is no return address.
  u64 end = size;
  if (text.kthread) {
    Range inside{text.kthread->start + 1, text.kthread->size_bytes - 1};
    for (u64 at = size; at >= begin + 8 && end == size; at -= 8) {
      if (inside.contains(Addr{word(at - 8)})) end = at - 8;
    }
  }
  if (end != size) {
    end -= std::min(end - begin, u64{text.saved_registers} * 8);
    std::vector<u64> dead;
    for (u64 at = end; at < size; at += 8) dead.push_back(word(at));
    for (u64 at = begin; at < end; at += 8) {
      if (std::ranges::find(dead, word(at)) == dead.end()) roots.words.push_back({word(at), sp + at});
    }
    return;
  }
  if (begin < end) roots.ranges.push_back({sp + begin, end - begin});
}

}  // namespace orphan::kernel
