// SPDX-License-Identifier: Apache-2.0
// Lines of logs that are imported, and of the kernel's files: any bytes. What is read out of a line is a part of it, and in
// range.
#include "input.h"
#include "watch/date.h"
#include "watch/kernel_texts.h"
#include "watch/line_reader.h"
#include "watch/process_table.h"

using namespace orphan;

namespace {

bool is_part(std::string_view part, std::string_view line) {
  return part.empty() || (part.data() >= line.data() && part.data() + part.size() <= line.data() + line.size());
}

void check_kernel_texts(std::string_view line) {
  if (auto memory = watch::parse_meminfo(line))
    VERIFY(is_part(memory->name, line) && !memory->name.empty() && memory->value >= 0);
  for (auto version : {watch::SlabVersion::One, watch::SlabVersion::Two}) {
    auto slab = watch::parse_slabinfo(line, version);
    if (slab) VERIFY(is_part(slab->name, line) && !slab->name.empty() && slab->objects >= 0 && slab->slabs >= 0);
  }
  if (auto area = watch::parse_vmallocinfo(line)) VERIFY(!area->caller.empty() && is_part(area->module, line));
  if (auto site = watch::parse_allocinfo(line)) VERIFY(is_part(site->where, line));
  if (auto buddy = watch::parse_buddyinfo(line)) VERIFY(buddy->orders != 0 && buddy->orders <= buddy->blocks.size());
  (void)watch::parse_pressure(line);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  fuzz::MemoryFile file(fuzz::Input(data, size).rest());
  auto reader = watch::LineReader::open(file.path());
  VERIFY(bool(reader));
  std::optional<watch::ProcessTable> table;
  for (u64 number = 1;; ++number) {
    auto line = reader->next();
    VERIFY(bool(line));
    if (!*line) return 0;
    VERIFY(reader->number() == number);
    if (auto date = watch::parse_date(**line))
      VERIFY(date->unix_ms > -2 * 86'400'000 && date->unix_ms < i64{254'000'000'000} * 1000);
    check_kernel_texts(**line);
    if (table) {
      if (auto process = table->parse(**line)) VERIFY(process->pid >= 0 && !process->comm.empty());
    }
    if (auto heading = watch::ProcessTable::parse_heading(**line)) table = heading;
  }
}
