// SPDX-License-Identifier: Apache-2.0
#include "logs/slub_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>

#include "logs/text_input.h"

namespace orphan::logs {
namespace {

constexpr std::size_t kLongestRecord = 1 << 14;  // the kernel's own limit is 8 KiB
constexpr int kNapMs = 100;

u64 records_of(const SlubTrace& trace) {
  const SlubCounts& counts = trace.counts();
  return counts.allocs + counts.frees + counts.damaged;
}

std::string name_of(const std::string& path) {
  return path == "-" ? "standard input" : path;
}

}  // namespace

Result<void> read_slub_log(const std::string& path, SlubTrace& trace, const SlubTrace::Complain& complain) {
  u64 before = records_of(trace);
  TextInput input = TRY(TextInput::open(path));
  LineReader lines(input);
  for (;;) {
    auto line = lines.next();
    if (!line) {
      complain(lines.number() + 1, line.error().text());
      break;
    }
    if (!*line) break;
    trace.take(**line, lines.number());
  }
  trace.end_file();
  if (records_of(trace) != before) return {};
  return Error(ErrorCode::BadData,
               fmt::format("{}: there is no record of a SLUB trace in it: is it a kernel's log, and was the kernel booted with "
                           "slub_debug=T,CACHE?",
                           name_of(path)));
}

Result<Kmsg> Kmsg::open(const std::string& path) {
  Fd fd = TRY(open_file(path, O_RDONLY | O_NONBLOCK));
  // What was printed before is not of the trace.
  if (::lseek(fd.value(), 0, SEEK_END) < 0) return system_error(path, errno);
  return Kmsg(std::move(fd));
}

Result<void> Kmsg::follow(const KmsgWatch& watch, SlubTrace& trace) {
  using Clock = std::chrono::steady_clock;
  auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(watch.seconds));
  std::array<char, kLongestRecord> record;
  u64 number = 0;
  while (watch.keep_going()) {
    // Each call gives one record; behind its first line come the device's names.
    ssize_t size = ::read(fd_.value(), record.data(), record.size());
    if (size > 0) {
      std::string_view text(record.data(), static_cast<std::size_t>(size));
      trace.take(text.substr(0, text.find('\n')), ++number);
      // Whoever prints all the time is not waited for.
      if (number % 1024 != 0 || Clock::now() < end) continue;
      break;
    }
    // EPIPE: records were overwritten before they were read; the next one's number tells how many.
    bool is_empty = size == 0 || errno == EAGAIN || errno == EPIPE || errno == EINTR;
    if (!is_empty) return system_error(watch.path, errno);
    if (watch.look) watch.look();
    if (Clock::now() >= end) break;
    pollfd poll{.fd = fd_.value(), .events = POLLIN, .revents = 0};
    // A file that is no kmsg is always ready.
    if (size == 0)
      ::poll(nullptr, 0, kNapMs);
    else
      ::poll(&poll, 1, kNapMs);
  }
  return {};
}

}  // namespace orphan::logs
