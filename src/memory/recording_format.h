// SPDX-License-Identifier: Apache-2.0
// The file that a recording is: a head, then blocks, each with its length and a checksum, then nothing. docs/recording.md
// describes it. Numbers are little-endian.
//
// Time in a recording is a *moment*: the number of the epoch, and within it the number of the call that read memory. What is at
// an address at a moment is what was recorded there last.
#pragma once
#include <array>
#include <span>

#include "base/bytes.h"

namespace orphan::recording {

inline constexpr std::array<char, 16> kMagic{'o', 'r', 'p', 'h', 'a', 'n', ' ', 'r', 'e', 'c', 'o', 'r', 'd', 'i', 'n', 'g'};
inline constexpr u32 kVersion = 1;
inline constexpr u64 kPageBytes = 4096;     // the unit of what is recorded, on all machines
inline constexpr u64 kDataBytes = 1 << 20;  // of memory that one block holds, at most
inline constexpr u64 kMostPlain = 2 << 20;  // bytes of any block, not compressed
inline constexpr u64 kMostStored = kMostPlain + (64 << 10);

struct Head {
  std::array<char, 16> magic = kMagic;
  u32 version = kVersion;
  u32 reserved = 0;
};

enum class BlockKind : u32 {
  Epoch = 1,  // its name
  Data = 2,   // contents of memory
  Pages = 3,  // PageEntry for what is in the Data block before it
  Text = 4,   // TextHead, a name, a piece of text
  End = 5,    // EndEntry; the file ends behind it
};

struct BlockHead {
  u32 kind = 0;
  u32 stored_bytes = 0;  // that follow: one zstd frame, or the bytes themselves when that is shorter
  u32 plain_bytes = 0;
  u32 crc = 0;  // crc32 of the head up to here, the place of the block in the file (u64), and what follows
};

// A piece of one page as it was seen first at some moment. The pieces of a Data block lie one after the other.
struct PageEntry {
  u64 address = 0;  // of the page
  u64 moment = 0;
  u16 first = 0;  // byte of the page
  u16 size = 0;   // 0: it could not be read
  u32 reserved = 0;
};

struct TextHead {
  u64 moment = 0;
  u32 status = 0;  // 0: a text; else 1 + the ErrorCode with which it could not be read, and the text is the error's
  u16 name_bytes = 0;
  u16 more = 0;  // 1: the next Text block has the next piece
};

struct EndEntry {
  u64 blocks = 0;  // before this one
  u64 pieces = 0;  // PageEntries
};

inline constexpr u32 kCallBits = 40;
constexpr u64 moment_of(u64 epoch, u64 call) {
  return epoch << kCallBits | call;
}

// The checksum of a block.
u32 checksum(const BlockHead& head, u64 place, Bytes stored);

}  // namespace orphan::recording
