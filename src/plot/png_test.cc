// SPDX-License-Identifier: Apache-2.0
#include "plot/png.h"

#include <gtest/gtest.h>

#include "plot/sample_chart.h"
#include "plot/svg.h"

namespace orphan::plot {
namespace {

u32 big_endian(const std::string& data, std::size_t at) {
  u32 value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<u8>(data[at + i]);
  return value;
}

TEST(Png, ThePictureIsAsLargeAsItShouldBe) {
  ASSERT_TRUE(kHasPng);
  SampleMachine machine;
  machine.add_usual();
  watch::TrendReport report = machine.report();
  auto png = to_png(to_svg(machine.chart(report), report), 1.5);
  ASSERT_TRUE(png) << png.error().text();
  ASSERT_GT(png->size(), 5000U);
  EXPECT_EQ(png->substr(0, 8), "\x89PNG\r\n\x1a\n");
  EXPECT_EQ(big_endian(*png, 16), static_cast<u32>(1.5 * kWidth));
  EXPECT_GT(big_endian(*png, 20), 600U);
}

TEST(Png, WhatIsNoPictureIsAnError) {
  auto png = to_png("<svg", 1);
  ASSERT_FALSE(png);
  EXPECT_TRUE(png.error().text().starts_with("--png: the picture cannot be drawn: ")) << png.error().text();
}

}  // namespace
}  // namespace orphan::plot
