// SPDX-License-Identifier: Apache-2.0
#include "watch/import.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <tuple>

#include "base/fd.h"
#include "watch/log_import.h"
#include "watch/segment_file.h"
#include "watch/store.h"

namespace orphan::watch {
namespace {

constexpr u32 kSamplesACommit = 64;

Result<bool> is_compressed(const std::string& path) {
  constexpr std::array<unsigned char, 4> kZstd{0x28, 0xb5, 0x2f, 0xfd};
  Fd fd = TRY(open_file(path, O_RDONLY));
  std::array<unsigned char, 4> start{};
  return ::read(fd.value(), start.data(), start.size()) == static_cast<ssize_t>(start.size()) && start == kZstd;
}

struct Log {
  std::string path;
  i64 start_ms = 0;
};

struct Part {
  std::string path, host, boot_id;
  i64 start_ms = 0, boot_start_ms = 0;  // of it, and of the first one of its boot
};

Result<Part> look_at(const std::string& path) {
  SegmentFile file = TRY(read_segment(path));
  if (file.stamps.empty()) return Error(ErrorCode::BadData, path + ": there are no samples in it");
  return Part{.path = path,
              .host = file.origin.host,
              .boot_id = file.origin.boot_id,
              .start_ms = file.stamps.front().wall_ms,
              .boot_start_ms = 0};
}

// Those of a boot behind each other, the boots in the order of their first samples.
void sort_parts(std::vector<Part>& parts) {
  std::map<std::string, i64> starts;
  for (const Part& part : parts) {
    auto [found, is_new] = starts.emplace(part.boot_id, part.start_ms);
    found->second = std::min(found->second, part.start_ms);
  }
  for (Part& part : parts) part.boot_start_ms = starts[part.boot_id];
  std::ranges::sort(parts, {}, [](const Part& part) {
    return std::tuple(part.host, part.boot_start_ms, part.boot_id, part.start_ms, part.path);
  });
}

Result<u64> store_segment(Store& store, const SegmentFile& file, i64& last_boot_ms) {
  u64 stored = 0;
  for (std::size_t at = 0; at < file.stamps.size(); ++at) {
    // The same segment twice, or one that was exported again after it was thinned.
    if (file.stamps[at].boot_ms <= last_boot_ms) continue;
    last_boot_ms = file.stamps[at].boot_ms;
    for (const SegmentFile::Line& line : file.series) {
      if (!line.values[at]) continue;
      store.add({.kind = line.kind, .unit = line.unit, .name = line.name, .field = line.field, .value = *line.values[at]});
    }
    TRY(store.end(file.stamps[at]));
    ++stored;
  }
  return stored;
}

Result<u64> import_parts(Store& store, const std::vector<Part>& parts) {
  u64 samples = 0;
  std::string boot_id;
  i64 last_boot_ms = 0;
  for (const Part& part : parts) {
    SegmentFile file = TRY(read_segment(part.path));
    if (part.boot_id != boot_id || samples == 0) {
      TRY(store.begin_boot(file.origin));
      boot_id = part.boot_id;
      last_boot_ms = -1;
    }
    samples += TRY(store_segment(store, file, last_boot_ms));
  }
  return samples;
}

}  // namespace

Result<Imported> import_files(const std::string& path, const std::vector<std::string>& files,
                              const std::function<void(const std::string&)>& notice) {
  if (::access(path.c_str(), F_OK) == 0)
    return Error(ErrorCode::Usage, "--store: " + path + " is there already; an import makes a new file");
  std::vector<Log> logs;
  std::vector<Part> parts;
  for (const std::string& file : files) {
    if (TRY(is_compressed(file))) {
      parts.push_back(TRY(look_at(file)));
    } else {
      auto start_ms = TRY(first_date(file));
      logs.push_back({file, start_ms});
    }
  }
  std::ranges::stable_sort(logs, {}, &Log::start_ms);
  sort_parts(parts);
  Store store = TRY(Store::open(path, {.boot_id = "import", .host = "", .release = ""}, {.samples_a_commit = kSamplesACommit}));
  LogImport import(store, notice);
  for (const Log& log : logs) TRY(import.read(log.path));
  TRY(import.finish());
  u64 samples = TRY(import_parts(store, parts));
  TRY(store.finish());
  return Imported{.samples = import.samples() + samples, .junk = import.junk()};
}

}  // namespace orphan::watch
