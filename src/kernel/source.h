// SPDX-License-Identifier: Apache-2.0
// Everything that a scan gets from outside: the kernel's memory, and texts by name (files, directories, clocks). So a scan does
// not know whether it is about this machine, or a replay of one that was recorded.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/tasks.h"
#include "memory/elf_core.h"
#include "memory/kcore.h"
#include "memory/read_ahead.h"

namespace orphan::kernel {

struct TargetPaths {
  std::string kcore = "/proc/kcore";
  std::string btf = "/sys/kernel/btf/vmlinux";
  std::string module_btf = "/sys/kernel/btf/";  // the folder with one file a module
  std::string kallsyms = "/proc/kallsyms";
  std::string slabinfo = "/proc/slabinfo";
  std::string slab_sysfs = "/sys/kernel/slab/";
};

// Names of texts that are no paths.
namespace text {
inline constexpr std::string_view kSegments = "segments of kcore";  // as print() has them
inline constexpr std::string_view kVmcoreinfo = "vmcoreinfo";
inline constexpr std::string_view kSelf = "this process";
inline constexpr std::string_view kDate = "date";                 // seconds since 1970
inline constexpr std::string_view kResident = "resident memory";  // of this process, in bytes
inline constexpr std::string_view kSeconds = "seconds ";          // and an event, of which it is asked once an epoch: a clock
}  // namespace text

class Source {
 public:
  virtual ~Source() = default;

  virtual const Memory& memory() const = 0;
  // What was got out of it so far.
  virtual u64 bytes_read() const = 0;
  // How long the kernel took to give these bytes; 0: not known.
  virtual double seconds_reading() const = 0;

  // A text by its name. A path: all that is in the file; of /proc/kallsyms the image's part. A path that ends with a slash: the
  // names in that directory, a line each; of a symbolic link with a tab and what it leads to.
  virtual Result<std::string> text(std::string_view name) = 0;

  // A part of the scan begins: "pass 1". NotFound: a recording has no such part.
  virtual Result<void> begin(std::string_view part) = 0;
};

// The machine that this runs on.
class LiveSource : public Source {
 public:
  // As Kcore::open(). With two threads, one reads ahead; where this process may use one CPU only, or has no second thread to be
  // had, there is one.
  static Result<std::unique_ptr<LiveSource>> open(const TargetPaths& paths, unsigned threads = kMostThreads);
  static constexpr unsigned kMostThreads = 2;

  // One more, of the same open file and with one thread, if the machine's memory is not what it was when this one was opened;
  // nothing: it is.
  Result<std::unique_ptr<LiveSource>> renewed() const;

  const Memory& memory() const override;
  u64 bytes_read() const override { return kcore_.bytes_read() + (read_ahead_ ? read_ahead_->bytes_read() : 0); }
  double seconds_reading() const override {
    return kcore_.seconds_reading() + (read_ahead_ ? read_ahead_->seconds_waiting() : 0);
  }
  Result<std::string> text(std::string_view name) override;
  Result<void> begin(std::string_view) override { return {}; }

 private:
  LiveSource(Kcore kcore, const TargetPaths& paths) : kcore_(std::move(kcore)), paths_(paths) {}

  Kcore kcore_;
  std::optional<Kcore> second_;  // the other thread's
  std::unique_ptr<ReadAheadMemory> read_ahead_;
  TargetPaths paths_;
};

// Gives a text by its name.
using TextOf = std::function<Result<std::string>(std::string_view name)>;

// A file's or a directory's text, from this machine.
Result<std::string> read_text(std::string_view path);

std::string print(std::span<const CoreSegment> segments);
Result<std::vector<CoreSegment>> parse_segments(std::string_view text);
std::string print(const Self& self);
Result<Self> parse_self(std::string_view text);

// The names in a directory as Source::text() gives them.
struct Entry {
  std::string_view name;
  std::string_view target;  // empty: not a link
};
std::vector<Entry> parse_directory(std::string_view text);

}  // namespace orphan::kernel
