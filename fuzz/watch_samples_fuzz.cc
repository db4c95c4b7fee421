// SPDX-License-Identifier: Apache-2.0
// Stored samples as a damaged file may have them: two frames, times, and columns. What can be decoded comes back when it is
// encoded again.
#include "input.h"
#include "watch/coding.h"

using namespace orphan;

namespace {

void check_columns(Bytes bytes, u32 samples) {
  watch::ColumnReader reader(bytes, samples);
  watch::ByteWriter writer;
  std::vector<std::pair<u32, watch::Column>> columns;
  u32 before = 0;
  while (!reader.at_end()) {
    auto id = reader.next();
    if (!id) break;
    auto column = reader.read();
    if (!column || column->at.empty()) continue;
    VERIFY(column->at.size() == column->values.size() && column->at.back() < samples);
    watch::ColumnEncoder encoder;
    for (std::size_t i = 0; i < column->at.size(); ++i) encoder.put(column->at[i], column->values[i]);
    encoder.finish(*id, before, writer);
    before = *id;
    columns.emplace_back(*id, std::move(*column));
  }
  watch::ColumnReader again(writer.bytes(), samples);
  for (const auto& [id, column] : columns) {
    auto next = again.next();
    VERIFY(next && *next == id);
    auto same = again.read();
    VERIFY(same && *same == column);
  }
  VERIFY(again.at_end());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  fuzz::Input input(data, size);
  Bytes first = input.piece(), second = input.piece(), stamps = input.piece();
  auto before = watch::decode_frame({}, first);
  if (before) {
    if (auto now = watch::decode_frame(*before, second)) {
      auto again = watch::decode_frame(*before, watch::encode_frame(*before, *now));
      VERIFY(again && *again == *now);
    }
  }
  if (auto times = watch::decode_stamps(stamps)) {
    auto again = watch::decode_stamps(watch::encode_stamps(*times));
    VERIFY(again && *again == *times);
  }
  // A column of a few bytes may stand for as many samples as there are.
  u32 samples = input.number<u16>() % 1024;
  check_columns(input.rest(), samples);
  return 0;
}
