// SPDX-License-Identifier: Apache-2.0
// Files of notes. The input is what is in the frame of zstd: no mutation would get past its checksum.
#include <zstd.h>

#include "input.h"
#include "track/saved_records.h"

using namespace orphan;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  std::vector<std::byte> file(track::kNotesMagic.size() + ZSTD_compressBound(size));
  copy_bytes(std::as_bytes(std::span(track::kNotesMagic)), file.data());
  std::size_t stored =
      ZSTD_compress(file.data() + track::kNotesMagic.size(), file.size() - track::kNotesMagic.size(), data, size, 1);
  VERIFY(ZSTD_isError(stored) == 0);
  file.resize(track::kNotesMagic.size() + stored);
  auto saved = track::SavedRecords::parse(file, "input");
  if (!saved) {
    VERIFY(saved.error().text().starts_with("input: "));
    return 0;
  }
  for (const orphan_record& record : (*saved)->table().all()) (void)(*saved)->table().allocation(record);
  auto symbols = kernel::Symbols::from_text("ffffffff81000000 T _stext\nffffffff82000000 T _end\n", "text");
  VERIFY(symbols);
  (*saved)->add_symbols(*symbols);
  (void)symbols->lookup(Addr{0xffff'ffff'c000'0044});
  return 0;
}
