// SPDX-License-Identifier: Apache-2.0
#include "logs/page_owner_reader.h"

#include <algorithm>
#include <array>
#include <utility>

#include "logs/frame_text.h"

namespace orphan::logs {
namespace {

// Nothing tells how large a page is: it is 4 KiB nearly everywhere.
constexpr u64 kPageBytes = 4096;
constexpr u64 kMaxOrder = 20;
constexpr u64 kMaxTimes = u64{1} << 30;
constexpr std::size_t kMaxFrames = 64;

std::string comm_in(std::string_view text) {
  std::size_t tgid = text.find(", tgid ");
  if (tgid == std::string_view::npos) return {};
  text.remove_prefix(tgid);
  std::size_t open = text.find(" (");
  // A name may have a parenthesis in it; what follows is fixed.
  std::size_t close = text.find("), ts ");
  if (open == std::string_view::npos || close == std::string_view::npos || close < open + 2) return {};
  return std::string(text.substr(open + 2, close - open - 2));
}

// Of a page, between the first line and the frames, or behind them.
bool is_detail(std::string_view text) {
  constexpr auto kDetails =
      std::to_array<std::string_view>({"PFN ", "Page has been migrated", "Charged ", "Block ", "Slab cache page"});
  return std::ranges::any_of(kDetails, [&](std::string_view word) { return text.starts_with(word); });
}

// "12 times, 48 pages:".
bool take_times(std::string_view text, u64& times) {
  u64 pages = 0;
  return take_number(text, times) && skip(text, " times, ") && take_number(text, pages) && skip(text, " pages") &&
         (text.starts_with(':') || text.starts_with(',')) && times != 0 && times <= kMaxTimes;
}

}  // namespace

bool PageOwnerReader::take(const LogLine& line, u64 number) {
  std::string_view text = line.text;
  skip_blanks(text);
  if (text.starts_with("Page allocated via order ")) return take_head(text, line, number);
  if (u64 times = 0; take_times(text, times)) {
    finish();
    times_ = times;
    return true;
  }
  if (take_count(text, line)) return true;
  if (text.empty()) {
    bool was_inside = is_inside_;
    finish();
    loose_.clear();
    return was_inside;
  }
  if ((is_inside_ || is_skipped_) && is_detail(text)) return true;
  if (take_frame(line)) return is_inside_ || is_skipped_;
  finish();
  loose_.clear();
  return false;
}

bool PageOwnerReader::take_head(std::string_view text, const LogLine& line, u64 number) {
  finish();
  loose_.clear();
  u64 times = std::exchange(times_, 1), order = 0;
  skip(text, "Page allocated via order ");
  if (!take_number(text, order) || order > kMaxOrder) {
    hooks_.complain(number, "a page without an order: not counted");
    is_skipped_ = true;
    return true;
  }
  u64 bytes = kPageBytes << order;
  finding_ = {.memory = Memory::Pages, .is_leak = false, .host = std::string(line.host)};
  finding_.leak.kind = BlockKind::Pages;
  finding_.leak.cache = "pages";
  finding_.leak.object_size_bytes = bytes;
  finding_.leak.total = {times, times * bytes};
  if (std::string comm = comm_in(text); !comm.empty()) finding_.leak.comms = {{comm, times}};
  is_inside_ = true;
  return true;
}

// Behind its frames.
bool PageOwnerReader::take_count(std::string_view text, const LogLine& line) {
  u64 count = 0;
  if (!skip(text, "stack_count:") && !skip(text, "nr_base_pages:")) return false;
  skip_blanks(text);
  if (!take_number(text, count) || count > kMaxTimes || loose_.empty()) return false;
  finding_ = {.memory = Memory::Pages, .is_leak = false, .host = std::string(line.host)};
  finding_.leak.kind = BlockKind::Pages;
  finding_.leak.cache = "pages";
  finding_.leak.object_size_bytes = kPageBytes;
  finding_.leak.total = {count, count * kPageBytes};
  finding_.leak.stack = std::exchange(loose_, {});
  is_inside_ = true;
  finish();
  return true;
}

bool PageOwnerReader::take_frame(const LogLine& line) {
  auto frame = read_frame(line.text, line.text.starts_with(' '));
  if (!frame) return false;
  std::vector<Frame>& stack = is_inside_ ? finding_.leak.stack : loose_;
  if (!is_end_of_stack(*frame) && stack.size() < kMaxFrames) stack.push_back(std::move(*frame));
  return true;
}

void PageOwnerReader::finish() {
  is_skipped_ = false;
  if (!std::exchange(is_inside_, false)) return;
  hooks_.found(std::exchange(finding_, {}));
}

}  // namespace orphan::logs
