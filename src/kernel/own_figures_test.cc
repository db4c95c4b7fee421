// SPDX-License-Identifier: Apache-2.0
#include "kernel/own_figures.h"

#include <gtest/gtest.h>

namespace orphan::kernel {
namespace {

TEST(OwnFigures, MeminfoGivesBytes_LinesWithoutAUnitAreLeftOut) {
  auto figures =
      parse_meminfo("MemTotal:         995612 kB\nActive(anon):      12 kB\nHugePages_Total:       3\nMemFree: x kB\n");
  EXPECT_EQ(figures.size(), 2U);
  EXPECT_EQ(figures["MemTotal"], 995612U * 1024);
  EXPECT_EQ(figures["Active(anon)"], 12U * 1024);
}

constexpr std::string_view kZoneinfo = R"(Node 0, zone      DMA
  pages free     3840
        boost    0
        present  3998
        managed  3840
        cma      0
  pagesets
    cpu: 0
              count: 5
              high:  14
    cpu: 1
              count: 7
  start_pfn:           1
Node 0, zone    DMA32
        present  258016
        managed  245063
    cpu: 0
              count: 100
)";

TEST(OwnFigures, ZoneinfoIsSummedOverZonesAndCpus) {
  auto figures = parse_zoneinfo(kZoneinfo);
  ASSERT_TRUE(figures);
  EXPECT_EQ(figures->present, 3998U + 258016);
  EXPECT_EQ(figures->managed, 3840U + 245063);
  EXPECT_EQ(figures->on_cpu_lists, 112U);
  EXPECT_FALSE(parse_zoneinfo("")) << "not zero: unknown";
}

TEST(OwnFigures, SlabinfoGivesPages_AndOnlyOfAVersionThatIsKnown) {
  std::string text =
      "slabinfo - version: 2.1\n"
      "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit>\n"
      "fruit               100    120    232   17    2 : tunables    0    0    0 : slabdata      8      8      0\n"
      "broken              100    1x0    232   17    2 : tunables    0    0    0 : slabdata      8      8      0\n"
      "short               100\n";
  auto figures = parse_slabinfo(text);
  ASSERT_EQ(figures.size(), 1U);
  EXPECT_EQ(figures["fruit"].active, 100U);
  EXPECT_EQ(figures["fruit"].objects, 120U);
  EXPECT_EQ(figures["fruit"].pages, 16U);
  text[20] = '3';
  EXPECT_TRUE(parse_slabinfo(text).empty());
}

TEST(OwnFigures, VmallocinfoIsSummedByCaller_WithItsModule) {
  auto figures = parse_vmallocinfo(
      "0x0-0x5 20480 fork+0x1/0x2 pages=4 vmalloc N0=4\n"
      "0x0-0x5 20480 fork+0x1/0x2 pages=4 vmalloc N0=4\n"
      "0x0-0x5 8192 init+0x1/0x2 [mod] pages=1 vmalloc N0=1\n"
      "0x0-0x5 8192 acpi_os_map_iomem+0x1/0x2 phys=0x1 ioremap\n"
      "pages=9\n");
  ASSERT_EQ(figures.size(), 2U);
  EXPECT_EQ(figures["fork+0x1/0x2"], 8U);
  EXPECT_EQ(figures["init+0x1/0x2 [mod]"], 1U);
}

}  // namespace
}  // namespace orphan::kernel
