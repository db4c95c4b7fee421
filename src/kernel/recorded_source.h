// SPDX-License-Identifier: Apache-2.0
// A source that records what is read from another one, and one that replays such a recording.
#pragma once
#include "kernel/source.h"
#include "memory/recording.h"
#include "memory/recording_memory.h"

namespace orphan::kernel {

class RecordingSource : public Source {
 public:
  // `writer` must outlive this.
  RecordingSource(std::unique_ptr<Source> inner, RecordingWriter& writer);

  const Memory& memory() const override { return memory_; }
  u64 bytes_read() const override { return memory_.bytes_read(); }
  double seconds_reading() const override { return inner_->seconds_reading(); }
  Result<std::string> text(std::string_view name) override;
  Result<void> begin(std::string_view part) override;

 private:
  std::unique_ptr<Source> inner_;
  RecordingWriter& writer_;
  RecordingMemory memory_;
};

class RecordedSource : public Source {
 public:
  // `recording` must outlive this.
  explicit RecordedSource(const Recording& recording) : recording_(recording), memory_(recording) {}

  const Memory& memory() const override { return memory_; }
  u64 bytes_read() const override { return memory_.bytes_read(); }
  double seconds_reading() const override { return 0; }
  Result<std::string> text(std::string_view name) override { return recording_.text(memory_.moment(), name); }
  Result<void> begin(std::string_view part) override { return memory_.begin_epoch(part); }

 private:
  const Recording& recording_;
  RecordedMemory memory_;
};

}  // namespace orphan::kernel
