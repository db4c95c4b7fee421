// SPDX-License-Identifier: Apache-2.0
// Records what is read through it. Whole pages are read, whatever is asked for: what was recorded is then worth more to a
// reader that asks for other things, and equal pages can be told by their contents.
#pragma once
#include <vector>

#include "memory/memory.h"
#include "memory/recording_writer.h"

namespace orphan {

class RecordingMemory : public Memory {
 public:
  // Both must outlive this.
  RecordingMemory(const Memory& inner, RecordingWriter& writer);

  Result<void> read(Addr at, std::span<std::byte> out) const override;

  // What read() gave out so far.
  u64 bytes_read() const { return bytes_read_; }

 private:
  Result<void> read_piece(Addr at, std::span<std::byte> out) const;
  Result<void> read_in_page(Addr at, std::span<std::byte> out) const;

  const Memory& inner_;
  RecordingWriter& writer_;
  mutable std::vector<std::byte> pages_;
  mutable u64 bytes_read_ = 0;
};

}  // namespace orphan
