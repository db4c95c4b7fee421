// SPDX-License-Identifier: Apache-2.0
#include "logs/text_input.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/verify.h"

namespace orphan::logs {
namespace {

constexpr std::size_t kPiece = 1 << 17;
constexpr std::string_view kGzipMagic = "\x1f\x8b";
constexpr std::string_view kZstdMagic = "\x28\xb5\x2f\xfd";

Error damaged(std::string_view what) {
  return {ErrorCode::BadData, fmt::format("{}; what came before is used", what)};
}

}  // namespace

Result<TextInput> TextInput::open(const std::string& path) {
  Fd fd;
  if (path == "-") {
    fd = Fd(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0));
    if (fd.value() < 0) return system_error("standard input", errno);
  } else {
    fd = TRY(open_file(path, O_RDONLY | O_NOCTTY));
    struct stat status;
    if (::fstat(fd.value(), &status) == 0 && S_ISDIR(status.st_mode))
      return Error(ErrorCode::Usage, path + ": a directory: name the files in it, or give --recursive");
  }
  TextInput input(std::move(fd));
  auto started = input.start();
  if (!started) return std::move(started).error().in(path == "-" ? "standard input" : path);
  return input;
}

Result<void> TextInput::start() {
  raw_.resize(kPiece);
  // A pipe may give fewer bytes than a magic number has.
  while (raw_end_ < kZstdMagic.size() && TRY(fill())) {
  }
  std::string_view head(raw_.data(), raw_end_);
  if (head.starts_with(kGzipMagic)) {
    constexpr int kGzipOnly = 16;
    gzip_.reset(new z_stream{});
    VERIFY(inflateInit2(gzip_.get(), MAX_WBITS + kGzipOnly) == Z_OK);
  } else if (head.starts_with(kZstdMagic)) {
    zstd_.reset(ZSTD_createDStream());
    VERIFY(zstd_ != nullptr);
  }
  if (gzip_ || zstd_) plain_.resize(kPiece);
  return {};
}

Result<bool> TextInput::fill() {
  if (raw_at_ == raw_end_) raw_at_ = raw_end_ = 0;
  VERIFY(raw_end_ < raw_.size());
  for (;;) {
    ssize_t got = ::read(fd_.value(), raw_.data() + raw_end_, raw_.size() - raw_end_);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("cannot be read", errno);
    raw_end_ += static_cast<std::size_t>(got);
    return got > 0;
  }
}

Result<std::string_view> TextInput::read() {
  if (journal_) return read_journal();
  std::string_view piece = TRY(read_plain());
  if (has_head_) return piece;
  has_head_ = true;
  // A journal begins with more than a pipe gives at least; one that comes in single bytes is not told.
  auto format = Journal::format_of(piece);
  if (!format) return piece;
  journal_.emplace(*format);
  journal_->take(piece, lines_);
  return lines_.empty() ? read_journal() : Result<std::string_view>(lines_);
}

Result<std::string_view> TextInput::read_journal() {
  lines_.clear();
  while (lines_.empty()) {
    std::string_view piece = TRY(read_plain());
    if (piece.empty()) {
      journal_->end(lines_);
      break;
    }
    journal_->take(piece, lines_);
  }
  return std::string_view(lines_);
}

Result<std::string_view> TextInput::read_plain() {
  if (gzip_) return read_gzip();
  if (zstd_) return read_zstd();
  if (raw_at_ == raw_end_) TRY(fill());
  std::string_view piece(raw_.data() + raw_at_, raw_end_ - raw_at_);
  raw_at_ = raw_end_;
  return piece;
}

Result<std::string_view> TextInput::end() const {
  if (is_inside_) return damaged("the compressed data is cut short: is the file complete?");
  return std::string_view();
}

Result<std::string_view> TextInput::read_gzip() {
  for (;;) {
    if (is_damaged_) return damaged("the gzip data is damaged");
    if (raw_at_ == raw_end_ && !is_full_ && !TRY(fill())) return end();
    gzip_->next_in = reinterpret_cast<Bytef*>(raw_.data() + raw_at_);
    gzip_->avail_in = static_cast<uInt>(raw_end_ - raw_at_);
    gzip_->next_out = reinterpret_cast<Bytef*>(plain_.data());
    gzip_->avail_out = static_cast<uInt>(plain_.size());
    int status = inflate(gzip_.get(), Z_NO_FLUSH);
    raw_at_ = raw_end_ - gzip_->avail_in;
    is_inside_ = status != Z_STREAM_END;
    // Files of rotated logs are often several members, one behind the other.
    if (status == Z_STREAM_END) VERIFY(inflateReset(gzip_.get()) == Z_OK);
    is_full_ = gzip_->avail_out == 0;
    is_damaged_ = status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR;
    std::size_t got = plain_.size() - gzip_->avail_out;
    if (got != 0) return std::string_view(plain_.data(), got);
  }
}

Result<std::string_view> TextInput::read_zstd() {
  for (;;) {
    if (is_damaged_) return damaged("the zstd data is damaged");
    if (raw_at_ == raw_end_ && !is_full_ && !TRY(fill())) return end();
    ZSTD_inBuffer in{raw_.data(), raw_end_, raw_at_};
    ZSTD_outBuffer out{plain_.data(), plain_.size(), 0};
    std::size_t left = ZSTD_decompressStream(zstd_.get(), &out, &in);
    is_damaged_ = ZSTD_isError(left) != 0;
    is_full_ = out.pos == out.size;
    raw_at_ = in.pos;
    is_inside_ = left != 0;
    if (out.pos != 0) return std::string_view(plain_.data(), out.pos);
  }
}

Result<std::optional<std::string_view>> LineReader::next() {
  carried_.clear();
  bool is_carried = false;
  while (!has_ended_) {
    if (piece_.empty()) {
      auto piece = input_.read();
      has_ended_ = !piece || piece->empty();
      if (!piece) return std::move(piece).error();
      piece_ = *piece;
      if (has_ended_) break;
    }
    std::size_t end = piece_.find('\n');
    std::string_view part = piece_.substr(0, end);
    piece_.remove_prefix(end == std::string_view::npos ? piece_.size() : end + 1);
    bool is_whole = end != std::string_view::npos;
    if (is_whole && !is_carried) {
      ++number_;
      return std::optional(part.substr(0, kMaxLine));
    }
    is_carried = true;
    carried_.append(part.substr(0, kMaxLine - carried_.size()));
    if (is_whole) break;
  }
  if (!is_carried) return std::optional<std::string_view>();
  ++number_;
  return std::optional<std::string_view>(carried_);
}

}  // namespace orphan::logs
