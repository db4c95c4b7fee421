// SPDX-License-Identifier: Apache-2.0
#include "kernel/source.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>

#include "base/fd.h"
#include "kernel/symbols.h"

namespace orphan::kernel {
namespace {

// Takes the text up to `separator` off the front, and the separator.
std::string_view take(std::string_view& text, char separator) {
  std::string_view part = text.substr(0, text.find(separator));
  text.remove_prefix(std::min(part.size() + 1, text.size()));
  return part;
}

bool take_number(std::string_view& text, u64& number) {
  std::string_view part = take(text, ' ');
  auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), number, 16);
  return error == std::errc() && end == part.data() + part.size();
}

Result<std::string> list_directory(const std::string& path) {
  std::error_code error;
  std::filesystem::directory_iterator entry(path, error);
  if (error) return system_error(path, error.value());
  std::string list;
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    std::error_code not_a_link;
    std::filesystem::path target = std::filesystem::read_symlink(entry->path(), not_a_link);
    list += entry->path().filename().string();
    if (!not_a_link) list += '\t' + target.string();
    list += '\n';
  }
  return list;
}

// The second number of statm, in pages.
Result<std::string> resident_memory() {
  std::string text = TRY(read_file("/proc/self/statm"));
  std::string_view rest = text;
  take(rest, ' ');
  std::string_view word = take(rest, ' ');
  u64 pages = 0;
  std::from_chars(word.data(), word.data() + word.size(), pages);
  return std::to_string(pages * static_cast<u64>(::sysconf(_SC_PAGESIZE)));
}

int usable_cpus() {
  cpu_set_t cpus;
  // A machine with more CPUs than the set has bits has more than one.
  return ::sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 2;
}

}  // namespace

Result<std::unique_ptr<LiveSource>> LiveSource::open(const TargetPaths& paths, unsigned threads) {
  Kcore kcore = TRY(Kcore::open(paths.kcore));
  std::unique_ptr<LiveSource> source(new LiveSource(std::move(kcore), paths));
  if (threads > 1 && usable_cpus() > 1) {
    source->second_ = TRY(source->kcore_.reopen());
    source->read_ahead_ = ReadAheadMemory::start(source->kcore_, *source->second_);
  }
  return source;
}

Result<std::unique_ptr<LiveSource>> LiveSource::renewed() const {
  Kcore now = TRY(kcore_.with_todays_table());
  if (std::ranges::equal(now.segments(), kcore_.segments())) return std::unique_ptr<LiveSource>();
  return std::unique_ptr<LiveSource>(new LiveSource(std::move(now), paths_));
}

const Memory& LiveSource::memory() const {
  if (read_ahead_) return *read_ahead_;
  return kcore_;
}

Result<std::string> LiveSource::text(std::string_view name) {
  using namespace std::chrono;
  if (name == text::kSegments) return print(kcore_.segments());
  if (name == text::kVmcoreinfo) return kcore_.vmcoreinfo();
  if (name == text::kSelf) {
    std::vector<int> descriptors{kcore_.descriptor()};
    if (second_) descriptors.push_back(second_->descriptor());
    Self self = TRY(Self::read(std::move(descriptors)));
    return print(self);
  }
  if (name == text::kDate) return std::to_string(system_clock::to_time_t(system_clock::now()));
  if (name == text::kResident) return resident_memory();
  if (name.starts_with(text::kSeconds))
    return fmt::format("{:.6f}", duration<double>(steady_clock::now().time_since_epoch()).count());
  if (name == paths_.kallsyms) return Symbols::read_proc(paths_.kallsyms);
  return read_text(name);
}

Result<std::string> read_text(std::string_view path) {
  std::string owned(path);
  return owned.ends_with('/') ? list_directory(owned) : read_file(owned);
}

std::string print(std::span<const CoreSegment> segments) {
  std::string text;
  for (const CoreSegment& segment : segments)
    text += fmt::format("{:x} {:x} {:x}\n", segment.vaddr.value, segment.physical, segment.size);
  return text;
}

Result<std::vector<CoreSegment>> parse_segments(std::string_view text) {
  std::vector<CoreSegment> segments;
  while (!text.empty()) {
    std::string_view line = take(text, '\n');
    CoreSegment segment;
    bool is_right =
        take_number(line, segment.vaddr.value) && take_number(line, segment.physical) && take_number(line, segment.size);
    if (!is_right || segment.size == 0 || segment.size - 1 > ~segment.vaddr.value)
      return Error(ErrorCode::BadData, fmt::format("segment {} is none", segments.size() + 1));
    segments.push_back(segment);
  }
  return segments;
}

std::string print(const Self& self) {
  std::string text = fmt::format("{:x}", self.start_stack);
  for (int descriptor : self.descriptors) text += fmt::format(" {:x}", descriptor);
  return text;
}

Result<Self> parse_self(std::string_view text) {
  Self self;
  bool is_right = take_number(text, self.start_stack);
  while (is_right && !text.empty()) {
    u64 descriptor = 0;
    is_right = take_number(text, descriptor) && descriptor <= INT32_MAX;
    self.descriptors.push_back(static_cast<int>(descriptor));
  }
  if (!is_right) return Error(ErrorCode::BadData, "the facts about the process that scans are none");
  return self;
}

std::vector<Entry> parse_directory(std::string_view text) {
  std::vector<Entry> entries;
  while (!text.empty()) {
    std::string_view line = take(text, '\n');
    std::string_view name = take(line, '\t');
    if (!name.empty()) entries.push_back({name, line});
  }
  return entries;
}

}  // namespace orphan::kernel
