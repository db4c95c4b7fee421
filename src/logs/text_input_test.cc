// SPDX-License-Identifier: Apache-2.0
#include "logs/text_input.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <vector>

#include "base/verify.h"

namespace orphan::logs {
namespace {

// A file in memory with these bytes.
class File {
 public:
  explicit File(std::string_view bytes) : fd_(::memfd_create("input", MFD_CLOEXEC)) {
    VERIFY(::write(fd_.value(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_.value()); }

 private:
  Fd fd_;
};

std::string gzip(std::string_view text) {
  z_stream stream{};
  VERIFY(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string in(text), out(deflateBound(&stream, in.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  VERIFY(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(std::string_view text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  ZSTD_CCtx* context = ZSTD_createCCtx();
  // As the program zstd does.
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  std::size_t size = ZSTD_compress2(context, out.data(), out.size(), text.data(), text.size());
  ZSTD_freeCCtx(context);
  VERIFY(ZSTD_isError(size) == 0);
  out.resize(size);
  return out;
}

struct Lines {
  std::vector<std::string> lines;
  std::string error;
};

Lines read(std::string_view bytes) {
  File file(bytes);
  Lines read;
  auto input = TextInput::open(file.path());
  if (!input) return {{}, input.error().text()};
  LineReader reader(*input);
  for (;;) {
    auto line = reader.next();
    if (!line) read.error = line.error().text();
    if (!line || !*line) return read;
    read.lines.emplace_back(**line);
    EXPECT_EQ(reader.number(), read.lines.size());
  }
}

std::string many_lines() {
  std::string text;
  for (int i = 0; i < 60'000; ++i) text += "line " + std::to_string(i * 7919) + " of many\n";
  return text;
}

TEST(TextInput, LinesEndWhereTheyEnd) {
  using Texts = std::vector<std::string>;
  EXPECT_EQ(read("").lines, Texts{});
  EXPECT_EQ(read("a").lines, Texts{"a"});
  EXPECT_EQ(read("a\n").lines, Texts{"a"});
  EXPECT_EQ(read("\n\na\r\n").lines, (Texts{"", "", "a\r"}));
}

TEST(TextInput, CompressedTextIsTheSameText) {
  std::string text = many_lines();
  Lines plain = read(text);
  EXPECT_EQ(plain.lines.size(), 60'000u);
  for (const std::string& bytes : {gzip(text), zstd(text), gzip(text.substr(0, 1000)) + gzip(text.substr(1000)),
                                   zstd(text.substr(0, 1000)) + zstd(text.substr(1000))}) {
    Lines lines = read(bytes);
    EXPECT_EQ(lines.lines, plain.lines);
    EXPECT_EQ(lines.error, "");
  }
}

TEST(TextInput, WhatIsCompressedWellIsNotCutAtItsEnd) {
  std::string text(3'000'000, 'x');
  for (std::size_t i = 99; i < text.size(); i += 100) text[i] = '\n';
  EXPECT_EQ(read(gzip(text)).lines.size(), 30'000u);
  EXPECT_EQ(read(zstd(text)).lines.size(), 30'000u);
}

TEST(TextInput, OfACompressedFileThatIsCutTheBeginIsUsed) {
  std::string text = many_lines();
  for (const std::string& bytes : {gzip(text), zstd(text)}) {
    Lines lines = read(std::string_view(bytes).substr(0, bytes.size() - 10));
    EXPECT_GT(lines.lines.size(), 10u);
    EXPECT_NE(lines.error.find("cut short"), std::string::npos) << lines.error;
  }
}

TEST(TextInput, ACompressedFileThatIsDamagedIsAnError) {
  std::string text = many_lines();
  for (std::string bytes : {gzip(text), zstd(text)}) {
    for (std::size_t i = bytes.size() / 2; i < bytes.size() / 2 + 60; ++i) bytes[i] = static_cast<char>(~bytes[i]);
    Lines lines = read(bytes);
    EXPECT_NE(lines.error.find("damaged"), std::string::npos) << lines.error;
  }
}

TEST(TextInput, ALineIsCutWhereItIsTooLong_TheNextIsWhole) {
  std::string text = std::string(LineReader::kMaxLine + 500'000, 'x') + "\nnext\n";
  Lines lines = read(text);
  ASSERT_EQ(lines.lines.size(), 2u);
  EXPECT_EQ(lines.lines[0].size(), LineReader::kMaxLine);
  EXPECT_EQ(lines.lines[1], "next");
}

TEST(TextInput, WhatCannotBeOpenedIsNamed) {
  auto missing = TextInput::open("/nowhere/report");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().text(), "/nowhere/report: No such file or directory");
  auto directory = TextInput::open("/proc");
  ASSERT_FALSE(directory);
  EXPECT_NE(directory.error().text().find("--recursive"), std::string::npos);
}

}  // namespace
}  // namespace orphan::logs
