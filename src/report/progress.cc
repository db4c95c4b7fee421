// SPDX-License-Identifier: Apache-2.0
#include "report/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cstdlib>

#include "report/format.h"

namespace orphan {
namespace {

constexpr std::string_view kEmptyLine = "\r\x1b[K";

bool understands_escapes(int fd) {
  const char* term = std::getenv("TERM");
  return ::isatty(fd) == 1 && (term == nullptr || std::string_view(term) != "dumb");
}

std::size_t columns_of(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

// A progress line that cannot be written is not worth an error.
void write_or_forget(int fd, std::string_view text) {
  [[maybe_unused]] ssize_t ignored = ::write(fd, text.data(), text.size());
}

}  // namespace

Progress::Progress(int fd, std::function<Time()> now) : fd_(fd), is_terminal_(understands_escapes(fd)), now_(std::move(now)) {}

void Progress::step(std::string_view text, std::optional<double> fraction) {
  if (!is_terminal_) return;
  Time now = now_();
  bool is_new = !is_drawn_ || text != text_;
  const std::optional<Time>& oldest = draws_[next_];
  const std::optional<Time>& newest = draws_[(next_ + kDrawsPerSecond - 1) % kDrawsPerSecond];
  if (oldest && now - *oldest < std::chrono::seconds(1)) return;
  if (!is_new && newest && now - *newest < std::chrono::milliseconds(1000 / kDrawsPerSecond)) return;
  text_ = text;
  draw(fraction);
  is_drawn_ = true;
  draws_[next_] = now;
  next_ = (next_ + 1) % kDrawsPerSecond;
}

void Progress::draw(std::optional<double> fraction) const {
  std::string line = printable(text_);
  // Written so that a NaN counts as 0.
  if (fraction) line += fmt::format(" {:.0f}%", *fraction > 0 ? std::min(*fraction, 1.0) * 100 : 0.0);
  // A line that fills the last column wraps, and could not be cleared.
  line.resize(std::min(line.size(), columns_of(fd_) - 1));
  write_or_forget(fd_, std::string(kEmptyLine) + line);
}

void Progress::clear() {
  if (is_drawn_) write_or_forget(fd_, kEmptyLine);
  is_drawn_ = false;
}

}  // namespace orphan
