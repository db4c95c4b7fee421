// SPDX-License-Identifier: Apache-2.0
#include "watch/segment_file.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <zstd.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/fd.h"
#include "base/new_file.h"

namespace orphan::watch {
namespace {

using Json = nlohmann::json;

constexpr int kVersion = 1;
constexpr std::string_view kFormat = "orphan-samples";
constexpr int kLevel = 3;
// Far above what a segment has.
constexpr std::size_t kMostBytes = std::size_t{1} << 30;

// A text as JSON has it. What is no UTF-8, as file names may not be, is replaced.
std::string json_text(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

// Compresses what is put into it, and writes that to a file.
class CompressedFile {
 public:
  static Result<CompressedFile> create(const std::string& path) {
    NewFile file = TRY(NewFile::create(path, "a segment of samples"));
    Stream stream(ZSTD_createCCtx(), ZSTD_freeCCtx);
    if (!stream) return Error(ErrorCode::OutOfMemory, "there is no memory to compress samples");
    ZSTD_CCtx_setParameter(stream.get(), ZSTD_c_compressionLevel, kLevel);
    ZSTD_CCtx_setParameter(stream.get(), ZSTD_c_checksumFlag, 1);
    return CompressedFile(std::move(file), std::move(stream));
  }
  Result<void> put(std::string_view text) { return push(text, ZSTD_e_continue); }
  Result<void> commit() {
    TRY(push({}, ZSTD_e_end));
    return file_.commit();
  }

 private:
  using Stream = std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)>;
  CompressedFile(NewFile file, Stream stream) : file_(std::move(file)), stream_(std::move(stream)), out_(ZSTD_CStreamOutSize()) {}

  Result<void> push(std::string_view text, ZSTD_EndDirective directive) {
    ZSTD_inBuffer in{text.data(), text.size(), 0};
    for (;;) {
      ZSTD_outBuffer out{out_.data(), out_.size(), 0};
      std::size_t left = ZSTD_compressStream2(stream_.get(), &out, &in, directive);
      if (ZSTD_isError(left) != 0U) return Error(ErrorCode::OutOfMemory, "samples cannot be compressed");
      TRY(file_.write(Bytes(out_).first(out.pos)));
      if (directive == ZSTD_e_continue ? in.pos == in.size : left == 0) return {};
    }
  }

  NewFile file_;
  Stream stream_;
  std::vector<std::byte> out_;
};

struct Description {
  std::string kind, name, field, unit;
  i64 scale = 1;
};

Result<Description> describe(Statement& find, u32 id) {
  TRY(find.bind(1, i64{id}));
  if (!TRY(find.step())) return Error(ErrorCode::BadData, "a series is not listed");
  Description series{find.text(0), find.text(1), find.text(2), find.text(3), find.integer(4)};
  TRY(find.reset());
  return series;
}

std::string column_line(const Description& series, const Column& column, std::size_t samples) {
  std::string line = fmt::format(R"({{"kind":{},"name":{},"field":{},"unit":{},"values":[)", json_text(series.kind),
                                 json_text(series.name), json_text(series.field), json_text(series.unit));
  std::size_t next = 0;
  for (std::size_t at = 0; at < samples; ++at) {
    if (at != 0) line += ',';
    if (next < column.at.size() && column.at[next] == at) {
      u64 value = static_cast<u64>(column.values[next++]) * static_cast<u64>(series.scale);
      fmt::format_to(std::back_inserter(line), "{}", static_cast<i64>(value));
    } else {
      line += "null";
    }
  }
  return line + "]}\n";
}

std::string stamps_line(const std::vector<Stamp>& stamps) {
  std::vector<i64> wall, boot, awake;
  for (const Stamp& stamp : stamps) {
    wall.push_back(stamp.wall_ms);
    boot.push_back(stamp.boot_ms);
    awake.push_back(stamp.awake_ms);
  }
  return fmt::format(R"({{"wall_ms":[{}],"boot_ms":[{}],"awake_ms":[{}]}})", fmt::join(wall, ","), fmt::join(boot, ","),
                     fmt::join(awake, ",")) +
         "\n";
}

// For a name of a file: letters, digits and a few more.
std::string harmless(std::string text) {
  for (char& c : text) {
    bool is_harmless = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_';
    if (!is_harmless) c = '_';
  }
  return text.empty() || text[0] == '.' ? "host" + text : text;
}

std::string file_name(const Origin& origin, const Segment& segment) {
  std::time_t start = segment.stamps.front().wall_ms / 1000;
  return fmt::format("{}-{:%Y%m%dT%H%M%SZ}-{}-{}{}", harmless(origin.host), fmt::gmtime(start),
                     harmless(origin.boot_id.substr(0, 8)), segment.id, kSegmentSuffix);
}

Result<Origin> origin_of(Database& database, u32 boot) {
  Statement row = TRY(database.prepare("SELECT boot_id, host, release, page_bytes FROM boots WHERE id = ?"));
  TRY(row.bind(1, i64{boot}));
  if (!TRY(row.step())) return Error(ErrorCode::BadData, "a boot is missing");
  return Origin{.boot_id = row.text(0), .host = row.text(1), .release = row.text(2), .page_bytes = row.integer(3)};
}

Result<std::string> decompressed(const std::string& path) {
  std::string bytes = TRY(read_file(path));
  std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> stream(ZSTD_createDCtx(), ZSTD_freeDCtx);
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  std::string text;
  std::string part(ZSTD_DStreamOutSize(), '\0');
  for (std::size_t left = 1; in.pos < in.size || left != 0;) {
    ZSTD_outBuffer out{part.data(), part.size(), 0};
    std::size_t before = in.pos;
    left = ZSTD_decompressStream(stream.get(), &out, &in);
    if (ZSTD_isError(left) != 0U || text.size() > kMostBytes) return Error(ErrorCode::BadData, path + ": is damaged");
    text.append(part, 0, out.pos);
    if (out.pos == 0 && in.pos == before && left != 0) return Error(ErrorCode::BadData, path + ": is cut short");
  }
  return text;
}

// Reads members of an object that have to be there, of a kind that they have to have.
class Line {
 public:
  Line(const std::string& path, u64 number) : path_(path), number_(number) {}

  Error wrong(std::string_view what) const { return {ErrorCode::BadData, fmt::format("{}:{}: {}", path_, number_, what)}; }

  Result<Json> parse(std::string_view text) const {
    Json json = Json::parse(text, nullptr, false);
    if (!json.is_object()) return wrong("is no object of JSON");
    return json;
  }
  Result<std::string> text(const Json& json, const char* key) const {
    auto found = json.find(key);
    if (found == json.end() || !found->is_string()) return wrong(fmt::format("'{}' is missing, or no text", key));
    return found->get<std::string>();
  }
  Result<std::vector<std::optional<i64>>> numbers(const Json& json, const char* key, std::optional<std::size_t> size) const {
    auto found = json.find(key);
    if (found == json.end() || !found->is_array() || (size && found->size() != *size))
      return wrong(fmt::format("'{}' is missing, or has not a number for each sample", key));
    std::vector<std::optional<i64>> values;
    for (const Json& value : *found) {
      if (!value.is_null() && !value.is_number_integer()) return wrong(fmt::format("'{}' has something that is no number", key));
      values.push_back(value.is_null() ? std::nullopt : std::optional(value.get<i64>()));
    }
    return values;
  }

 private:
  const std::string& path_;
  u64 number_;
};

Result<Origin> parse_header(const Line& line, const Json& json) {
  if (TRY(line.text(json, "format")) != kFormat) return line.wrong("is no segment of samples");
  if (json.value("version", 0) != kVersion) return line.wrong("is of a version that this orphan does not know");
  Origin origin;
  origin.page_bytes = json.value("page_bytes", i64{4096});
  origin.boot_id = TRY(line.text(json, "boot_id"));
  origin.host = TRY(line.text(json, "host"));
  origin.release = TRY(line.text(json, "release"));
  return origin;
}

Result<std::vector<Stamp>> parse_stamps(const Line& line, const Json& json) {
  auto wall = TRY(line.numbers(json, "wall_ms", std::nullopt));
  auto boot = TRY(line.numbers(json, "boot_ms", wall.size()));
  auto awake = TRY(line.numbers(json, "awake_ms", wall.size()));
  std::vector<Stamp> stamps;
  for (std::size_t i = 0; i < wall.size(); ++i) {
    if (!wall[i] || !boot[i] || !awake[i]) return line.wrong("a time is missing");
    stamps.push_back({*wall[i], *boot[i], *awake[i]});
  }
  return stamps;
}

Result<SegmentFile::Line> parse_series(const Line& line, const Json& json, std::size_t samples) {
  std::optional<Kind> kind = kind_of(TRY(line.text(json, "kind")));
  std::optional<Unit> unit = unit_of(TRY(line.text(json, "unit")));
  if (!kind || !unit) return line.wrong("a kind or a unit that is not known");
  SegmentFile::Line series;
  series.kind = *kind;
  series.unit = *unit;
  series.name = TRY(line.text(json, "name"));
  series.field = TRY(line.text(json, "field"));
  series.values = TRY(line.numbers(json, "values", samples));
  return series;
}

}  // namespace

Result<std::string> write_segment(Database& database, i64 id, const std::string& directory) {
  Segment segment = TRY(load_segment(database, id));
  if (segment.stamps.empty()) return Error(ErrorCode::BadData, "a segment has no samples");
  Origin origin = TRY(origin_of(database, segment.boot));
  std::string name = file_name(origin, segment);
  CompressedFile file = TRY(CompressedFile::create(directory + "/" + name));
  TRY(file.put(fmt::format(R"({{"format":"{}","version":{},"host":{},"boot_id":{},"release":{},"page_bytes":{},"samples":{}}})",
                           kFormat, kVersion, json_text(origin.host), json_text(origin.boot_id), json_text(origin.release),
                           origin.page_bytes, segment.stamps.size()) +
               "\n"));
  TRY(file.put(stamps_line(segment.stamps)));
  Statement find = TRY(database.prepare("SELECT kind, name, field, unit, scale FROM series WHERE id = ?"));
  ColumnReader reader(segment.columns, static_cast<u32>(segment.stamps.size()));
  while (!reader.at_end()) {
    u32 series = TRY(reader.next());
    Column column = TRY(reader.read());
    Description description = TRY(describe(find, series));
    TRY(file.put(column_line(description, column, segment.stamps.size())));
  }
  TRY(file.commit());
  return name;
}

Result<SegmentFile> read_segment(const std::string& path) {
  std::string all = TRY(decompressed(path));
  SegmentFile file;
  std::string_view rest = all;
  for (u64 number = 1; !rest.empty() || number <= 2; ++number) {
    std::string_view text = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(text.size() + 1, rest.size()));
    Line line(path, number);
    Json json = TRY(line.parse(text));
    if (number == 1) {
      file.origin = TRY(parse_header(line, json));
    } else if (number == 2) {
      file.stamps = TRY(parse_stamps(line, json));
    } else {
      file.series.push_back(TRY(parse_series(line, json, file.stamps.size())));
    }
  }
  return file;
}

}  // namespace orphan::watch
