// SPDX-License-Identifier: Apache-2.0
#include "watch/sampler.h"

#include <fmt/format.h>
#include <unistd.h>

#include <ctime>
#include <map>
#include <utility>

#include "watch/kernel_texts.h"
#include "watch/line_reader.h"

namespace orphan::watch {
namespace {

// Call sites that have less, and do not grow, are not worth a series each: there are thousands.
constexpr i64 kLargeSiteBytes = 1 << 20, kSlackSiteBytes = 64 << 10;
// Of the interval, for reading PSS.
constexpr double kPssShare = 0.0003;

template <typename Take>
Result<void> each_line(const std::string& path, Take take) {
  LineReader reader = TRY(LineReader::open(path));
  for (;;) {
    std::optional<std::string_view> line = TRY(reader.next());
    if (!line) return {};
    take(*line);
  }
}

std::string first_line(const std::string& path) {
  auto text = read_file(path);
  return text ? text->substr(0, text->find('\n')) : "";
}

i64 now_ms(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace

Sampler::Sampler(const SamplerOptions& options)
    : root_(options.root),
      page_bytes_(::sysconf(_SC_PAGESIZE)),
      processes_(root_ + "/proc", options.top, static_cast<i64>(options.interval_s * kPssShare * 1e9)),
      cgroups_(root_ + "/sys/fs/cgroup", options.top),
      sites_(kSlackSiteBytes) {
  records_.push_back({"kernel", RecordCount(root_ + "/sys/kernel/debug/kmemleak")});
  records_.push_back({"orphan", RecordCount(root_ + "/run/orphan/kernel/kmemleak")});
}

void Sampler::skip(const Error& error) {
  if (named_.insert(error.text()).second) skipped_.push_back(error.text());
}

std::vector<std::string> Sampler::take_skipped() {
  return std::exchange(skipped_, {});
}

void Sampler::sample(Sink& sink) {
  for (auto part : {&Sampler::sample_memory, &Sampler::sample_slabs, &Sampler::sample_vmalloc, &Sampler::sample_buddies,
                    &Sampler::sample_pressure}) {
    if (auto done = (this->*part)(sink); !done) skip(done.error());
  }
  if (auto done = sample_sites(sink); !done) skip(done.error());
  if (auto done = processes_.sample(sink); !done) skip(done.error());
  if (auto done = cgroups_.sample(sink); !done) skip(done.error());
  sample_records(sink);
}

Result<void> Sampler::sample_memory(Sink& sink) const {
  return each_line(proc("meminfo"), [&](std::string_view text) {
    if (auto line = parse_meminfo(text)) add_line(sink, *line);
  });
}

Result<void> Sampler::sample_slabs(Sink& sink) const {
  auto version = SlabVersion::Two;
  return each_line(proc("slabinfo"), [&](std::string_view text) {
    if (auto named = parse_slabinfo_version(text)) version = *named;
    if (auto line = parse_slabinfo(text, version)) add_line(sink, *line, page_bytes_);
  });
}

Result<void> Sampler::sample_vmalloc(Sink& sink) const {
  struct Sum {
    i64 areas = 0, pages = 0;
  };
  std::map<std::string, Sum> callers;
  TRY(each_line(proc("vmallocinfo"), [&](std::string_view text) {
    auto line = parse_vmallocinfo(text);
    if (!line) return;
    std::string name(line->caller);
    if (!line->module.empty()) name += fmt::format(" [{}]", line->module);
    Sum& sum = callers[name];
    ++sum.areas;
    sum.pages += line->pages.value_or(0);
  }));
  for (const auto& [name, sum] : callers) {
    sink.add({.kind = Kind::Vmalloc, .name = name, .field = "areas", .value = sum.areas});
    sink.add(
        {.kind = Kind::Vmalloc, .unit = Unit::Bytes, .scale = page_bytes_, .name = name, .field = "bytes", .value = sum.pages});
  }
  return {};
}

Result<void> Sampler::sample_sites(Sink& sink) {
  sites_.begin_sample();
  auto done = each_line(proc("allocinfo"), [&](std::string_view text) {
    auto line = parse_allocinfo(text);
    if (!line) return;
    Choice::Entry& site = sites_.note(std::hash<std::string_view>()(line->where), line->bytes);
    if (line->bytes >= kLargeSiteBytes || sink.has(Kind::Site, line->where)) site.is_chosen = true;
    if (!site.is_chosen) return;
    sink.add({.kind = Kind::Site, .unit = Unit::Bytes, .name = line->where, .field = "bytes", .value = line->bytes});
    sink.add({.kind = Kind::Site, .name = line->where, .field = "calls", .value = line->calls});
  });
  sites_.end_sample();
  return done;
}

Result<void> Sampler::sample_buddies(Sink& sink) const {
  return each_line(proc("buddyinfo"), [&](std::string_view text) {
    if (auto line = parse_buddyinfo(text)) add_line(sink, *line);
  });
}

Result<void> Sampler::sample_pressure(Sink& sink) const {
  return each_line(proc("pressure/memory"), [&](std::string_view text) {
    auto line = parse_pressure(text);
    if (!line) return;
    std::string_view field = line->is_full ? "full" : "some";
    sink.add({.kind = Kind::Pressure, .unit = Unit::Microseconds, .name = "memory", .field = field, .value = line->total_us});
  });
}

void Sampler::sample_records(Sink& sink) {
  for (Records& records : records_) {
    auto count = records.count.ask();
    if (!count) {
      skip(count.error());
    } else if (*count) {
      sink.add({.kind = Kind::Kmemleak, .name = records.name, .field = "records", .value = **count});
    }
  }
}

Result<Origin> this_origin(const std::string& root) {
  std::string kernel = root + "/proc/sys/kernel/";
  Origin origin{.boot_id = first_line(kernel + "random/boot_id"),
                .host = first_line(kernel + "hostname"),
                .release = first_line(kernel + "osrelease"),
                .page_bytes = ::sysconf(_SC_PAGESIZE)};
  if (origin.boot_id.empty())
    return Error(ErrorCode::NotFound, kernel + "random/boot_id cannot be read: is /proc mounted there?");
  return origin;
}

Stamp this_moment() {
  return {.wall_ms = now_ms(CLOCK_REALTIME), .boot_ms = now_ms(CLOCK_BOOTTIME), .awake_ms = now_ms(CLOCK_MONOTONIC)};
}

}  // namespace orphan::watch
