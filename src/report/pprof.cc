// SPDX-License-Identifier: Apache-2.0
#include "report/pprof.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <protozero/pbf_builder.hpp>
#include <unordered_map>

#include "base/verify.h"
#include "report/format.h"

namespace orphan {
namespace {

using Tag = protozero::pbf_tag_type;

// The fields of the messages that are written.
enum class InProfile : Tag {
  SampleType = 1,
  Sample = 2,
  Mapping = 3,
  Location = 4,
  Function = 5,
  StringTable = 6,
  TimeNanos = 9,
  DurationNanos = 10,
  PeriodType = 11,
  Period = 12,
  Comment = 13,
  DefaultSampleType = 14,
};
enum class InValueType : Tag { Type = 1, Unit = 2 };
enum class InSample : Tag { LocationId = 1, Value = 2, Label = 3 };
enum class InLabel : Tag { Key = 1, Str = 2, Num = 3, NumUnit = 4 };
enum class InMapping : Tag {
  Id = 1,
  Filename = 5,
  BuildId = 6,
  HasFunctions = 7,
  HasFilenames = 8,
  HasLineNumbers = 9,
  HasInlineFrames = 10,
};
enum class InLocation : Tag { Id = 1, MappingId = 2, Address = 3, Line = 4 };
enum class InLine : Tag { FunctionId = 1, Line = 2 };
enum class InFunction : Tag { Id = 1, Name = 2, SystemName = 3, Filename = 4 };

template <typename Field>
using Message = protozero::pbf_builder<Field>;

// Numbers for entries, in the order in which they first came; the same for the same entry.
class Table {
 public:
  explicit Table(u64 first) : next_(first) {}

  u64 number_of(std::string entry) {
    auto [at, is_new] = numbers_.try_emplace(std::move(entry), next_);
    if (is_new) {
      ++next_;
      entries_.push_back(&at->first);
    }
    return at->second;
  }
  const std::vector<const std::string*>& entries() const { return entries_; }

 private:
  u64 next_;
  std::unordered_map<std::string, u64> numbers_;
  std::vector<const std::string*> entries_;  // an entry of numbers_ stays where it is
};

class ProfileWriter {
 public:
  explicit ProfileWriter(const Profile& profile) : profile_(profile) {
    text("");         // is number 0
    mapping_for({});  // the first is taken for the main program
  }

  std::string write() {
    add_types();
    for (const Leak* leak : profile_.groups) add_sample(*leak);
    out_.add_int64(InProfile::TimeNanos, profile_.started_unix_s * 1'000'000'000);
    out_.add_int64(InProfile::DurationNanos, static_cast<i64>(profile_.seconds * 1e9));
    out_.add_int64(InProfile::Comment, text(fmt::format("{}, orphan {}", profile_.target, profile_.version)));
    for (u64 id = 1; id <= mappings_.size(); ++id) add_mapping(id, mappings_[id - 1]);
    add_entries(InProfile::Function, InFunction::Id, functions_);
    add_entries(InProfile::Location, InLocation::Id, locations_);
    for (const std::string* entry : texts_.entries()) out_.add_string(InProfile::StringTable, *entry);
    return std::move(data_);
  }

 private:
  struct Mapping {
    std::string module;
    bool has_functions = true;  // every frame's is known
    bool has_lines = false;     // some frame's is
    bool has_inlined = false;
  };

  i64 text(std::string_view text) { return static_cast<i64>(texts_.number_of(printable(text))); }

  void add_value_type(InProfile field, std::string_view suffix, std::string_view unit) {
    Message<InValueType> type(out_, field);
    type.add_int64(InValueType::Type, text(fmt::format("{}_{}", profile_.what, suffix)));
    type.add_int64(InValueType::Unit, text(unit));
  }

  void add_types() {
    add_value_type(InProfile::SampleType, "objects", "count");
    add_value_type(InProfile::SampleType, "space", "bytes");
    out_.add_int64(InProfile::DefaultSampleType, text(fmt::format("{}_space", profile_.what)));
    // Every block counts, none stands for others.
    add_value_type(InProfile::PeriodType, "space", "bytes");
    out_.add_int64(InProfile::Period, 1);
  }

  Mapping& mapping_for(const std::string& module) {
    auto at = std::ranges::find(mappings_, module, &Mapping::module);
    return at != mappings_.end() ? *at : mappings_.emplace_back(Mapping{.module = module});
  }

  // 0: of a frame that has neither symbol nor module, what it lies in is not known.
  u64 mapping_of(std::span<const Frame> frames) {
    const Frame& whole = frames.back();
    if (whole.symbol.empty() && whole.module.empty()) return 0;
    Mapping& mapping = mapping_for(whole.module);
    mapping.has_functions &= !whole.symbol.empty();
    mapping.has_lines |= std::ranges::any_of(frames, [](const Frame& frame) { return !frame.file.empty(); });
    mapping.has_inlined |= frames.size() > 1;
    return static_cast<u64>(&mapping - mappings_.data()) + 1;
  }

  u64 function(std::string_view name, std::string_view file) {
    std::string entry;
    Message<InFunction> message(entry);
    message.add_int64(InFunction::Name, text(name));
    message.add_int64(InFunction::SystemName, text(name));
    message.add_int64(InFunction::Filename, text(file));
    return functions_.number_of(std::move(entry));
  }

  void add_line(Message<InLocation>& location, u64 function_id, u32 number) {
    Message<InLine> line(location, InLocation::Line);
    line.add_uint64(InLine::FunctionId, function_id);
    line.add_int64(InLine::Line, number);
  }

  // Of a frame, which is the last of `frames`, and of those that are inlined into it.
  u64 location(std::span<const Frame> frames) {
    std::string entry;
    Message<InLocation> message(entry);
    message.add_uint64(InLocation::MappingId, mapping_of(frames));
    message.add_uint64(InLocation::Address, frames.back().address.value);
    for (const Frame& frame : frames) {
      // Without a name they would all be one "<unknown>".
      std::string name = frame.symbol.empty() ? fmt::format("0x{:x}", frame.address.value) : frame.symbol;
      add_line(message, function(name, frame.file), frame.line);
    }
    return locations_.number_of(std::move(entry));
  }

  u64 location_without_stack(const Leak& leak) {
    std::string entry;
    Message<InLocation> message(entry);
    add_line(message, function(fmt::format("[{}, no stack]", leak.cache), ""), 0);
    return locations_.number_of(std::move(entry));
  }

  std::vector<u64> locations(const Leak& leak) {
    std::vector<u64> ids;
    for (std::span<const Frame> rest = leak.stack; !rest.empty();) {
      auto whole = std::ranges::find(rest, false, &Frame::is_inlined);
      std::size_t taken = static_cast<std::size_t>(whole - rest.begin()) + (whole == rest.end() ? 0 : 1);
      ids.push_back(location(rest.first(taken)));
      rest = rest.subspan(taken);
    }
    if (ids.empty()) ids.push_back(location_without_stack(leak));
    return ids;
  }

  void add_label(Message<InSample>& sample, std::string_view key, std::string_view value) {
    if (value.empty()) return;  // number 0 is no text here
    Message<InLabel> label(sample, InSample::Label);
    label.add_int64(InLabel::Key, text(key));
    label.add_int64(InLabel::Str, text(value));
  }

  void add_sample(const Leak& leak) {
    std::vector<u64> ids = locations(leak);
    std::array<i64, 2> values{static_cast<i64>(leak.total.count), static_cast<i64>(leak.total.bytes)};
    Message<InSample> sample(out_, InProfile::Sample);
    sample.add_packed_uint64(InSample::LocationId, ids.begin(), ids.end());
    sample.add_packed_int64(InSample::Value, values.begin(), values.end());
    add_label(sample, "kind", to_string(leak.kind));
    add_label(sample, "cache", leak.cache);
    add_label(sample, "type", leak.type);
    Message<InLabel> label(sample, InSample::Label);
    label.add_int64(InLabel::Key, text("bytes"));
    label.add_int64(InLabel::Num, static_cast<i64>(leak.object_size_bytes));
    label.add_int64(InLabel::NumUnit, text("bytes"));
  }

  void add_mapping(u64 id, const Mapping& mapping) {
    auto image = std::ranges::find(profile_.images, mapping.module, &Image::module);
    Message<InMapping> message(out_, InProfile::Mapping);
    message.add_uint64(InMapping::Id, id);
    // As perf names them; in brackets, so that pprof looks for no such file.
    message.add_int64(InMapping::Filename,
                      text(mapping.module.empty() ? "[kernel.kallsyms]" : fmt::format("[{}]", mapping.module)));
    message.add_int64(InMapping::BuildId, text(image == profile_.images.end() ? "" : image->build_id));
    message.add_bool(InMapping::HasFunctions, mapping.has_functions);
    message.add_bool(InMapping::HasFilenames, mapping.has_lines);
    message.add_bool(InMapping::HasLineNumbers, mapping.has_lines);
    message.add_bool(InMapping::HasInlineFrames, mapping.has_inlined);
  }

  // Each is a message without its first field, the number.
  template <typename Field>
  void add_entries(InProfile field, Field id_field, const Table& table) {
    u64 id = 0;
    for (const std::string* entry : table.entries()) {
      std::string whole;
      Message<Field>(whole).add_uint64(id_field, ++id);
      out_.add_message(field, whole + *entry);
    }
  }

  const Profile& profile_;
  std::string data_;
  Message<InProfile> out_{data_};
  Table texts_{0};
  Table functions_{1};
  Table locations_{1};
  std::vector<Mapping> mappings_;
};

std::string gzip(std::string_view plain) {
  constexpr int kGzip = 16;  // added to the size of the window: this format's head and end
  constexpr int kMemoryLevel = 8;
  constexpr std::size_t kPiece = 1 << 20;  // zlib counts what it is given in an int
  z_stream stream{};
  VERIFY(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, MAX_WBITS + kGzip, kMemoryLevel, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out;
  std::string in;
  std::string piece(kPiece, '\0');
  do {
    in = plain.substr(0, kPiece);
    plain.remove_prefix(in.size());
    stream.next_in = reinterpret_cast<Bytef*>(in.data());
    stream.avail_in = static_cast<uInt>(in.size());
    do {
      stream.next_out = reinterpret_cast<Bytef*>(piece.data());
      stream.avail_out = static_cast<uInt>(piece.size());
      ::deflate(&stream, plain.empty() ? Z_FINISH : Z_NO_FLUSH);
      out.append(piece, 0, piece.size() - stream.avail_out);
    } while (stream.avail_out == 0);
  } while (!plain.empty());
  ::deflateEnd(&stream);
  return out;
}

}  // namespace

std::string to_pprof(const Profile& profile) {
  return gzip(ProfileWriter(profile).write());
}

std::string to_pprof(const Report& report) {
  Profile profile{.what = "leaked",
                  .target = report.target,
                  .version = report.version,
                  .started_unix_s = report.started_unix_s,
                  .seconds = report.seconds,
                  .images = report.images};
  for (const Leak& leak : report.leaks) profile.groups.push_back(&leak);
  if (report.pages) {
    for (const Leak& leak : report.pages->groups) profile.groups.push_back(&leak);
  }
  return to_pprof(profile);
}

}  // namespace orphan
