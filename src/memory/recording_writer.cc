// SPDX-License-Identifier: Apache-2.0
#include "memory/recording_writer.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <string_view>

namespace orphan {

using namespace recording;

namespace {

constexpr std::string_view kWhat = "the recording";
constexpr int kLevel = 1;  // a scan waits for it
constexpr u64 kKnownPages = 1 << 21;
constexpr u64 kTextPiece = 1 << 20;
constexpr std::size_t kMostEntries = kDataBytes / sizeof(PageEntry);

template <typename T>
Bytes bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

// Pages that lie side by side stay so in the table, so that it takes up memory only where pages were recorded.
u64 place_of(u64 page) {
  constexpr u64 kGolden = 0x9E37'79B9'7F4A'7C15;
  u64 region = page / kKnownPages;
  return (page + ((region * kGolden) >> 40)) % kKnownPages;
}

}  // namespace

u32 recording::checksum(const BlockHead& head, u64 place, Bytes stored) {
  std::array<std::byte, 20> covered;
  std::memcpy(covered.data(), &head, 12);
  std::memcpy(covered.data() + 12, &place, 8);
  uLong crc = ::crc32(0, reinterpret_cast<const Bytef*>(covered.data()), covered.size());
  return static_cast<u32>(::crc32(crc, reinterpret_cast<const Bytef*>(stored.data()), static_cast<uInt>(stored.size())));
}

void RecordingWriter::Free::operator()(ZSTD_CCtx_s* context) const {
  ZSTD_freeCCtx(context);
}

void RecordingWriter::Unmap::operator()(Known* table) const {
  ::munmap(table, kKnownPages * sizeof(Known));
}

RecordingWriter::RecordingWriter(NewFile file) : file_(std::move(file)), zstd_(ZSTD_createCCtx()) {
  VERIFY(zstd_ != nullptr);
  data_.reserve(kDataBytes);
  stored_.resize(ZSTD_compressBound(kMostPlain));
  // Memory that nothing was written to is not used: the table of a small machine is small.
  void* table = ::mmap(nullptr, kKnownPages * sizeof(Known), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (table != MAP_FAILED) known_.reset(static_cast<Known*>(table));
}

RecordingWriter::~RecordingWriter() = default;

Result<std::unique_ptr<RecordingWriter>> RecordingWriter::create(const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    if (S_ISDIR(status.st_mode)) return write_error(kWhat, path, EISDIR);
    return Error(ErrorCode::Io, "cannot write the recording to " + path + ": not a regular file; name another file");
  }
  NewFile file = TRY(NewFile::create(path, kWhat));
  std::unique_ptr<RecordingWriter> writer(new RecordingWriter(std::move(file)));
  writer->write(bytes_of(Head{}));
  if (!writer->status_) return writer->status_.error();
  return writer;
}

void RecordingWriter::begin_epoch(std::string_view name) {
  flush();
  epoch_ = epochs_++;
  call_ = 0;
  write_block(BlockKind::Epoch, std::as_bytes(std::span(name)));
}

// Also notes it.
bool RecordingWriter::is_known(u64 address, u64 first, Bytes bytes) {
  if (!known_) return false;
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  u64 hash = std::hash<std::string_view>{}(text) ^ (first << 52);
  u64 page = address / kPageBytes;
  Known& known = known_[place_of(page)];
  if (known.page_plus_one == page + 1 && known.hash == hash) return true;
  known = {page + 1, hash};
  return false;
}

void RecordingWriter::add_page(u64 address, u64 first, Bytes bytes) {
  VERIFY(address % kPageBytes == 0 && first < kPageBytes && bytes.size() <= kPageBytes - first);
  if (!status_ || is_known(address, first, bytes)) return;
  if (data_.size() + bytes.size() > kDataBytes || entries_.size() == kMostEntries) flush();
  entries_.push_back({address, moment(), static_cast<u16>(first), static_cast<u16>(bytes.size())});
  data_.insert(data_.end(), bytes.begin(), bytes.end());
}

void RecordingWriter::add_text(std::string_view name, const Result<std::string>& text) {
  TextHead head{.moment = moment()};
  head.name_bytes = static_cast<u16>(name.size());
  if (!text) head.status = static_cast<u32>(text.error().code()) + 1;
  std::string_view rest = text ? std::string_view(*text) : std::string_view(text.error().text());
  do {
    std::string_view piece = rest.substr(0, kTextPiece);
    rest.remove_prefix(piece.size());
    head.more = rest.empty() ? 0 : 1;
    std::vector<std::byte> plain;
    plain.reserve(sizeof head + name.size() + piece.size());
    for (Bytes part : {bytes_of(head), std::as_bytes(std::span(name)), std::as_bytes(std::span(piece))}) {
      plain.insert(plain.end(), part.begin(), part.end());
    }
    write_block(BlockKind::Text, plain);
  } while (!rest.empty());
}

void RecordingWriter::flush() {
  if (entries_.empty()) return;
  end_.pieces += entries_.size();
  write_block(BlockKind::Data, data_);
  write_block(BlockKind::Pages, std::as_bytes(std::span(entries_)));
  data_.clear();
  entries_.clear();
}

void RecordingWriter::write_block(BlockKind kind, Bytes plain) {
  if (!status_) return;
  VERIFY(plain.size() <= kMostPlain);
  std::size_t size = ZSTD_compressCCtx(zstd_.get(), stored_.data(), stored_.size(), plain.data(), plain.size(), kLevel);
  Bytes stored(stored_.data(), ZSTD_isError(size) ? 0 : size);
  if (stored.empty() || stored.size() >= plain.size()) stored = plain;
  BlockHead head{.kind = static_cast<u32>(kind),
                 .stored_bytes = static_cast<u32>(stored.size()),
                 .plain_bytes = static_cast<u32>(plain.size())};
  head.crc = checksum(head, at_, stored);
  write(bytes_of(head));
  write(stored);
  ++end_.blocks;
}

void RecordingWriter::write(Bytes bytes) {
  if (!status_) return;
  status_ = file_.write(bytes);
  at_ += bytes.size();
}

Result<void> RecordingWriter::finish() {
  flush();
  write_block(BlockKind::End, bytes_of(EndEntry(end_)));
  TRY(Result<void>(status_));
  return file_.commit();
}

}  // namespace orphan
