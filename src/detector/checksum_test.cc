// SPDX-License-Identifier: Apache-2.0
#include "detector/checksum.h"

#include <gtest/gtest.h>

#include <array>

#include "memory/fake_memory.h"

namespace orphan {
namespace {

constexpr Addr kSlab{0xffff'8880'0010'0000};
constexpr Addr kCookie{0x1000};
constexpr std::array<u64, 2> kCopies{0x4000'0000, 0x5000'0000};

Bytes bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

TEST(KernelCrc32, IsTheOneThatKmemleakPrints) {
  std::array<char, 32> object{"leak me"};
  EXPECT_EQ(kernel_crc32(0, std::as_bytes(std::span(object))), 0xed65'd963U);
}

TEST(KernelCrc32, OfZerosIsZero_AndOfNothingTheSeed) {
  std::array<std::byte, 100> zeros{};
  EXPECT_EQ(kernel_crc32(0, zeros), 0U);
  EXPECT_EQ(kernel_crc32(0x1234'5678, {}), 0x1234'5678U);
}

TEST(KernelCrc32, MayBeComputedInPieces) {
  std::string_view text = "abcdefghijklmnopqrstuvwxyz";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    u32 first = kernel_crc32(0, bytes_of(text.substr(0, cut)));
    EXPECT_EQ(kernel_crc32(first, bytes_of(text.substr(cut))), kernel_crc32(0, bytes_of(text))) << cut;
  }
}

TEST(Checksummer, OfABlockIsThatOfItsBytes_OfAReplicatedOneOfAllItsCopies) {
  FakeMemory memory;
  memory.map({kSlab, 4096});
  for (u64 offset : kCopies) memory.map({kCookie + offset, 64});
  memory.put(kSlab + 64, u64{101});
  memory.put(kCookie + kCopies[1], u64{102});
  Checksummer checksummer(memory, kCopies);
  std::array<u64, 7> object{101};
  EXPECT_EQ(*checksummer.of({kSlab + 64, 56}), kernel_crc32(0, std::as_bytes(std::span(object))));
  std::array<u64, 16> copies{};
  copies[8] = 102;
  EXPECT_EQ(*checksummer.of({kCookie, 64, true}), kernel_crc32(0, std::as_bytes(std::span(copies))));
}

TEST(Checksummer, OfASlotIsThatOfTheBlockThere) {
  FakeMemory memory;
  memory.map({kSlab, 4096});
  for (u64 slot = 0; slot < 4; ++slot) memory.put(kSlab + slot * 64, slot + 100);
  Snapshot snapshot;
  snapshot.add_span(kSlab, 4, snapshot.add_shape(64, 56, 0), 0);
  Checksummer by_slot(memory, {}), by_place(memory, {});
  for (u64 slot = 0; slot < 4; ++slot) {
    EXPECT_EQ(*by_slot.of(snapshot, snapshot.spans[0], slot), *by_place.of({kSlab + slot * 64, 56})) << slot;
  }
  EXPECT_EQ(memory.reads(), 5U) << "the slab once, then each block";
}

TEST(Checksummer, OfWhatCannotBeReadIsNothing) {
  FakeMemory memory;
  memory.map({kCookie + kCopies[0], 64});
  Checksummer checksummer(memory, kCopies);
  EXPECT_EQ(*checksummer.of({kSlab, 64}), std::nullopt);
  EXPECT_EQ(*checksummer.of({kCookie, 64, true}), std::nullopt);
}

TEST(Checksum, FoldedDependsOnEachOfItsBits) {
  for (int bit = 0; bit < 32; ++bit) EXPECT_NE(folded(0x1234'5678U), folded(0x1234'5678U ^ 1U << bit)) << bit;
}

}  // namespace
}  // namespace orphan
