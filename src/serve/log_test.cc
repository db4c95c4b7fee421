// SPDX-License-Identifier: Apache-2.0
#include "serve/log.h"

#include <gtest/gtest.h>

#include <regex>

namespace orphan::serve {
namespace {

TEST(Log, EachLineHasItsTimeAsInTheKernelsLog_AndItsPrefix) {
  Log log;
  log.say("a\nb");
  log.say("1 new suspected memory leaks (see x)\n", Log::kDetector);
  log.keep("kept");
  const std::string kTime = R"(\[ *\d+\.\d{6}\] )";
  EXPECT_TRUE(
      std::regex_match(log.text(), std::regex(kTime + "orphan: a\n" + kTime + "orphan: b\n" + kTime +
                                              R"(kmemleak: 1 new suspected memory leaks \(see x\))" + "\n" + kTime + "kept\n")))
      << log.text();
}

TEST(Log, OnlyTheNewestLinesAreKept) {
  Log log;
  std::string line(1000, 'x');
  for (std::size_t i = 0; i < 2 * Log::kMostBytes / line.size(); ++i) log.keep(line + std::to_string(i));
  EXPECT_LE(log.text().size(), Log::kMostBytes);
  EXPECT_GT(log.text().size(), Log::kMostBytes - 2000);
  EXPECT_NE(log.text().find("x" + std::to_string(2 * Log::kMostBytes / line.size() - 1) + "\n"), std::string::npos);
}

}  // namespace
}  // namespace orphan::serve
