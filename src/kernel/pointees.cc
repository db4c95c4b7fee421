// SPDX-License-Identifier: Apache-2.0
#include "kernel/pointees.h"

#include <fmt/format.h>

#include "report/format.h"

namespace orphan::kernel {
namespace {

// With page tables of five levels. Cookies of per-CPU memory are small numbers, like many others.
constexpr u64 kKernelHalf = 0xff00'0000'0000'0000;
constexpr u64 kWord = 8;

}  // namespace

void Pointees::add(Addr block, Bytes contents, EvidenceGatherer& to) const {
  for (u64 offset = 0; offset + kWord <= contents.size(); offset += kWord) {
    Addr word{load_unchecked<u64>(contents.data() + offset)};
    if (word.value < kKernelHalf) continue;
    if (note_list(block, contents, offset, to)) {
      offset += kWord;
      continue;
    }
    if (word - block < contents.size()) {
      to.note(Evidence::Kind::Block, offset, fmt::format("itself+0x{:x}", word - block));
      continue;
    }
    auto found = input_.look.index->find(word.value);
    if (!found || !input_.look.snapshot.live.test(found->slot)) continue;
    to.note(Evidence::Kind::Block, offset, name_of(*found, word));
  }
}

// A struct list_head: two words, and who is next points back here.
bool Pointees::note_list(Addr block, Bytes contents, u64 offset, EvidenceGatherer& to) const {
  if (offset + 2 * kWord > contents.size()) return false;
  Addr here = block + offset;
  Addr next{load_unchecked<u64>(contents.data() + offset)}, previous{load_unchecked<u64>(contents.data() + offset + kWord)};
  if (next == here && previous == here) {
    to.note(Evidence::Kind::List, offset, "empty");
    return true;
  }
  if (next == here || previous.value < kKernelHalf) return false;
  auto found = input_.look.index->find(next.value);
  if (!found || !input_.look.snapshot.live.test(found->slot)) return false;
  auto back = read_value<u64>(input_.memory, next + kWord);
  if (!back || *back != here.value) return false;
  to.note(Evidence::Kind::List, offset, fmt::format("of {}", name_of(*found, next)));
  return true;
}

std::string Pointees::name_of(BlockRef ref, Addr at) const {
  const Snapshot& snapshot = input_.look.snapshot;
  const Span& span = snapshot.spans[ref.span];
  const Owner& owner = input_.owners[snapshot.shape_of(span).owner];
  std::string text = owner.name;
  if (owner.caller) text += fmt::format(" of {}", to_string(to_frame(owner.caller, input_.symbols)));
  u64 offset = at - snapshot.slot_address(span, ref.slot);
  // A pointer to a page's descriptor, or to a CPU's copy.
  if (offset < snapshot.shape_of(span).object_bytes) text += fmt::format("+0x{:x}", offset);
  std::string_view state = input_.state ? input_.state(ref.slot) : std::string_view();
  if (!state.empty()) text += fmt::format(" ({})", state);
  return text;
}

}  // namespace orphan::kernel
