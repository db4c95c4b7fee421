// SPDX-License-Identifier: Apache-2.0
#include "memory/recording_memory.h"

#include <algorithm>

namespace orphan {

using recording::kPageBytes;

namespace {
constexpr u64 kPieceBytes = 64 * kPageBytes;
}

RecordingMemory::RecordingMemory(const Memory& inner, RecordingWriter& writer)
    : inner_(inner), writer_(writer), pages_(kPieceBytes + kPageBytes) {}

Result<void> RecordingMemory::read(Addr at, std::span<std::byte> out) const {
  writer_.begin_call();
  u64 size = out.size();
  if (size != 0 && size - 1 > ~at.value) return Error(ErrorCode::NotMapped);
  while (!out.empty()) {
    // Up to a boundary between pages.
    u64 part = std::min<u64>(out.size(), kPieceBytes - at.value % kPageBytes);
    TRY(read_piece(at, out.first(part)));
    at += part;
    out = out.subspan(part);
  }
  bytes_read_ += size;
  return {};
}

Result<void> RecordingMemory::read_piece(Addr at, std::span<std::byte> out) const {
  u64 skip = at.value % kPageBytes;
  std::span<std::byte> pages(pages_.data(), align_up(skip + out.size(), kPageBytes));
  if (inner_.read(at - skip, pages)) {
    for (u64 page = 0; page < pages.size(); page += kPageBytes) {
      writer_.add_page(at.value - skip + page, 0, pages.subspan(page, kPageBytes));
    }
    copy_bytes(pages.subspan(skip, out.size()), out.data());
    return {};
  }
  // Some of it is not there: page by page.
  while (!out.empty()) {
    u64 part = std::min<u64>(out.size(), kPageBytes - at.value % kPageBytes);
    TRY(read_in_page(at, out.first(part)));
    at += part;
    out = out.subspan(part);
  }
  return {};
}

// All of the page if that is possible; else what is asked for.
Result<void> RecordingMemory::read_in_page(Addr at, std::span<std::byte> out) const {
  u64 skip = at.value % kPageBytes;
  std::span<std::byte> page(pages_.data(), kPageBytes);
  if (inner_.read(at - skip, page)) {
    writer_.add_page(at.value - skip, 0, page);
    copy_bytes(page.subspan(skip, out.size()), out.data());
    return {};
  }
  auto done = inner_.read(at, out);
  writer_.add_page(at.value - skip, done ? skip : 0, done ? Bytes(out) : Bytes());
  return done;
}

}  // namespace orphan
