// SPDX-License-Identifier: Apache-2.0
#include "memory/kcore.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <optional>

namespace orphan {

namespace {

// A call's fixed cost is long paid for at this size, and a signal does not wait too long for its end.
constexpr std::size_t kReadLimit = 1 << 20;
// The notes of a dump of a thousand CPUs have half a megabyte.
constexpr u64 kNotesLimit = 16 << 20;

bool fits_file_offset(u64 offset, u64 size) {
  constexpr u64 kMax = static_cast<u64>(std::numeric_limits<off_t>::max());
  return offset <= kMax && size <= kMax - offset;
}

struct Got {
  std::size_t bytes = 0;
  int error_number = 0;
};
// One pread(2), not interrupted by signals.
Got read_once(int fd, u64 file_offset, std::span<std::byte> out) {
  for (;;) {
    ssize_t got = ::pread(fd, out.data(), std::min(out.size(), kReadLimit), static_cast<off_t>(file_offset));
    if (got >= 0) return {static_cast<std::size_t>(got), 0};
    if (errno != EINTR) return {0, errno};
  }
}

// The bytes of an extent, fewer where the file ends within it.
Result<std::vector<std::byte>> read_extent_of(int fd, const std::string& path, FileExtent extent) {
  if (!fits_file_offset(extent.offset, extent.size) || extent.size > kNotesLimit)
    return Error(ErrorCode::BadData,
                 fmt::format("{}: its headers ask for {:#x} bytes at {:#x} of the file", path, extent.size, extent.offset));
  std::vector<std::byte> bytes(extent.size);
  std::size_t used = 0;
  while (used < bytes.size()) {
    Got got = read_once(fd, extent.offset + used, std::span(bytes).subspan(used));
    if (got.error_number != 0) return system_error(path, got.error_number);
    if (got.bytes == 0) break;
    used += got.bytes;
  }
  bytes.resize(used);
  return bytes;
}

std::string read_lockdown() {
  auto text = read_file("/sys/kernel/security/lockdown");
  return text ? std::move(*text) : std::string();
}

}  // namespace

Error explain_kcore_error(const std::string& path, int error_number, std::string_view lockdown) {
  Error plain = system_error(path, error_number);
  if (plain.code() == ErrorCode::NotFound)
    return {ErrorCode::NotFound,
            fmt::format("{}: no such file: this kernel was built without CONFIG_PROC_KCORE, or /proc is not mounted", path)};
  if (plain.code() != ErrorCode::Permission) return plain;
  if (lockdown.find("[confidentiality]") != std::string_view::npos)
    return {ErrorCode::Permission, fmt::format("{}: this kernel runs with lockdown=confidentiality, which keeps its memory from "
                                               "root too: boot it with lockdown=integrity or none",
                                               path)};
  if (error_number == EPERM && lockdown.empty())
    return {
        ErrorCode::Permission,
        fmt::format("{}: reading kernel memory takes CAP_SYS_RAWIO and a kernel that is not booted with lockdown=confidentiality",
                    plain.text())};
  return {ErrorCode::Permission,
          fmt::format("{}, reading kernel memory takes root with CAP_SYS_RAWIO: run as root, outside of any container",
                      plain.text())};
}

Result<Kcore> Kcore::open(const std::string& path) {
  int raw = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (raw < 0) {
    int error_number = errno;
    return explain_kcore_error(path, error_number, error_number == EPERM ? read_lockdown() : std::string());
  }
  Fd fd(raw);

  auto table = TRY(read_table(raw, path));
  return Kcore(std::move(fd), std::move(table));
}

Result<std::shared_ptr<const Kcore::Table>> Kcore::read_table(int fd, const std::string& path) {
  std::vector<std::byte> header = TRY(read_extent_of(fd, path, {0, kElfHeaderSize}));
  // A container runtime hides the file behind /dev/null.
  if (header.empty())
    return Error(ErrorCode::Permission, fmt::format("{}: is empty: a container hides it, run outside of it", path));
  auto where = parse_elf_core_header(header);
  if (!where) return std::move(where).error().in(path);
  std::vector<std::byte> headers = TRY(read_extent_of(fd, path, *where));
  if (headers.size() != where->size)
    return Error(ErrorCode::BadData, fmt::format("{}: the file ends within its program headers", path));
  auto parsed = parse_program_headers(headers);
  if (!parsed) return std::move(parsed).error().in(path);

  auto table = std::make_shared<Table>();
  table->path = path;
  table->segments = std::move(parsed->segments);
  for (FileExtent extent : parsed->notes) {
    if (!table->vmcoreinfo.empty()) break;
    table->vmcoreinfo = find_vmcoreinfo_note(TRY(read_extent_of(fd, path, extent)));
  }
  return std::shared_ptr<const Table>(std::move(table));
}

Result<Kcore> Kcore::reopen() const {
  // Through the descriptor: it is the same file even when the path has come to mean another one.
  int raw = ::open(fmt::format("/proc/self/fd/{}", fd_.value()).c_str(), O_RDONLY | O_CLOEXEC);
  if (raw < 0) return explain_kcore_error(table_->path, errno, {});
  return Kcore(Fd(raw), table_);
}

Result<Kcore> Kcore::with_todays_table() const {
  auto table = TRY(read_table(fd_.value(), table_->path));
  Fd fd(::fcntl(fd_.value(), F_DUPFD_CLOEXEC, 0));
  if (fd.value() < 0) return system_error(table_->path, errno);
  return Kcore(std::move(fd), std::move(table));
}

const Kcore::Segment* Kcore::find_segment(Addr at) const {
  if (last_ != nullptr && last_->contains(at)) return last_;
  const std::vector<Segment>& segments = table_->segments;
  auto after = std::ranges::upper_bound(segments, at, {}, &Segment::vaddr);
  // Only where segments overlap does the search go back by more than one.
  while (after != segments.begin()) {
    --after;
    if (after->contains(at)) return last_ = &*after;
  }
  return nullptr;
}

Result<void> Kcore::read_extent(u64 file_offset, std::span<std::byte> out) const {
  if (!fits_file_offset(file_offset, out.size())) return Error(ErrorCode::NotMapped);
  while (!out.empty()) {
    auto start = std::chrono::steady_clock::now();
    Got got = read_once(fd_.value(), file_offset, out);
    reading_ += std::chrono::steady_clock::now() - start;
    ++calls_;
    bytes_read_ += got.bytes;
    // An error (EFAULT, ENXIO, EIO), or a file that is shorter than its headers say.
    if (got.bytes == 0) return Error(ErrorCode::NotMapped);
    file_offset += got.bytes;
    out = out.subspan(got.bytes);
  }
  return {};
}

Result<void> Kcore::read(Addr at, std::span<std::byte> out) const {
  while (!out.empty()) {
    const Segment* segment = find_segment(at);
    if (segment == nullptr) return Error(ErrorCode::NotMapped);
    u64 skip = at - segment->vaddr;
    std::size_t part = std::min<std::size_t>(out.size(), segment->size - skip);
    TRY(read_extent(segment->file_offset + skip, out.first(part)));
    at += part;
    out = out.subspan(part);
  }
  return {};
}

}  // namespace orphan
