// SPDX-License-Identifier: Apache-2.0
// Stacks of a trace: one that is being read, and the different ones that were. The same few are printed over and over, so their
// text is compared, and only that of a new one is taken apart.
#pragma once
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "logs/slub_record.h"
#include "report/report.h"

namespace orphan::logs {

class SlubStack {
 public:
  static constexpr std::size_t kMaxFrames = 128;

  void clear();
  // Innermost first. The end, which some kernels print as an address of all ones, is none. Behind kMaxFrames nothing is kept.
  void add(const FrameText& frame);
  bool is_empty() const { return frames_.empty(); }
  // Of a line "f from g" is f the function that came last? Where it is not, a line is missing.
  bool ends_in(std::string_view name) const { return !is_empty() && (name.empty() || this->name(frames_.back()) == name); }
  // Does `name` begin another stack: is it of the printing, and was something else before it?
  bool is_begun_again_by(std::string_view name) const { return has_others_ && is_frame_of_printing(name); }

  enum class Kind : u8 {
    Alloc,
    Free,
    Unknown,  // no frame has a name
    Foreign,  // it has names, and none at its start is an allocator's
  };
  Kind kind() const;
  // It has a function of SLUB's that only a trace of it calls.
  bool is_of_slub() const;

  // The frames of who called the allocator, without SLUB's own in front, and without guesses if there is anything else.
  struct Entry {
    u32 at = 0, symbol_size = 0, name_size = 0;  // in text_
    bool is_reliable = true;
    u64 address = 0;
  };
  std::string_view symbol(const Entry& entry) const { return std::string_view(text_).substr(entry.at, entry.symbol_size); }
  std::string_view name(const Entry& entry) const { return std::string_view(text_).substr(entry.at, entry.name_size); }
  std::vector<Entry> callers() const;

 private:
  std::string text_;
  std::vector<Entry> frames_;
  bool has_others_ = false;
};

// Takes the frames of SLUB's own off the start of a stack, as far as they have names, unless there would be none left.
void leave_out_slub(std::vector<Frame>& stack);

class SlubStacks {
 public:
  static constexpr std::size_t kMaxStacks = 1 << 18;
  static constexpr u32 kNone = 0;

  // kNone where it has no frames, or there are too many stacks, which are counted.
  u32 id_of(const SlubStack& stack);
  const std::vector<Frame>& frames(u32 id) const { return stacks_[id]; }
  u64 left_out() const { return left_out_; }

 private:
  std::string key_;
  std::unordered_map<std::string, u32> ids_;
  std::vector<std::vector<Frame>> stacks_ = {{}};
  u64 left_out_ = 0;
};

}  // namespace orphan::logs
