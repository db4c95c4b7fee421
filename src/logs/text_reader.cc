// SPDX-License-Identifier: Apache-2.0
#include "logs/text_reader.h"

#include <fmt/format.h>

#include <utility>

#include "base/fnv1a.h"

namespace orphan::logs {

TextReader::TextReader(const Hooks& hooks) : outer_(hooks) {
  hooks_.found = [this](Finding finding) { found(std::move(finding)); };
  hooks_.complain = [this](u64 line, std::string_view what) {
    ++facts_.damaged;
    outer_.complain(line, what);
  };
}

TextReader::Host& TextReader::host_of(std::string_view name) {
  auto at = hosts_.find(name);
  if (at != hosts_.end()) return at->second;
  if (hosts_.size() >= kMaxHosts) {
    for (auto& [ended_name, host] : hosts_) end_host(host);
    hosts_.clear();
  }
  return hosts_.try_emplace(std::string(name), hooks_).first->second;
}

void TextReader::take(std::string_view line, u64 number) {
  ++facts_.lines;
  LogLine read = read_log_line(line, scratch_);
  facts_.is_log |= read.is_log;
  if (!read.is_kernel) return;
  Host& host = host_of(read.host);
  if (host.kmemleak.take(read, number) || host.pages.take(read, number)) {
    end_other_text();
    return;
  }
  if (read.is_log || read.has_tag || read.text.find_first_not_of(' ') == std::string_view::npos) return;
  if (other_lines_++ == 0) other_first_ = number;
}

// A log has lines of the console and of programs between its own, which are no mistake.
void TextReader::end_other_text() {
  u64 lines = std::exchange(other_lines_, 0);
  if (lines == 0) return;
  facts_.has_other_text = true;
  if (facts_.is_log) return;
  std::string what = lines == 1 ? "a line that is" : fmt::format("{} lines that are", lines);
  outer_.complain(other_first_, what + " no part of a report");
}

void TextReader::found(Finding finding) {
  if (finding.leak.objects.size() == 1) {
    const LeakedObject& object = finding.leak.objects.front();
    Fnv1a hash;
    hash.add(finding.host);
    hash.add(static_cast<u64>(finding.memory));
    hash.add(object.address.value);
    hash.add(object.size_bytes);
    hash.add(object.jiffies.value_or(0));
    if (!seen_.add(hash.value())) {
      ++facts_.repeated;
      return;
    }
  }
  ++facts_.records;
  ++host_of(finding.host).records;
  outer_.found(std::move(finding));
}

void TextReader::end_host(Host& host) {
  host.kmemleak.end();
  host.pages.end();
  facts_.announced += host.kmemleak.announced();
  if (host.records == 0) facts_.announced_only += host.kmemleak.announced();
  facts_.has_given_up |= host.kmemleak.has_given_up();
}

void TextReader::end() {
  for (auto& [name, host] : hosts_) end_host(host);
  hosts_.clear();
  end_other_text();
}

}  // namespace orphan::logs
