// SPDX-License-Identifier: Apache-2.0
// The memory of the running kernel, through /proc/kcore. Any other ELF core whose segments hold the memory is read as well.
//
// How /proc/kcore behaves (fs/proc/kcore.c): each call copies page by page through one bounce page of the open file, with
// loads that cannot fault. A page that cannot be read (offline, ballooned out, poisoned, not mapped) comes back as zeros and
// not as an error, so zeros mean "nothing there or zero", and NotMapped means that no segment has the address. A call costs
// about as much as copying a kilobyte: read big pieces. The vmalloc segment is a trap: it takes the vmap locks for every
// page and gives zeros for some areas; walk the page tables and read the direct map instead.
//
// An object is for one thread at a time; a second thread takes a reopen()ed one, which has a bounce page of its own.
#pragma once
#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "memory/elf_core.h"
#include "memory/memory.h"

namespace orphan {

class Kcore : public Memory {
 public:
  using Segment = CoreSegment;

  // Permission: not root, no CAP_SYS_RAWIO, or lockdown. NotFound: a kernel without it. Unsupported: not such an ELF core.
  // Every text names the remedy.
  static Result<Kcore> open(const std::string& path = "/proc/kcore");

  // One more descriptor of the same file, with the same table.
  Result<Kcore> reopen() const;

  // The same open file, with the table that it has by now. The kernel brings it up to date when somebody opens /proc/kcore after
  // memory was plugged in or taken away.
  Result<Kcore> with_todays_table() const;

  // By address; see CoreSegment. Taken at open(): memory that is plugged in later is not in it.
  std::span<const Segment> segments() const { return table_->segments; }
  // The text of the VMCOREINFO note; empty when the file has none.
  const std::string& vmcoreinfo() const { return table_->vmcoreinfo; }

  // May span adjacent segments.
  Result<void> read(Addr at, std::span<std::byte> out) const override;

  int descriptor() const { return fd_.value(); }
  // What read() got out of the file so far, and in how many system calls.
  u64 bytes_read() const { return bytes_read_; }
  u64 calls() const { return calls_; }
  // How long these calls took together.
  double seconds_reading() const { return std::chrono::duration<double>(reading_).count(); }

 private:
  struct Table {
    std::string path;
    std::vector<Segment> segments;
    std::string vmcoreinfo;
  };

  Kcore(Fd fd, std::shared_ptr<const Table> table) : fd_(std::move(fd)), table_(std::move(table)) {}
  static Result<std::shared_ptr<const Table>> read_table(int fd, const std::string& path);
  const Segment* find_segment(Addr at) const;
  Result<void> read_extent(u64 file_offset, std::span<std::byte> out) const;

  Fd fd_;
  std::shared_ptr<const Table> table_;
  mutable const Segment* last_ = nullptr;
  mutable u64 bytes_read_ = 0;
  mutable u64 calls_ = 0;
  mutable std::chrono::steady_clock::duration reading_{};
};

// Why opening a kcore failed with `error_number`, and what to do. `lockdown` is the text of /sys/kernel/security/lockdown,
// empty when there is none. Apart from open() so that each case can be tested.
Error explain_kcore_error(const std::string& path, int error_number, std::string_view lockdown);

}  // namespace orphan
