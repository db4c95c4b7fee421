// SPDX-License-Identifier: Apache-2.0
#include "track/saved_records.h"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "base/new_file.h"

namespace orphan::track {
namespace {

using Json = nlohmann::json;
using kernel::BuildIds;
using kernel::Symbols;

constexpr int kLevel = 1;
constexpr u64 kMostBytes = u64{2} << 30;  // of what is in the frame
constexpr u32 kMostBuckets = 1 << 23, kMostStacks = 1 << 20;

// An entry of one of the tables, and where in it that is.
template <typename T>
struct Placed {
  u32 place;
  u32 spare;
  T entry;
};

template <typename T>
void append(const T& value, std::vector<std::byte>& to) {
  Bytes bytes = std::as_bytes(std::span(&value, 1));
  to.insert(to.end(), bytes.begin(), bytes.end());
}

void append_bytes(Bytes bytes, std::vector<std::byte>& to) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

Json ranges_json(std::span<const Range> ranges) {
  Json json = Json::array();
  for (Range range : ranges) json.push_back({range.start.value, range.size_bytes});
  return json;
}

Json modules_json(std::span<const Symbols::ModuleTable> tables) {
  Json json = Json::array();
  for (const Symbols::ModuleTable& table : tables) {
    json.push_back({{"name", table.name},
                    {"memory", ranges_json(table.memory)},
                    {"symtab", table.symtab.size()},
                    {"strtab", table.strtab.size()}});
  }
  return json;
}

std::vector<std::byte> compress(Bytes plain) {
  std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(), &ZSTD_freeCCtx);
  VERIFY(context != nullptr);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, kLevel);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  std::vector<std::byte> stored(ZSTD_compressBound(plain.size()));
  std::size_t size = ZSTD_compress2(context.get(), stored.data(), stored.size(), plain.data(), plain.size());
  VERIFY(ZSTD_isError(size) == 0);
  stored.resize(size);
  return stored;
}

// Takes values out of the frame's contents, one after the other. What is not there or is not what it should be ends it: all that
// comes after is empty.
class Reader {
 public:
  explicit Reader(Bytes bytes) : bytes_(bytes) {}

  Bytes take(u64 size) {
    if (size > bytes_.size()) is_good_ = false;
    if (!is_good_) return {};
    Bytes taken = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return taken;
  }
  template <typename T>
  T take_value() {
    Bytes bytes = take(sizeof(T));
    return bytes.empty() ? T{} : load_unchecked<T>(bytes.data());
  }
  bool check(bool is_good) { return is_good_ = is_good_ && is_good; }
  bool is_good() const { return is_good_; }
  bool is_at_end() const { return is_good_ && bytes_.empty(); }

 private:
  Bytes bytes_;
  bool is_good_ = true;
};

std::string text_in(const Json& json, const char* key, Reader& reader) {
  auto found = json.is_object() ? json.find(key) : json.end();
  if (!reader.check(json.is_object() && found != json.end() && found->is_string())) return {};
  return found->get<std::string>();
}

u64 number_in(const Json& json, const char* key, Reader& reader) {
  auto found = json.is_object() ? json.find(key) : json.end();
  if (!reader.check(json.is_object() && found != json.end() && found->is_number_unsigned())) return 0;
  return found->get<u64>();
}

const Json& list_in(const Json& json, const char* key, Reader& reader) {
  static const Json none = Json::array();
  auto found = json.is_object() ? json.find(key) : json.end();
  return reader.check(json.is_object() && found != json.end() && found->is_array()) ? *found : none;
}

Symbols::ModuleTable module_in(const Json& json, Reader& reader) {
  Symbols::ModuleTable table{.name = text_in(json, "name", reader), .memory = {}, .symtab = {}, .strtab = {}};
  for (const Json& range : list_in(json, "memory", reader)) {
    bool is_range = range.is_array() && range.size() == 2 && range[0].is_number_unsigned() && range[1].is_number_unsigned();
    if (reader.check(is_range)) table.memory.push_back({Addr{range[0].get<u64>()}, range[1].get<u64>()});
  }
  Bytes symtab = reader.take(number_in(json, "symtab", reader)), strtab = reader.take(number_in(json, "strtab", reader));
  table.symtab.assign(symtab.begin(), symtab.end());
  table.strtab.assign(strtab.begin(), strtab.end());
  return table;
}

Result<std::vector<std::byte>> decompress(Bytes file, const std::string& name) {
  std::string_view start(reinterpret_cast<const char*>(file.data()), std::min(file.size(), kNotesMagic.size()));
  if (start != kNotesMagic)
    return Error(ErrorCode::BadData, name + ": not a file of notes: name one that `orphan track --save` has written");
  Bytes stored = file.subspan(kNotesMagic.size());
  unsigned long long size = ZSTD_getFrameContentSize(stored.data(), stored.size());
  std::vector<std::byte> plain(size <= kMostBytes ? size : 0);
  std::size_t got = ZSTD_decompress(plain.data(), plain.size(), stored.data(), stored.size());
  if (size > kMostBytes || ZSTD_isError(got) != 0 || got != size)
    return Error(ErrorCode::BadData, name + ": damaged or cut short: copy it anew, or track anew");
  return plain;
}

}  // namespace

Result<void> SavedRecords::write(const std::string& path, const SavedFacts& facts, const RecordTable& table,
                                 std::span<const Symbols::ModuleTable> module_tables, const BuildIds& build_ids) {
  std::vector<std::byte> records, stacks;
  u64 record_count = 0, stack_count = 0;
  for (u32 place = 0; const orphan_bucket& bucket : table.buckets()) {
    for (const orphan_record& record : bucket.places) {
      u32 here = place++;
      if (record.key == 0) continue;
      append(Placed<orphan_record>{here, 0, record}, records);
      ++record_count;
    }
  }
  for (u32 place = 0; const orphan_stack& stack : table.stacks()) {
    u32 here = place++;
    if (stack.hash == 0) continue;
    append(Placed<orphan_stack>{here, 0, stack}, stacks);
    ++stack_count;
  }
  Json about{{"boot_id", facts.boot_id},
             {"release", facts.release},
             {"ended", static_cast<u64>(facts.ended_unix_s)},
             {"events", facts.events},
             {"replaced", facts.replaced},
             {"buckets", table.buckets().size()},
             {"stack_places", table.stacks().size()},
             {"records", record_count},
             {"stacks", stack_count},
             {"modules", modules_json(module_tables)},
             {"build_ids", Json::array()}};
  for (const auto& [module, id] : build_ids) about["build_ids"].push_back({{"module", module}, {"build_id", id}});
  std::string text = about.dump(-1, ' ', true, Json::error_handler_t::replace);
  std::vector<std::byte> plain;
  append(u64{text.size()}, plain);
  append_bytes(std::as_bytes(std::span(text)), plain);
  append_bytes(records, plain);
  append_bytes(stacks, plain);
  for (const Symbols::ModuleTable& module : module_tables) {
    append_bytes(module.symtab, plain);
    append_bytes(module.strtab, plain);
  }
  auto file = TRY(NewFile::create(path, "the notes"));
  TRY(file.write(std::as_bytes(std::span(kNotesMagic))));
  TRY(file.write(compress(plain)));
  return file.commit();
}

Result<std::unique_ptr<SavedRecords>> SavedRecords::read(const std::string& path) {
  std::string text = TRY(read_file(path));
  return parse(std::as_bytes(std::span(text)), path);
}

Result<std::unique_ptr<SavedRecords>> SavedRecords::parse(Bytes file, const std::string& name) {
  std::vector<std::byte> plain = TRY(decompress(file, name));
  Reader reader(plain);
  Bytes text = reader.take(reader.take_value<u64>());
  Json about = Json::parse(std::string_view(reinterpret_cast<const char*>(text.data()), text.size()), nullptr, false);
  std::unique_ptr<SavedRecords> saved(new SavedRecords);
  saved->facts_ = {.boot_id = text_in(about, "boot_id", reader),
                   .release = text_in(about, "release", reader),
                   .ended_unix_s = static_cast<i64>(number_in(about, "ended", reader)),
                   .events = number_in(about, "events", reader),
                   .replaced = number_in(about, "replaced", reader)};
  u64 buckets = number_in(about, "buckets", reader), stack_places = number_in(about, "stack_places", reader);
  bool fits =
      std::has_single_bit(buckets) && buckets <= kMostBuckets && std::has_single_bit(stack_places) && stack_places <= kMostStacks;
  if (reader.check(fits)) {
    saved->buckets_.resize(buckets);
    saved->stacks_.resize(stack_places);
  }
  u64 records = number_in(about, "records", reader), stacks = number_in(about, "stacks", reader);
  for (u64 i = 0; i < records && reader.is_good(); ++i) {
    auto placed = reader.take_value<Placed<orphan_record>>();
    if (reader.check(placed.place / ORPHAN_PLACES < saved->buckets_.size()))
      saved->buckets_[placed.place / ORPHAN_PLACES].places[placed.place % ORPHAN_PLACES] = placed.entry;
  }
  for (u64 i = 0; i < stacks && reader.is_good(); ++i) {
    auto placed = reader.take_value<Placed<orphan_stack>>();
    if (reader.check(placed.place < saved->stacks_.size())) saved->stacks_[placed.place] = placed.entry;
  }
  for (const Json& module : list_in(about, "modules", reader)) saved->module_tables_.push_back(module_in(module, reader));
  for (const Json& entry : list_in(about, "build_ids", reader)) {
    std::string module = text_in(entry, "module", reader);
    saved->build_ids_[module] = text_in(entry, "build_id", reader);
  }
  if (!reader.is_at_end()) return Error(ErrorCode::BadData, name + ": its parts do not add up: track anew");
  saved->table_.emplace(saved->buckets_, saved->stacks_);
  saved->table_->learn_sites();
  return saved;
}

void SavedRecords::add_symbols(kernel::Symbols& symbols) const {
  for (const Symbols::ModuleTable& module : module_tables_)
    symbols.add_module(module.name, module.memory, module.symtab, module.strtab);
}

}  // namespace orphan::track
