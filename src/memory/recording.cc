// SPDX-License-Identifier: Apache-2.0
#include "memory/recording.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <tuple>

namespace orphan {

using namespace recording;

static_assert(sizeof(Head) == 24 && sizeof(BlockHead) == 16 && sizeof(PageEntry) == 24);
static_assert(sizeof(TextHead) == 16 && sizeof(EndEntry) == 16);

namespace {

constexpr std::size_t kMostKept = 32;  // blocks
constexpr u64 kMostTextBytes = u64{1} << 30;
constexpr int kLook = 8;  // at so many pieces of a page before and after a moment
constexpr std::string_view kCopyAgain = "copy it again from where it was made, or record anew";

// Fewer where the file ends.
Result<std::size_t> read_at(int fd, const std::string& path, u64 offset, std::span<std::byte> out) {
  std::size_t used = 0;
  while (used < out.size()) {
    ssize_t got = ::pread(fd, out.data() + used, out.size() - used, static_cast<off_t>(offset + used));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(path, errno);
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
  }
  return used;
}

// Empty: it is not what it says.
std::vector<std::byte> unpack(Bytes stored, u64 plain_bytes) {
  if (stored.size() == plain_bytes) return {stored.begin(), stored.end()};
  std::vector<std::byte> plain(plain_bytes);
  std::size_t got = ZSTD_decompress(plain.data(), plain.size(), stored.data(), stored.size());
  if (ZSTD_isError(got) || got != plain_bytes) return {};
  return plain;
}

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
constexpr bool kChecks = false;  // no mutation would get past them
#else
constexpr bool kChecks = true;
#endif

}  // namespace

// Reads the file from its head to its end, once.
class Recording::Loader {
 public:
  explicit Loader(Recording& recording) : recording_(recording) {}

  Result<void> run() {
    TRY(read_head());
    for (bool more = true; more;) more = TRY(read_block());
    std::byte beyond;
    if (TRY(read_at(fd(), path(), at_, {&beyond, 1})) != 0) return damaged("more follows the block that says it is the last");
    std::ranges::sort(recording_.pieces_, {}, [](const Piece& piece) { return std::tuple(piece.page, piece.moment); });
    return {};
  }

 private:
  int fd() const { return recording_.fd_.value(); }
  const std::string& path() const { return recording_.path_; }
  Error damaged(std::string_view what) const { return recording_.damaged(place_, what); }

  Result<void> read_head() {
    Head head;
    std::size_t got = TRY(read_at(fd(), path(), 0, std::as_writable_bytes(std::span(&head, 1))));
    if (got == 0) return Error(ErrorCode::BadData, fmt::format("{}: the file is empty: {}", path(), kCopyAgain));
    if (got < sizeof head.magic || head.magic != kMagic) return not_ours(std::as_bytes(std::span(&head, 1)).first(got));
    if (got < sizeof head) return cut_short();
    if (head.version != kVersion) {
      return Error(ErrorCode::Unsupported,
                   fmt::format("{}: a recording of version {} (at byte 16), of which this orphan knows only "
                               "{}: use an orphan like the one that made it",
                               path(), head.version, kVersion));
    }
    at_ = sizeof head;
    return {};
  }

  Error not_ours(Bytes head) const {
    std::string_view start(reinterpret_cast<const char*>(head.data()), head.size());
    bool is_elf_core = start.starts_with(ELFMAG) && load<u16>(head, offsetof(Elf64_Ehdr, e_type)) == u16{ET_CORE};
    if (is_elf_core || start.starts_with("KDUMP")) {
      return {ErrorCode::Unsupported,
              fmt::format("{}: a memory dump, not a recording (at byte 0): dumps cannot be scanned, only what "
                          "orphan scan --record wrote on a machine that runs",
                          path())};
    }
    return {ErrorCode::Unsupported,
            fmt::format("{}: not a recording (at byte 0): name a file that orphan scan --record wrote", path())};
  }

  Error cut_short() const { return damaged("the file ends there, it was cut short"); }

  // False: it was the last.
  Result<bool> read_block() {
    place_ = at_;
    BlockHead head;
    std::size_t got = TRY(read_at(fd(), path(), at_, std::as_writable_bytes(std::span(&head, 1))));
    if (got < sizeof head) return cut_short();
    if (head.plain_bytes > kMostPlain || head.stored_bytes > kMostStored) return damaged("a block of an absurd size");
    stored_.resize(head.stored_bytes);
    got = TRY(read_at(fd(), path(), at_ + sizeof head, stored_));
    if (got < stored_.size()) return cut_short();
    if (kChecks && checksum(head, at_, stored_) != head.crc) return damaged("the checksum of a block is wrong");
    block_ = {at_ + sizeof head, head.stored_bytes, head.plain_bytes};
    at_ += sizeof head + stored_.size();
    auto kind = static_cast<BlockKind>(head.kind);
    if (kind == BlockKind::Data) {
      recording_.data_blocks_.push_back(block_);
      data_left_ = head.plain_bytes;
    } else {
      plain_ = unpack(stored_, head.plain_bytes);
      if (plain_.size() != head.plain_bytes) return damaged("a block cannot be unpacked");
      TRY(take(kind));
    }
    ++blocks_;
    return kind != BlockKind::End;
  }

  Result<void> take(BlockKind kind) {
    switch (kind) {
      case BlockKind::Epoch: return take_epoch();
      case BlockKind::Pages: return take_pages();
      case BlockKind::Text: return take_text();
      case BlockKind::End: return take_end();
      case BlockKind::Data: break;
    }
    return damaged("a block of a kind that does not exist");
  }

  std::string_view plain_text(u64 skip) const {
    return {reinterpret_cast<const char*>(plain_.data()) + skip, plain_.size() - skip};
  }

  Result<void> take_epoch() {
    if (!recording_.epochs_.emplace(plain_text(0), recording_.epochs_.size()).second) return damaged("an epoch comes twice");
    return {};
  }

  Result<void> take_pages() {
    if (recording_.data_blocks_.empty()) return damaged("pages without data");
    auto block = static_cast<u32>(recording_.data_blocks_.size() - 1);
    u64 plain = recording_.data_blocks_.back().plain_bytes;
    for (u64 at = 0; at < plain_.size(); at += sizeof(PageEntry)) {
      auto entry = load<PageEntry>(plain_, at);
      if (!entry || entry->address % kPageBytes != 0 || entry->first >= kPageBytes || entry->size > kPageBytes - entry->first ||
          entry->size > data_left_) {
        return damaged("a table of pages does not add up");
      }
      auto offset = static_cast<u32>(plain - data_left_);
      recording_.pieces_.push_back({entry->address, entry->moment, block, offset, entry->first, entry->size});
      data_left_ -= entry->size;
    }
    return {};
  }

  Result<void> take_text() {
    auto head = load<TextHead>(plain_, 0);
    if (!head || head->name_bytes > plain_.size() - sizeof *head) return damaged("a text does not add up");
    std::string_view name = plain_text(sizeof *head).substr(0, head->name_bytes);
    if (name.empty() || (!open_text_.empty() && open_text_ != name)) return damaged("a text without its name, or its end");
    std::vector<Text>& texts = recording_.texts_[std::string(name)];
    if (open_text_.empty()) {
      if (!texts.empty() && texts.back().moment > head->moment) return damaged("texts that are not in the order of time");
      texts.push_back({.moment = head->moment, .status = head->status, .blocks = {}});
    }
    texts.back().blocks.push_back(block_);
    texts.back().skip_bytes = static_cast<u32>(sizeof *head + name.size());
    open_text_ = head->more != 0 ? std::string(name) : std::string();
    return {};
  }

  Result<void> take_end() {
    auto end = load<EndEntry>(plain_, 0);
    bool is_right = end && end->blocks == blocks_ && end->pieces == recording_.pieces_.size() && open_text_.empty();
    if (!is_right) return damaged("the last block does not agree with those before it");
    return {};
  }

  Recording& recording_;
  u64 at_ = 0;
  u64 place_ = 0;  // of the block at hand
  u64 blocks_ = 0;
  u64 data_left_ = 0;  // of the last Data block, that no piece has yet
  Block block_;
  std::vector<std::byte> stored_, plain_;
  std::string open_text_;  // the name of a text of which more follows
};

Error Recording::damaged(u64 offset, std::string_view what) const {
  return {ErrorCode::BadData, fmt::format("{}: damaged at byte {} ({}): {}", path_, offset, what, kCopyAgain)};
}

Result<Recording> Recording::open(const std::string& path) {
  auto file = open_file(path, O_RDONLY);
  if (!file) return Error(file.error().code(), file.error().text() + ": name a file that orphan scan --record wrote");
  return read(std::move(*file), path);
}

Result<Recording> Recording::read(Fd fd, std::string path) {
  Recording recording(std::move(fd), std::move(path));
  TRY(Loader(recording).run());
  return recording;
}

std::optional<u64> Recording::epoch(std::string_view name) const {
  auto found = epochs_.find(name);
  return found == epochs_.end() ? std::nullopt : std::optional(found->second);
}

Result<std::vector<std::byte>> Recording::plain(const Block& block) const {
  std::vector<std::byte> stored(block.stored_bytes);
  std::size_t got = TRY(read_at(fd_.value(), path_, block.offset, stored));
  if (got < stored.size()) return damaged(block.offset, "the file has become shorter");
  std::vector<std::byte> plain = unpack(stored, block.plain_bytes);
  if (plain.size() != block.plain_bytes) return damaged(block.offset, "a block cannot be unpacked");
  return plain;
}

Result<Bytes> Recording::data_block(u32 number) const {
  Kept* oldest = nullptr;
  for (Kept& kept : kept_) {
    if (kept.block == number) {
      kept.used = ++uses_;
      return Bytes(kept.bytes);
    }
    if (oldest == nullptr || kept.used < oldest->used) oldest = &kept;
  }
  std::vector<std::byte> bytes = TRY(plain(data_blocks_[number]));
  if (kept_.size() < kMostKept) oldest = &kept_.emplace_back();
  *oldest = {number, ++uses_, std::move(bytes)};
  return Bytes(oldest->bytes);
}

// A piece that has the bytes, or one that says that the page cannot be read. For a reader that asks what was asked while it
// was recorded, that is always the first that is looked at.
const Recording::Piece* Recording::find(u64 moment, Addr at, u64 size) const {
  u64 skip = at.value % kPageBytes, page = at.value - skip;
  auto key = [](const Piece& piece) { return std::tuple(piece.page, piece.moment); };
  auto after = std::ranges::upper_bound(pieces_, std::tuple(page, moment), {}, key);
  auto tells = [&](const Piece& piece) {
    return piece.size == 0 || (piece.first <= skip && skip + size <= u64{piece.first} + piece.size);
  };
  auto before = after;
  for (int i = 0; i < kLook && before != pieces_.begin() && std::prev(before)->page == page; ++i) {
    if (tells(*--before)) return &*before;
  }
  for (int i = 0; i < kLook && after != pieces_.end() && after->page == page; ++i, ++after) {
    if (tells(*after)) return &*after;
  }
  return nullptr;
}

Result<void> Recording::read_page(u64 moment, Addr at, std::span<std::byte> out) const {
  const Piece* piece = find(moment, at, out.size());
  if (piece == nullptr || piece->size == 0) return Error(ErrorCode::NotMapped);
  auto block = data_block(piece->block);
  if (!block) {
    if (status_) status_ = block.error();
    return Error(ErrorCode::NotMapped);
  }
  u64 from = piece->offset + at.value % kPageBytes - piece->first;
  copy_bytes(block->subspan(from, out.size()), out.data());
  return {};
}

Result<std::string> Recording::text(u64 moment, std::string_view name) const {
  auto found = texts_.find(name);
  if (found == texts_.end()) return Error(ErrorCode::NotFound, fmt::format("{}: {} was not recorded", path_, name));
  const std::vector<Text>& texts = found->second;
  auto after = std::ranges::upper_bound(texts, moment, {}, &Text::moment);
  const Text& text = after == texts.begin() ? *after : *std::prev(after);
  std::string whole;
  for (const Block& block : text.blocks) {
    std::vector<std::byte> bytes = TRY(plain(block));
    if (whole.size() + bytes.size() > kMostTextBytes) return damaged(block.offset, "a text of an absurd size");
    whole.append(reinterpret_cast<const char*>(bytes.data()) + text.skip_bytes, bytes.size() - text.skip_bytes);
  }
  if (text.status == 0) return whole;
  constexpr u32 kCodes = static_cast<u32>(ErrorCode::OutOfMemory) + 1;
  return Error(text.status <= kCodes ? static_cast<ErrorCode>(text.status - 1) : ErrorCode::Io, whole);
}

Result<void> RecordedMemory::begin_epoch(std::string_view name) {
  auto epoch = recording_.epoch(name);
  if (!epoch) return Error(ErrorCode::NotFound, fmt::format("{}: has no {}", recording_.path(), name));
  epoch_ = *epoch;
  call_ = 0;
  return {};
}

Result<void> RecordedMemory::read(Addr at, std::span<std::byte> out) const {
  ++call_;
  u64 size = out.size();
  if (size != 0 && size - 1 > ~at.value) return Error(ErrorCode::NotMapped);
  while (!out.empty()) {
    u64 part = std::min<u64>(out.size(), kPageBytes - at.value % kPageBytes);
    TRY(recording_.read_page(moment(), at, out.first(part)));
    at += part;
    out = out.subspan(part);
  }
  bytes_read_ += size;
  return {};
}

}  // namespace orphan
