// SPDX-License-Identifier: Apache-2.0
// Reads text that has kmemleak's or page_owner's records in it, between whatever else: a file out of debugfs, a log, a mail. The
// lines of a central log may come from many hosts, mixed; each has a reader of its own.
#pragma once
#include <map>
#include <string>

#include "logs/kmemleak_reader.h"
#include "logs/page_owner_reader.h"
#include "logs/seen_objects.h"

namespace orphan::logs {

struct FileFacts {
  u64 lines = 0;
  u64 records = 0;         // blocks and groups that were found
  u64 repeated = 0;        // objects that the file lists again: not counted
  u64 damaged = 0;         // complaints about records
  u64 announced = 0;       // leaks that a log says there are
  u64 announced_only = 0;  // of these, by hosts that printed no record
  bool has_given_up = false;
  bool is_log = false;          // some line has a log's prefix
  bool has_other_text = false;  // some line is neither a log's nor a report's
};

class TextReader {
 public:
  explicit TextReader(const Hooks& hooks);
  TextReader(const TextReader&) = delete;
  TextReader& operator=(const TextReader&) = delete;

  void take(std::string_view line, u64 number);
  void end();
  const FileFacts& facts() const { return facts_; }

 private:
  struct Host {
    explicit Host(const Hooks& hooks) : kmemleak(hooks), pages(hooks) {}
    KmemleakReader kmemleak;
    PageOwnerReader pages;
    u64 records = 0;
  };
  static constexpr std::size_t kMaxHosts = 10'000;

  Host& host_of(std::string_view name);
  void found(Finding finding);
  void end_host(Host& host);
  void end_other_text();

  const Hooks& outer_;
  Hooks hooks_;  // of the readers: they come here first
  std::map<std::string, Host, std::less<>> hosts_;
  SeenObjects seen_;
  FileFacts facts_;
  std::string scratch_;
  u64 other_first_ = 0, other_lines_ = 0;  // lines in a row that are nobody's
};

}  // namespace orphan::logs
