// SPDX-License-Identifier: Apache-2.0
#include "memory/read_ahead.h"

#include <algorithm>
#include <csignal>

namespace orphan {

std::unique_ptr<ReadAheadMemory> ReadAheadMemory::start(const Memory& inner, const Memory& ahead) {
  std::unique_ptr<ReadAheadMemory> memory(new ReadAheadMemory(inner, ahead));
  // Signals are for the user's thread, which waits for them.
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  auto run = [](void* self) -> void* {
    static_cast<ReadAheadMemory*>(self)->run();
    return nullptr;
  };
  memory->has_thread_ = ::pthread_create(&memory->thread_, nullptr, run, memory.get()) == 0;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!memory->has_thread_) memory.reset();
  return memory;
}

ReadAheadMemory::~ReadAheadMemory() {
  {
    std::scoped_lock lock(mutex_);
    is_over_ = true;
  }
  is_wanted_.notify_one();
  if (has_thread_) ::pthread_join(thread_, nullptr);
}

Result<void> ReadAheadMemory::read(Addr at, std::span<std::byte> out) const {
  const std::byte* bytes = take({at, out.size()});
  if (bytes == nullptr) return inner_.read(at, out);
  copy_bytes(Bytes(bytes, out.size()), out.data());
  return {};
}

Result<Bytes> ReadAheadMemory::view(Addr at, std::span<std::byte> scratch) const {
  const std::byte* bytes = take({at, scratch.size()});
  if (bytes == nullptr) return inner_.view(at, scratch);
  return Bytes(bytes, scratch.size());
}

void ReadAheadMemory::expect(std::span<const Range> pieces) const {
  std::unique_lock lock(mutex_);
  u64 number = announced_;
  u64 kept = pieces.empty() ? 0 : std::min<u64>(number, batches_.size() - 1);
  if (oldest_ < number - kept) {
    oldest_ = number - kept;
    next_piece_ = 0;
  }
  is_done_.wait(lock, [&] { return !is_reading_ || current_ >= oldest_; });
  if (pieces.empty()) return;
  Batch& batch = batches_[number % batches_.size()];
  batch.pieces.clear();
  batch.done = 0;
  u64 used = 0;
  for (Range piece : pieces.first(std::min(pieces.size(), kPieces))) {
    if (piece.size_bytes > kBatchBytes - used) break;
    batch.pieces.push_back({piece, used});
    used += piece.size_bytes;
  }
  batch.bytes.resize(std::max<std::size_t>(batch.bytes.size(), used));
  ++announced_;
  lock.unlock();
  is_wanted_.notify_one();
}

// The bytes of an expected piece; null: it is not expected, or could not be read. What stands before it is not asked for again.
const std::byte* ReadAheadMemory::take(Range range) const {
  std::size_t first = next_piece_;
  for (u64 number = oldest_; number < announced_; ++number, first = 0) {
    Batch& batch = batches_[number % batches_.size()];
    for (std::size_t i = first; i < batch.pieces.size(); ++i) {
      if (batch.pieces[i].range != range) continue;
      if (number == oldest_) next_piece_ = i + 1;
      const std::byte* bytes = wait_for(batch, i);
      batch.pieces[i].range = {};
      return bytes;
    }
  }
  return nullptr;
}

const std::byte* ReadAheadMemory::wait_for(Batch& batch, std::size_t index) const {
  std::unique_lock lock(mutex_);
  if (batch.done <= index) {
    auto start = std::chrono::steady_clock::now();
    is_done_.wait(lock, [&] { return batch.done > index; });
    waiting_ += std::chrono::steady_clock::now() - start;
  }
  const Piece& piece = batch.pieces[index];
  return piece.is_read ? batch.bytes.data() + piece.offset : nullptr;
}

// How many pieces from the next one on lie side by side. Their bytes do, too.
std::size_t ReadAheadMemory::Batch::adjacent() const {
  std::size_t last = done;
  u64 size = pieces[last].range.size_bytes;
  while (last + 1 < pieces.size() && pieces[last + 1].range.start == pieces[last].range.end()) {
    size += pieces[++last].range.size_bytes;
    if (size > kMostAtOnce) return last - done;
  }
  return last + 1 - done;
}

// Reads so many pieces: a call costs about as much as copying a kilobyte, so all at once where that can be. Returns the bytes
// read.
u64 ReadAheadMemory::Batch::read(const Memory& memory, std::size_t count) {
  u64 sum = 0;
  std::span<Piece> wanted = std::span(pieces).subspan(done, count);
  for (const Piece& piece : wanted) sum += piece.range.size_bytes;
  std::byte* to = bytes.data() + wanted[0].offset;
  bool is_read = bool(memory.read(wanted[0].range.start, {to, sum}));
  for (Piece& piece : wanted) piece.is_read = is_read;
  if (is_read || count == 1) return is_read ? sum : 0;
  sum = 0;
  for (Piece& piece : wanted) {
    piece.is_read = bool(memory.read(piece.range.start, {bytes.data() + piece.offset, piece.range.size_bytes}));
    if (piece.is_read) sum += piece.range.size_bytes;
  }
  return sum;
}

void ReadAheadMemory::run() {
  std::unique_lock lock(mutex_);
  while (!is_over_) {
    current_ = std::max(current_, oldest_);
    Batch& batch = batches_[current_ % batches_.size()];
    if (current_ == announced_) {
      is_wanted_.wait(lock);
    } else if (batch.done == batch.pieces.size()) {
      ++current_;
    } else {
      std::size_t count = batch.adjacent();
      is_reading_ = true;
      lock.unlock();
      bytes_read_ += batch.read(ahead_, count);
      lock.lock();
      is_reading_ = false;
      batch.done += count;
      is_done_.notify_one();
    }
  }
}

}  // namespace orphan
