// SPDX-License-Identifier: Apache-2.0
// A memory that a thread of its own reads ahead: while its user looks at one piece, the next one is copied.
//
// What is expected goes into two batches, which take turns: one is used up while the thread fills the other. Any read of exactly
// an expected piece is answered from there, waiting for the thread where that is not so far; all others go to the memory itself.
#pragma once
#include <pthread.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "memory/memory.h"

namespace orphan {

class ReadAheadMemory : public Memory {
 public:
  // Two readers of the same memory, of which `ahead` is used by the thread alone. Both must outlive this. Null: no thread is to
  // be had.
  static std::unique_ptr<ReadAheadMemory> start(const Memory& inner, const Memory& ahead);
  ~ReadAheadMemory() override;
  ReadAheadMemory(const ReadAheadMemory&) = delete;
  ReadAheadMemory& operator=(const ReadAheadMemory&) = delete;

  Result<void> read(Addr at, std::span<std::byte> out) const override;
  Result<Bytes> view(Addr at, std::span<std::byte> scratch) const override;
  void expect(std::span<const Range> pieces) const override;
  Foresight foresight() const override { return {kPieces, kBatchBytes}; }

  // What the thread has read so far.
  u64 bytes_read() const { return bytes_read_; }
  // How long read() and view() have waited for it.
  double seconds_waiting() const { return std::chrono::duration<double>(waiting_).count(); }

 private:
  static constexpr std::size_t kPieces = 64;  // of a batch
  static constexpr u64 kBatchBytes = u64{512} << 10;
  static constexpr u64 kMostAtOnce = u64{64} << 10;  // of pieces that lie side by side

  struct Piece {
    Range range;
    u64 offset = 0;  // in `bytes`
    bool is_read = false;
  };
  struct Batch {
    std::vector<Piece> pieces;
    std::size_t done = 0;  // of these
    std::vector<std::byte> bytes;

    std::size_t adjacent() const;
    u64 read(const Memory& memory, std::size_t count);
  };

  ReadAheadMemory(const Memory& inner, const Memory& ahead) : inner_(inner), ahead_(ahead) {}
  const std::byte* take(Range range) const;
  const std::byte* wait_for(Batch& batch, std::size_t index) const;
  void run();

  const Memory& inner_;
  const Memory& ahead_;
  mutable std::chrono::steady_clock::duration waiting_{};
  std::atomic<u64> bytes_read_ = 0;

  mutable std::size_t next_piece_ = 0;  // of batch oldest_: what stands before has been used

  // Guards all below. The user alone changes pieces, the thread alone what it has done of them. The bytes of a piece belong to
  // the thread until that one is done.
  mutable std::mutex mutex_;
  mutable std::condition_variable is_wanted_, is_done_;
  mutable std::array<Batch, 2> batches_;    // batch number n stands in n % 2
  mutable u64 oldest_ = 0, announced_ = 0;  // [oldest, announced) are wanted
  u64 current_ = 0;                         // the thread's
  bool is_reading_ = false, is_over_ = false;
  pthread_t thread_{};  // std::thread has exceptions for what may fail
  bool has_thread_ = false;
};

}  // namespace orphan
