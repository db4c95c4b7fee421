// SPDX-License-Identifier: Apache-2.0
// Reads kmemleak's reports, line by line, as kernels from 2.6.31 to those of 2026 print them, into /sys/kernel/debug/kmemleak and
// into the log:
//
//     unreferenced object (percpu) 0x607fc5a195f8 (size 64):
//       comm "modprobe", pid 4667, jiffies 4294688677 (age 375.486s)      the age until 6.7
//       hex dump (first 32 bytes on cpu 2):                               since 2.6.33
//         00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
//       backtrace (crc 0):                                                the crc since 6.8
//         [<c00f1a2c>] pcpu_alloc_noprof+0x3df/0x840                      the address until some 6.13
//       ... and 7 more object(s) with the same backtrace                  in the log only
//
// Nothing depends on the indentation, which mails and web pages lose. In a log lines of other CPUs may stand between those of a
// record: where the record's own have the tag "kmemleak: ", the others have not, and are passed over. One reader reads the
// lines of one host.
#pragma once
#include <optional>

#include "logs/finding.h"
#include "logs/log_line.h"

namespace orphan::logs {

class KmemleakReader {
 public:
  explicit KmemleakReader(const Hooks& hooks) : hooks_(hooks) {}

  // False: the line is none of a report's. What is damaged is complained about, and is true.
  bool take(const LogLine& line, u64 number);
  // After the last line.
  void end();

  // "N new suspected memory leaks": that the kernel has counted, whatever it then printed.
  u64 announced() const { return announced_; }
  // kmemleak says that it has stopped: of what leaked later it knows nothing.
  bool has_given_up() const { return has_given_up_; }

 private:
  enum class Part : u8 {
    None,       // between records
    Head,       // behind the first line
    Dump,       // in the bytes
    Backtrace,  // in the frames
    Answer,     // in what dump=ADDRESS has printed, which is no leak
  };

  bool take_head(std::string_view text, const LogLine& line, u64 number);
  bool take_task(std::string_view text);
  bool take_dump_title(std::string_view text);
  bool take_row(std::string_view text);
  bool take_backtrace_title(std::string_view text);
  bool take_frame(std::string_view text);
  bool take_more(std::string_view text);
  bool take_inside(std::string_view text, const LogLine& line);
  bool take_notice(std::string_view text);
  bool take_answer(std::string_view text, bool is_indented);
  void finish();

  const Hooks& hooks_;
  Part part_ = Part::None;
  Finding finding_;
  LeakedObject object_;
  u64 first_line_ = 0;       // of the record
  u64 foreign_ = 0;          // lines inside of it that are none of its own
  std::size_t to_dump_ = 0;  // bytes that the dump is still to have
  bool has_task_ = false;
  bool has_tag_ = false;   // the first line
  bool has_tags_ = false;  // those behind it, too
  u64 announced_ = 0;
  bool has_given_up_ = false;
};

}  // namespace orphan::logs
