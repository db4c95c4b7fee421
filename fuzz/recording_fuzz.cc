// SPDX-License-Identifier: Apache-2.0
// Recordings. Built for fuzzing, checksums are not compared: no mutation would get past them.
#include "input.h"
#include "kernel/recorded_source.h"

using namespace orphan;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  fuzz::Input input(data, size);
  auto recording = Recording::read(fuzz::MemoryFile(input.rest()).take(), "input");
  if (!recording) {
    VERIFY(recording.error().text().starts_with("input: "));
    return 0;
  }
  kernel::RecordedSource source(*recording);
  for (const char* epoch : {"start", "pass 1", "pass 2"}) {
    (void)source.begin(epoch);
    std::array<std::byte, 6000> out;
    for (u64 page = 0; page < 4; ++page) {
      for (u64 bytes : {u64{8}, u64{6000}}) {
        (void)source.memory().read(Addr{0xffff'8880'0000'0000 + page * 4096 + 40}, std::span(out).first(bytes));
      }
    }
    if (auto text = source.text(kernel::text::kSegments)) (void)kernel::parse_segments(*text);
    if (auto text = source.text(kernel::text::kSelf)) (void)kernel::parse_self(*text);
    if (auto text = source.text("/sys/kernel/slab/")) (void)kernel::parse_directory(*text);
  }
  return 0;
}
