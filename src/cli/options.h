// SPDX-License-Identifier: Apache-2.0
// The command line: what may be said, checked strictly, and the help that comes from the same table.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/types.h"

namespace orphan::cli {

enum class Format : u8 { Text, Kmemleak, Json, Pprof };

inline constexpr std::string_view kCorePrefix = "core:";

struct ScanCommand {
  std::string target = "kernel";  // or core:FILE
  Format format = Format::Text;
  std::string output;  // empty: standard output
  std::string record;  // empty: nothing is recorded
  std::string notes;   // of orphan track; empty: there are none
  std::vector<std::string> debug_directories;
  u32 passes = 5;
  double interval_s = 5;
  double min_age_s = 5;
  u64 max_objects = 10'000;
  u64 memory_limit_bytes = 0;             // 0: none
  std::vector<std::string> suppressions;  // files
  bool pages = false;
  unsigned threads = 2;
  bool weak = false;
  bool list_rules = false;
};

struct WhoCommand {
  std::vector<u64> addresses;
  Format format = Format::Text;
  std::string output;  // empty: standard output
  u64 max_referrers = 20;
};

struct AccountCommand {
  Format format = Format::Text;  // never Kmemleak
  std::string output;            // empty: standard output
  u64 top = 10;
};

struct TrackCommand {
  ScanCommand scan;                  // of what comes after
  std::vector<std::string> command;  // empty: until the user stops it
  u64 table_bytes = 0;               // 0: a share of the machine's memory
  std::optional<bool> all_stacks;    // nothing: as suits the rest
  u32 least_bytes = 0;
  u32 pid = 0;                      // 0: everybody
  std::string cgroup;               // empty: everybody
  std::vector<std::string> caches;  // empty: all
  u64 sample_bytes = 0;             // 0: each allocation
  std::string suspects, save;       // files; empty: none
  bool outstanding = false;         // no scan
};

struct ServeCommand {
  TrackCommand track;  // of its scan: passes, times, suppressions; of itself: the size of the table
  std::string mount_point = "/run/orphan";
  std::string state_directory = "/var/lib/orphan";
  std::string socket = "/run/orphan.sock";
  std::string group;                     // empty: only root
  std::optional<std::string> bind_over;  // a file
  std::optional<std::string> metrics;    // an address
  bool does_not_track = false;
  double first_s = 60, period_s = 600;
  bool has_period = false, has_min_age = false;  // they were given
};

struct CtlCommand {
  std::vector<std::string> words;
  std::string socket = "/run/orphan.sock";
};

struct WatchCommand {
  std::string store = "/var/lib/orphan/watch.db";
  double interval_s = 300;
  u64 samples = 0;  // 0: until the user stops it
  u64 top = 50;
  u64 max_bytes = 0;  // 0: any
  double segment_s = 6 * 3600;
  std::string export_directory, upload;  // empty: none
  double retry_s = 10;
  std::optional<std::string> metrics;  // an address
  std::string alarm;                   // a command; empty: none
  u64 min_bytes_a_day = 1 << 20;
  double threshold = 3.5;
  std::string root;                 // before /proc and /sys
  std::vector<std::string> import;  // files; empty: this machine is watched
};

struct ReportCommand {
  std::vector<std::string> files;  // "-": standard input
  bool recursive = false;
  bool diff = false;
  Format format = Format::Text;
  std::string output;      // empty: standard output
  std::optional<u64> top;  // groups; nothing: as suits the format
  u64 max_objects = 10'000;
  std::string kallsyms, vmlinux;  // files; empty: none
  std::vector<std::string> module_directories;
};

struct SlubTraceCommand {
  std::vector<std::string> logs;  // "-": standard input
  std::string live;               // a cache; empty: logs are read
  double live_s = 60;
  std::string slabinfo, kallsyms, vmlinux;  // files; empty: none
  std::vector<std::string> module_directories;
  Format format = Format::Text;
  std::string output;  // empty: standard output
  u64 top = 25;        // groups, in the text
};

struct TrendCommand {
  std::string store = "/var/lib/orphan/watch.db";
  Format format = Format::Text;  // or Json
  std::string output;            // empty: standard output
  double since_h = 0;            // only so long before the last sample; 0: all of the boot
  u64 min_bytes_a_day = 1 << 20;
  double threshold = 3.5;
  u64 top = 20;
  bool alarm = false;
};

struct PlotCommand {
  std::string store = "/var/lib/orphan/watch.db";
  std::string svg, png, html;       // files; none: it is drawn in the terminal
  double since_h = 0;               // only so long before the last sample; 0: all of the boot
  std::vector<std::string> series;  // names; none: what matters
  u64 min_bytes_a_day = 1 << 20;
  u64 top = 8;
};

// Nothing to run: the text goes to standard output (help, version) or standard error, and the program ends.
struct Done {
  int status = 0;
  std::string text;
};

using Command = std::variant<ScanCommand, WhoCommand, AccountCommand, TrackCommand, ServeCommand, CtlCommand, WatchCommand,
                             ReportCommand, SlubTraceCommand, TrendCommand, PlotCommand, Done>;
Command parse(int argc, char** argv);

}  // namespace orphan::cli
