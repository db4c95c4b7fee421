// SPDX-License-Identifier: Apache-2.0
// Headers of ELF cores: segments and notes anywhere, of any size. What is read stays within the segments.
#include "input.h"
#include "memory/kcore.h"

using namespace orphan;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  fuzz::Input input(data, size);
  Bytes bytes = input.rest();
  (void)parse_elf_core_header(bytes);
  (void)parse_program_headers(bytes);
  (void)find_vmcoreinfo_note(bytes);
  auto kcore = Kcore::open(fuzz::MemoryFile(bytes).path());
  if (!kcore) return 0;
  std::array<std::byte, 5000> out;
  std::size_t looked_at = 0;
  for (const CoreSegment& segment : kcore->segments()) {
    if (++looked_at > 16) break;
    for (Addr at : {segment.vaddr, segment.vaddr + segment.size / 2, segment.vaddr + segment.size - 1, segment.vaddr - 1}) {
      (void)kcore->read(at, out);
      (void)kcore->read(at, std::span(out).first(1));
    }
  }
  return 0;
}
