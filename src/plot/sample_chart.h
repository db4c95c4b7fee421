// SPDX-License-Identifier: Apache-2.0
// Samples of which the truth is known, for tests: two days in which a cache leaks, beside a process that does not.
#pragma once
#include <cmath>
#include <functional>
#include <string>
#include <utility>

#include "plot/chart.h"

namespace orphan::plot {

class SampleMachine {
 public:
  explicit SampleMachine(std::size_t samples = 576) {
    samples_.origin.host = "board";
    for (std::size_t i = 0; i < samples; ++i) add_time(static_cast<double>(i) * 300);
  }
  void add_time(double seconds) {
    samples_.times.push_back({.time_ms = kStart + static_cast<i64>(seconds * 1000), .stamp = {}, .boot = 0, .is_start = false});
    samples_.time_h.push_back(static_cast<double>(samples_.times.back().time_ms) / 3.6e6);
  }
  // A series with a value in each sample: of its number.
  void add(watch::Kind kind, const std::string& name, const std::string& field, watch::Unit unit,
           const std::function<double(std::size_t)>& value) {
    watch::TrendInput input;
    input.series = {.id = static_cast<u32>(samples_.inputs.size() + 1),
                    .kind = kind,
                    .name = name,
                    .field = field,
                    .unit = unit,
                    .boot = std::nullopt};
    for (std::size_t i = 0; i < samples_.times.size(); ++i) {
      input.at.push_back(static_cast<u32>(i));
      input.values.push_back(value(i));
    }
    samples_.inputs.push_back(std::move(input));
  }
  // What most tests draw.
  void add_usual(const std::string& process = "steady 1 1") {
    auto wave = [](std::size_t i) { return 1e5 * std::sin(static_cast<double>(i) * 1.7); };
    add(watch::Kind::Memory, "", "MemAvailable", watch::Unit::Bytes,
        [=](std::size_t i) { return 8e9 - 1e6 * static_cast<double>(i) + wave(i); });
    add(watch::Kind::Slab, "kmalloc-4k", "bytes", watch::Unit::Bytes,
        [=](std::size_t i) { return 1e8 + 1e6 * static_cast<double>(i) + wave(i); });
    add(watch::Kind::Process, process, "rss", watch::Unit::Bytes, [=](std::size_t i) { return 5e7 + wave(i); });
  }

  watch::TrendReport report() const { return watch::judge(samples_, {.min_bytes_a_day = 1 << 20}, "0"); }
  Chart chart(const watch::TrendReport& report, const ChartChoice& choice = {}) const {
    Result<Chart> chart = make_chart(samples_, report, choice);
    VERIFY(bool(chart));
    return std::move(*chart);
  }
  const watch::TrendSamples& samples() const { return samples_; }

 private:
  static constexpr i64 kStart = 1'700'000'000'000;  // 2023-11-14 22:13:20 UTC
  watch::TrendSamples samples_;
};

}  // namespace orphan::plot
