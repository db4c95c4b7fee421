// SPDX-License-Identifier: Apache-2.0
// For tests: what a profile says, read back with another hand than it was written with. Malformed input throws.
#pragma once
#include <zlib.h>

#include <map>
#include <protozero/pbf_reader.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/types.h"

namespace orphan::test {

struct DecodedProfile {
  struct Mapping {
    std::string filename, build_id;
    bool has_functions = false, has_filenames = false, has_line_numbers = false, has_inline_frames = false;
  };
  struct Location {
    u64 mapping_id = 0, address = 0;
    std::vector<std::string> lines;  // "function file:line"
  };
  struct Sample {
    std::vector<u64> locations;
    std::vector<i64> values;
    std::map<std::string, std::string> labels;  // "128 bytes" of a number
  };
  std::vector<std::string> texts, types, comments;  // a type: "leaked_space bytes"
  std::vector<Sample> samples;
  std::map<u64, Mapping> mappings;
  std::map<u64, Location> locations;
  std::map<u64, std::string> functions;  // "name file"
  std::string default_type;
  i64 time_nanos = 0, duration_nanos = 0;
};

// Nothing: it is no such file, or not whole.
inline std::string gunzipped(std::string_view packed) {
  z_stream stream{};
  std::string in(packed), piece(1 << 16, '\0'), out;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  int status = inflateInit2(&stream, MAX_WBITS + 16);
  while (status == Z_OK) {
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    status = ::inflate(&stream, Z_NO_FLUSH);
    out.append(piece, 0, piece.size() - stream.avail_out);
  }
  ::inflateEnd(&stream);
  return status == Z_STREAM_END ? out : std::string();
}

class ProfileDecoder {
 public:
  explicit ProfileDecoder(std::string plain) : plain_(std::move(plain)) {}

  // What others refer to comes before them.
  DecodedProfile decode() {
    each_of(6, [&](Reader& field) { decoded_.texts.push_back(field.get_string()); });
    each_of(5, [&](Reader& field) { function(field); });
    each_of(4, [&](Reader& field) { location(field); });
    each_of(3, [&](Reader& field) { mapping(field); });
    each_of(2, [&](Reader& field) { sample(field); });
    each_of(1, [&](Reader& field) { type(field); });
    each_of(9, [&](Reader& field) { decoded_.time_nanos = field.get_int64(); });
    each_of(10, [&](Reader& field) { decoded_.duration_nanos = field.get_int64(); });
    each_of(13, [&](Reader& field) { decoded_.comments.push_back(text(field)); });
    each_of(14, [&](Reader& field) { decoded_.default_type = text(field); });
    return decoded_;
  }

 private:
  using Reader = protozero::pbf_reader;

  template <typename F>
  void each_of(protozero::pbf_tag_type tag, F&& read) {
    Reader reader(plain_);
    while (reader.next(tag)) read(reader);
  }
  template <typename F>
  static void each(Reader& field, F&& read) {
    Reader reader = field.get_message();
    while (reader.next()) read(reader);
  }
  std::string text(Reader& field) const { return decoded_.texts.at(static_cast<std::size_t>(field.get_int64())); }

  void function(Reader& field) {
    u64 id = 0;
    std::string name, file;
    each(field, [&](Reader& in) {
      if (in.tag() == 1)
        id = in.get_uint64();
      else if (in.tag() == 2)
        name = text(in);
      else if (in.tag() == 4)
        file = text(in);
      else
        in.skip();
    });
    decoded_.functions[id] = name + ' ' + file;
  }

  std::string line(Reader& field) const {
    std::string function;
    i64 number = 0;
    each(field, [&](Reader& in) {
      if (in.tag() == 1)
        function = decoded_.functions.at(in.get_uint64());
      else if (in.tag() == 2)
        number = in.get_int64();
      else
        in.skip();
    });
    return function + ':' + std::to_string(number);
  }

  void location(Reader& field) {
    u64 id = 0;
    DecodedProfile::Location location;
    each(field, [&](Reader& in) {
      if (in.tag() == 1)
        id = in.get_uint64();
      else if (in.tag() == 2)
        location.mapping_id = in.get_uint64();
      else if (in.tag() == 3)
        location.address = in.get_uint64();
      else if (in.tag() == 4)
        location.lines.push_back(line(in));
      else
        in.skip();
    });
    decoded_.locations[id] = location;
  }

  void mapping(Reader& field) {
    u64 id = 0;
    DecodedProfile::Mapping mapping;
    each(field, [&](Reader& in) {
      if (in.tag() == 1)
        id = in.get_uint64();
      else if (in.tag() == 5)
        mapping.filename = text(in);
      else if (in.tag() == 6)
        mapping.build_id = text(in);
      else if (in.tag() == 7)
        mapping.has_functions = in.get_bool();
      else if (in.tag() == 8)
        mapping.has_filenames = in.get_bool();
      else if (in.tag() == 9)
        mapping.has_line_numbers = in.get_bool();
      else if (in.tag() == 10)
        mapping.has_inline_frames = in.get_bool();
      else
        in.skip();
    });
    decoded_.mappings[id] = mapping;
  }

  void sample(Reader& field) {
    DecodedProfile::Sample& sample = decoded_.samples.emplace_back();
    each(field, [&](Reader& in) {
      if (in.tag() == 1) {
        for (u64 id : in.get_packed_uint64()) sample.locations.push_back(id);
      } else if (in.tag() == 2) {
        for (i64 value : in.get_packed_int64()) sample.values.push_back(value);
      } else if (in.tag() == 3) {
        label(in, sample);
      } else {
        in.skip();
      }
    });
  }

  void label(Reader& field, DecodedProfile::Sample& sample) const {
    std::string key, value, unit;
    each(field, [&](Reader& in) {
      if (in.tag() == 1)
        key = text(in);
      else if (in.tag() == 2)
        value = text(in);
      else if (in.tag() == 3)
        value = std::to_string(in.get_int64());
      else if (in.tag() == 4)
        unit = ' ' + text(in);
      else
        in.skip();
    });
    sample.labels[key] = value + unit;
  }

  void type(Reader& field) {
    std::string type;
    each(field, [&](Reader& in) { type += (type.empty() ? "" : " ") + text(in); });
    decoded_.types.push_back(type);
  }

  std::string plain_;
  DecodedProfile decoded_;
};

inline DecodedProfile decoded_profile(std::string_view packed) {
  return ProfileDecoder(gunzipped(packed)).decode();
}

}  // namespace orphan::test
