// SPDX-License-Identifier: Apache-2.0
#include "plot/svg.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "plot/sample_chart.h"

namespace orphan::plot {
namespace {

TEST(Svg, EachLineIsAPath_WithItsVerdict) {
  SampleMachine machine;
  machine.add_usual();
  watch::TrendReport report = machine.report();
  std::string svg = to_svg(machine.chart(report), report);
  EXPECT_TRUE(svg.starts_with("<?xml"));
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
  EXPECT_NE(svg.find(R"(stroke="#0072b2")"), std::string::npos);
  EXPECT_NE(svg.find(">slab kmalloc-4k: growing, by 11.4 MiB/h ("), std::string::npos) << svg.substr(svg.size() - 1500);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("http", svg.find("viewBox")), std::string::npos);  // nothing is fetched
}

TEST(Svg, ANameCannotBeMoreThanAName) {
  SampleMachine machine;
  machine.add_usual("</text><script>alert(1)</script>&\"'\x01\xff 1 1");
  watch::TrendReport report = machine.report();
  std::string svg = to_svg(machine.chart(report, {.names = {"script"}}), report);
  EXPECT_EQ(svg.find("<script"), std::string::npos);
  EXPECT_NE(svg.find("&lt;/text&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#39;"), std::string::npos);
  EXPECT_TRUE(std::ranges::all_of(svg, [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); }));
}

}  // namespace
}  // namespace orphan::plot
