// SPDX-License-Identifier: Apache-2.0
#include "logs/slub_tracks.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "logs/slub_record.h"
#include "logs/slub_stack.h"
#include "report/format.h"

namespace orphan::logs {
namespace {

std::string_view take_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

bool take_number(std::string_view& text, u64& number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

// "age=125" or "age=125/3500/9000": the youngest, the mean, the oldest.
void read_age(std::string_view text, SlubTrack& track) {
  u64 youngest = 0, oldest = 0;
  if (!take_number(text, youngest)) return;
  track.youngest = track.oldest = youngest;
  std::size_t last = text.rfind('/');
  if (last == std::string_view::npos) return;
  text.remove_prefix(last + 1);
  if (take_number(text, oldest)) track.oldest = std::max(oldest, youngest);
}

// The first line of an entry. A function that is not known is "<not-available>".
bool read_first(std::string_view line, SlubTrack& track) {
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  if (!take_number(line, track.count) || !line.starts_with(' ') || track.count == 0) return false;
  std::string_view caller = line;
  FrameLine frames = read_frame_line(caller);
  if (frames.count == 1) track.stack.push_back(frame_of(frames.frames[0].symbol, frames.frames[0].address));
  bool is_known = !track.stack.empty() || line.find("<not-available>") != std::string_view::npos;
  while (!line.empty()) {
    std::string_view word = take_word(line);
    if (word.starts_with("age=")) read_age(word.substr(4), track);
    if (word.starts_with("pid=")) track.pids = word.substr(4);
    if (word.starts_with("waste=")) {
      std::string_view number = word.substr(6);
      take_number(number, track.wasted_bytes);
    }
  }
  return is_known;
}

bool is_frame(std::string_view line, Frame& frame) {
  if (!line.starts_with(' ') && !line.starts_with('\t')) return false;
  FrameLine frames = read_frame_line(line);
  if (frames.count != 1) return false;
  frame = frame_of(frames.frames[0].symbol, frames.frames[0].address);
  return true;
}

// Where there is a stack its allocator's frames are left out, and what the first line has named is in it.
void put_stack(SlubTrack& track, std::vector<Frame>& stack) {
  if (stack.empty()) return;
  leave_out_slub(stack);
  track.stack = std::move(stack);
  stack.clear();
}

}  // namespace

Result<std::vector<SlubTrack>> read_slub_tracks(std::string_view text) {
  std::vector<SlubTrack> tracks;
  std::vector<Frame> stack;
  u64 number = 0;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    ++number;
    if (line.empty() || line == "No data") continue;
    Frame frame;
    if (!tracks.empty() && is_frame(line, frame)) {
      stack.push_back(std::move(frame));
      continue;
    }
    if (!tracks.empty()) put_stack(tracks.back(), stack);
    SlubTrack track;
    if (!read_first(line, track))
      return Error(ErrorCode::BadData, fmt::format("line {}: '{}' is none of alloc_traces", number, printable(line)));
    tracks.push_back(std::move(track));
  }
  if (!tracks.empty()) put_stack(tracks.back(), stack);
  return tracks;
}

std::string stack_key(const std::vector<Frame>& stack) {
  std::string key;
  for (const Frame& frame : stack) key += frame.is_inlined ? "" : to_string(frame) + '\n';
  return key;
}

std::map<std::string, u64> growth(const std::vector<Leak>& before, const std::vector<Leak>& after) {
  std::map<std::string, u64> then, grown;
  for (const Leak& group : before) then[stack_key(group.stack)] += group.total.count;
  for (const Leak& group : after) {
    std::string key = stack_key(group.stack);
    if (group.total.count > then[key]) grown[key] = group.total.count - then[key];
  }
  return grown;
}

std::vector<Leak> groups_of_tracks(const std::vector<SlubTrack>& tracks, std::string_view cache, double ticks_a_second) {
  std::vector<Leak> groups;
  std::map<std::string, std::size_t> known;  // by stack
  for (const SlubTrack& track : tracks) {
    auto [at, is_new] = known.try_emplace(stack_key(track.stack), groups.size());
    if (is_new) {
      groups.push_back({.kind = BlockKind::Slab, .cache = std::string(cache), .total = {}, .stack = track.stack});
      groups.back().was_seen = true;
    }
    Leak& group = groups[at->second];
    group.total.count += track.count;
    if (ticks_a_second <= 0 || !track.youngest) continue;
    double youngest = static_cast<double>(*track.youngest) / ticks_a_second,
           oldest = static_cast<double>(*track.oldest) / ticks_a_second;
    if (!group.times) group.times = {.count = 0, .first_s = oldest, .last_s = youngest};
    group.times->count += track.count;
    group.times->first_s = std::max(group.times->first_s, oldest);
    group.times->last_s = std::min(group.times->last_s, youngest);
  }
  return groups;
}

}  // namespace orphan::logs
