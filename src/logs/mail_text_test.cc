// SPDX-License-Identifier: Apache-2.0
#include "logs/mail_text.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace orphan::logs {
namespace {

struct Line {
  std::string text;
  u64 number = 0;
  bool operator==(const Line&) const = default;
  friend std::ostream& operator<<(std::ostream& out, const Line& line) { return out << line.number << ": " << line.text; }
};

std::vector<Line> decode(std::string_view text) {
  std::vector<Line> lines;
  MailText mails([&](std::string_view line, u64 number) { lines.push_back({std::string(line), number}); });
  u64 number = 0;
  while (!text.empty()) {
    std::size_t end = std::min(text.find('\n'), text.size());
    mails.add(text.substr(0, end), ++number);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  mails.end();
  return lines;
}

// What follows the header and its empty line.
std::vector<Line> body(std::string_view header, std::string_view text) {
  std::vector<Line> lines = decode(std::string(header) + "\n\n" + std::string(text));
  lines.erase(lines.begin(), lines.begin() + 2);
  return lines;
}

TEST(MailText, WhatIsNoMailIsAsItIs) {
  EXPECT_EQ(
      decode("unreferenced object 0xffff888104c2d000 (size 192):\n\n  comm \"a=3Db\", pid 1=\n--x\n"),
      (std::vector<Line>{
          {"unreferenced object 0xffff888104c2d000 (size 192):", 1}, {"", 2}, {"  comm \"a=3Db\", pid 1=", 3}, {"--x", 4}}));
}

TEST(MailText, QuotedPrintableIsDecoded_WrappedLinesAreOne) {
  EXPECT_EQ(body("Content-Transfer-Encoding: quoted-printable",
                 "    hex dump =\n(first 32 bytes):  \r\n    caf=C3=A9 =3d =XY = =\n\n=0Atwo\nlast=\n"),
            (std::vector<Line>{
                {"    hex dump (first 32 bytes):", 3}, {"    caf\xc3\xa9 = =XY = ", 5}, {"", 7}, {"two", 7}, {"last", 8}}));
}

TEST(MailText, Base64IsDecoded_LinesAreThoseOfTheText) {
  // "one\ntwo lines of text\r\nthree"
  EXPECT_EQ(body("CONTENT-TRANSFER-ENCODING:base64", "b25lCnR3byBsaW5lcyBv\r\nZiB0ZXh0DQp0aHJl\nZQ==\n"),
            (std::vector<Line>{{"one", 3}, {"two lines of text", 3}, {"three", 4}}));
  EXPECT_EQ(body("Content-Transfer-Encoding: base64", "b25l\nthis is none\n"),
            (std::vector<Line>{{"one", 3}, {"this is none", 4}}));
}

TEST(MailText, APartEndsAtItsBoundary_AndAtTheNextMail) {
  std::vector<Line> lines = decode(
      "Content-Type: multipart/mixed;\n\tboundary=\"a b+c\"; x=y\n\n--a b+c\n"
      "Content-Transfer-Encoding: quoted-printable\n\n--- =61\n--a b+c\n\n=61\n--a b+c--\n"
      "From someone\nContent-Transfer-Encoding: quoted-printable\n\n=61\nFrom somebody else\n\n=61\n");
  std::vector<std::string> texts;
  for (const Line& line : lines) {
    if (line.text.find("61") != std::string::npos || line.text.ends_with('a')) texts.push_back(line.text);
  }
  EXPECT_EQ(texts, (std::vector<std::string>{"--- a", "=61", "a", "=61"}));
}

TEST(MailText, EachOfManyMailsHasItsOwnBoundary) {
  std::string box;
  for (int i = 0; i < 300; ++i) {
    std::string boundary = "b" + std::to_string(i) + ".";
    box += "From x\r\nContent-Type: multipart/mixed; boundary=" + boundary + "\r\n\r\n--" + boundary +
           "\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=61\r\n--" + boundary + "--\r\n=62\r\n";
  }
  std::vector<Line> lines = decode(box);
  EXPECT_EQ(std::ranges::count(lines, "a", &Line::text), 300);
  EXPECT_EQ(std::ranges::count(lines, "=62\r", &Line::text), 300);
}

TEST(MailText, AnEncodingThatIsAnnouncedOnlyCountsForTheNextBody) {
  EXPECT_EQ(body("Content-Transfer-Encoding: 7bit", "=61\n"), (std::vector<Line>{{"=61", 3}}));
  EXPECT_EQ(decode("Content-Transfer-Encoding: base64\nYWI=\n").size(), 2U);
}

TEST(MailText, ALineWithoutEndIsCut) {
  std::string long_text(100'000, 'x');
  std::vector<Line> lines =
      body("Content-Transfer-Encoding: quoted-printable", long_text + "=\n" + long_text + "=\n" + long_text);
  std::string all;
  for (const Line& line : lines) all += line.text;
  EXPECT_EQ(all, long_text + long_text + long_text);
  EXPECT_EQ(lines.size(), 3U);
}

}  // namespace
}  // namespace orphan::logs
