// SPDX-License-Identifier: Apache-2.0
#include "kernel/page_notes.h"

#include <algorithm>

namespace orphan::kernel {
namespace {

// x86-64: SECTION_SIZE_BITS is 27. Sections are described page by page: SECTIONS_PER_ROOT.
constexpr u64 kSectionPages = (u64{1} << 27) / kPageBytes;
constexpr u64 kNotReady = 1;  // a bit of the records' address: PAGE_EXT_INVALID
constexpr u64 kMostRecordBytes = 4096;
constexpr std::size_t kTaskNameBytes = 16;  // TASK_COMM_LEN

}  // namespace

PageNotes::PageNotes(const KernelMemory& memory, const std::optional<PageOwnerLayout>& layout, const PageOwnerSymbols& symbols)
    : memory_(memory), layout_(layout) {
  if (!layout || !symbols.enabled || !symbols.operations || !symbols.record_bytes || !symbols.sections) return;
  auto enabled = read_value<u32>(memory, *symbols.enabled + layout->enabled);
  auto offset = read_value<u64>(memory, *symbols.operations + layout->offset);
  auto record_bytes = read_value<u64>(memory, *symbols.record_bytes);
  auto sections = read_value<u64>(memory, *symbols.sections);
  if (!enabled || *enabled == 0 || !offset || !record_bytes || !sections) return;
  if (*record_bytes > kMostRecordBytes || *offset > *record_bytes || layout->size_bytes > *record_bytes - *offset) return;
  sections_ = Addr{*sections};
  record_bytes_ = *record_bytes;
  offset_ = *offset;
}

std::optional<PageNote> PageNotes::of(u64 frame) const {
  if (!sections_) return std::nullopt;
  u64 number = frame / kSectionPages, in_root = kPageBytes / layout_->section_bytes;
  auto root = read_value<u64>(memory_, sections_ + number / in_root * 8);
  if (!root || *root == 0) return std::nullopt;
  auto records = read_value<u64>(memory_, Addr{*root} + number % in_root * layout_->section_bytes + layout_->section_records);
  if (!records || *records == 0 || (*records & kNotReady) != 0) return std::nullopt;
  // The address is where the record of the very first page would be.
  Addr record = Addr{*records} + frame * record_bytes_;
  auto flags = read_value<u64>(memory_, record + layout_->flags);
  std::vector<std::byte> owner(layout_->size_bytes);
  if (!flags || (*flags & layout_->allocated) == 0 || !memory_.read(record + offset_, owner)) return std::nullopt;
  PageNote note{.handle = load_unchecked<u32>(owner.data() + layout_->handle),
                .pid = load_unchecked<u32>(owner.data() + layout_->pid),
                .comm = {},
                .time_ns = load_unchecked<u64>(owner.data() + layout_->time_ns)};
  for (std::size_t i = 0; layout_->comm && i < kTaskNameBytes; ++i) {
    char c = static_cast<char>(owner[*layout_->comm + i]);
    if (c == 0) break;
    note.comm += c;
  }
  return note;
}

}  // namespace orphan::kernel
