// SPDX-License-Identifier: Apache-2.0
// The readings of one sample, kept until it is known where they belong.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "watch/series.h"

namespace orphan::watch {

class ReadingList : public Sink {
 public:
  void add(const Reading& reading) override {
    entries_.push_back({reading, std::string(reading.name), std::string(reading.field)});
  }
  bool has(Kind kind, std::string_view name) const override {
    for (const Entry& entry : entries_) {
      if (entry.reading.kind == kind && entry.name == name) return true;
    }
    return false;
  }
  bool is_empty() const { return entries_.empty(); }
  bool has_field(Kind kind, std::string_view field) const {
    for (const Entry& entry : entries_) {
      if (entry.reading.kind == kind && entry.field == field) return true;
    }
    return false;
  }
  // Hands them on, and has none afterwards.
  void move_to(Sink& sink) {
    for (Entry& entry : entries_) {
      entry.reading.name = entry.name;
      entry.reading.field = entry.field;
      sink.add(entry.reading);
    }
    entries_.clear();
  }

 private:
  struct Entry {
    Reading reading;  // its texts are those behind it
    std::string name, field;
  };
  std::vector<Entry> entries_;
};

}  // namespace orphan::watch
