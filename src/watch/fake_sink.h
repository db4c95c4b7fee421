// SPDX-License-Identifier: Apache-2.0
// A sink that remembers the last sample, by "kind/name/field", in the series' unit.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "watch/series.h"

namespace orphan::watch {

class FakeSink : public Sink {
 public:
  void add(const Reading& reading) override {
    std::string kind(word(reading.kind)), name(reading.name);
    now_[kind + "/" + name + "/" + std::string(reading.field)] = reading.value * reading.scale;
    names_now_.insert(kind + "/" + name);
  }
  bool has(Kind kind, std::string_view name) const override {
    return names_.contains(std::string(word(kind)) + "/" + std::string(name));
  }
  void end() {
    last_ = std::exchange(now_, {});
    names_ = std::exchange(names_now_, {});
  }
  // In the last sample.
  std::optional<i64> value(const std::string& series) const {
    auto found = last_.find(series);
    return found == last_.end() ? std::nullopt : std::optional(found->second);
  }
  const std::map<std::string, i64>& all() const { return last_; }

 private:
  std::map<std::string, i64> now_, last_;
  std::set<std::string> names_now_, names_;
};

}  // namespace orphan::watch
