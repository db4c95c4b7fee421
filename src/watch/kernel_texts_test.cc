// SPDX-License-Identifier: Apache-2.0
#include "watch/kernel_texts.h"

#include <gtest/gtest.h>

#include <string>

#include "watch/line_reader.h"
#include "watch/temporary_directory.h"

namespace orphan::watch {
namespace {

TEST(KernelTexts, LinesOfMeminfoHaveANameANumberAndPerhapsAUnit) {
  auto line = parse_meminfo("Active(anon):     123456 kB");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->name, "Active(anon)");
  EXPECT_EQ(line->value, 123456);
  EXPECT_TRUE(line->is_kb);
  EXPECT_FALSE(parse_meminfo("HugePages_Total:       0")->is_kb);
  EXPECT_EQ(parse_meminfo("HighFree:       268 kB")->value, 268);
  for (const char* other : {"", "MemFree", "MemFree:", "MemFree: x kB", "MemFree: 5 MB", "MemFree: 5 kB 6", "Mem Free: 5 kB",
                            "MemFree: -5 kB", "12:30:01", "        total:    used:    free:", "MemFree: 99999999999999999999 kB"})
    EXPECT_FALSE(parse_meminfo(other)) << other;
}

TEST(KernelTexts, SlabinfoOfBothVersionsIsRead) {
  EXPECT_EQ(parse_slabinfo_version("slabinfo - version: 2.1 (statistics)"), SlabVersion::Two);
  EXPECT_EQ(parse_slabinfo_version("slabinfo - version: 1.1 (SMP)"), SlabVersion::One);
  EXPECT_FALSE(parse_slabinfo_version("slabinfo - version: 3.0"));
  auto two =
      parse_slabinfo("kmalloc-4k           600    640   4096    8    8 : tunables    0    0    0 : slabdata     80     81      0",
                     SlabVersion::Two);
  ASSERT_TRUE(two);
  EXPECT_EQ(two->name, "kmalloc-4k");
  EXPECT_EQ(two->active_objects, 600);
  EXPECT_EQ(two->objects, 640);
  EXPECT_EQ(two->object_bytes, 4096);
  EXPECT_EQ(two->pages_per_slab, 8);
  EXPECT_EQ(two->slabs, 81);
  auto one = parse_slabinfo("inode_cache          714    900    384   80   90    1 :  124   62", SlabVersion::One);
  ASSERT_TRUE(one);
  EXPECT_EQ(one->active_objects, 714);
  EXPECT_EQ(one->slabs, 90);
  EXPECT_EQ(one->pages_per_slab, 1);
}

TEST(KernelTexts, ACacheMayHaveABlankOrANumberInItsName) {
  auto line = parse_slabinfo("ext3 inode cache 5 6 7 8 9 : tunables 0 0 0 : slabdata 1 2 0", SlabVersion::Two);
  ASSERT_TRUE(line);
  EXPECT_EQ(line->name, "ext3 inode cache");
  EXPECT_EQ(line->active_objects, 5);
  EXPECT_EQ(parse_slabinfo("dm 2 crypt 1 2 3 4 5 : tunables 0 0 0 : slabdata 1 2 0", SlabVersion::Two)->name, "dm 2 crypt");
}

TEST(KernelTexts, ALineOfSlabinfoThatIsCutAnywhereIsNone) {
  std::string line = "dentry 600 640 192 21 1 : tunables 0 0 0 : slabdata 30 31 0";
  for (std::size_t size = 0; size < line.find("31"); ++size)
    EXPECT_FALSE(parse_slabinfo(line.substr(0, size), SlabVersion::Two)) << size;
  EXPECT_FALSE(
      parse_slabinfo("# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>", SlabVersion::Two));
}

TEST(KernelTexts, CallersOfVmallocAreFunctionsWithTheirModule) {
  auto line =
      parse_vmallocinfo("0xffffc90000000000-0xffffc90000005000   20480 irq_init_percpu_irqstack+0x1cd/0x270 pages=4 vmap N0=4");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->caller, "irq_init_percpu_irqstack");
  EXPECT_EQ(line->module, "");
  EXPECT_EQ(line->pages, 4);
  auto module = parse_vmallocinfo("0x0000000012345678-0x0000000012347678 8192 f+0x1/0x2 [leaky] pages=1 vmalloc");
  ASSERT_TRUE(module);
  EXPECT_EQ(module->module, "leaky");
  EXPECT_EQ(parse_vmallocinfo("(ptrval)-(ptrval) 8192 acpi_os_map_iomem+0x1/0x2 phys=0x00000000bffe2000 ioremap")->pages,
            std::nullopt);
  EXPECT_EQ(parse_vmallocinfo("0xf0800000-0xf0802000    8192 vm_map_ram")->caller, "vm_map_ram");
  EXPECT_EQ(parse_vmallocinfo("0xf0800000-0xf0802000    8192 pages=3 vmalloc")->caller, "unknown");
  EXPECT_EQ(parse_vmallocinfo("0xf0800000-0xf0802000    8192")->caller, "unknown");
  for (const char* other : {"", "0xf0800000", "0xf0800000-0xf0802000", "0xf0800000-0xf0802000 x", "a-b 8192 f+0x1",
                            "0xf0800000-0xf0802000 8192 +0x1/0x2"})
    EXPECT_FALSE(parse_vmallocinfo(other)) << other;
}

TEST(KernelTexts, SitesBuddiesAndPressureAreRead_AndHeadingsAreNone) {
  auto site = parse_allocinfo("     1048576       16 drivers/x/y.c:12 [leaky] func:leak_one ");
  ASSERT_TRUE(site);
  EXPECT_EQ(site->bytes, 1048576);
  EXPECT_EQ(site->calls, 16);
  EXPECT_EQ(site->where, "drivers/x/y.c:12 [leaky] func:leak_one");
  EXPECT_FALSE(parse_allocinfo("allocinfo - version: 1.0"));
  EXPECT_FALSE(parse_allocinfo("#     <size>  <calls> <tag info>"));
  auto buddy = parse_buddyinfo("Node 1, zone   Normal      7     6      0 ");
  ASSERT_TRUE(buddy);
  EXPECT_EQ(buddy->node, 1);
  EXPECT_EQ(buddy->zone, "Normal");
  ASSERT_EQ(buddy->orders, 3U);
  EXPECT_EQ(buddy->blocks[1], 6);
  EXPECT_FALSE(parse_buddyinfo("Node 1, zone Normal"));
  EXPECT_FALSE(parse_buddyinfo("Node 1, zone Normal 1 x"));
  EXPECT_EQ(parse_pressure("full avg10=0.00 avg60=0.01 avg300=0.00 total=9876")->total_us, 9876);
  EXPECT_FALSE(parse_pressure("some avg10=0.00"));
}

TEST(LineReader, EveryLineComesWithItsNumber_WhateverEndsIt) {
  TemporaryDirectory directory;
  directory.write("file", "one\r\n\nthree\nlast");
  auto reader = LineReader::open(directory.path("file"));
  ASSERT_TRUE(reader);
  for (const char* wanted : {"one", "", "three", "last"}) {
    auto line = reader->next();
    ASSERT_TRUE(line && *line);
    EXPECT_EQ(**line, wanted);
  }
  EXPECT_EQ(reader->number(), 4U);
  auto end = reader->next();
  EXPECT_TRUE(end && !*end);
  EXPECT_EQ(LineReader::open(directory.path("none")).error().code(), ErrorCode::NotFound);
}

TEST(LineReader, LongFilesComeWhole_AndALineWithoutEndInPieces) {
  TemporaryDirectory directory;
  std::string text;
  for (int i = 0; i < 30'000; ++i) text += std::to_string(i) + std::string(static_cast<std::size_t>(i % 50), 'x') + "\n";
  directory.write("file", text);
  auto reader = LineReader::open(directory.path("file"));
  ASSERT_TRUE(reader);
  std::string again;
  for (auto line = reader->next(); line && *line; line = reader->next()) again += std::string(**line) + "\n";
  EXPECT_TRUE(again == text);
  directory.write("endless", std::string(200'000, 'x'));
  auto endless = LineReader::open(directory.path("endless"));
  std::size_t total = 0;
  for (auto line = endless->next(); line && *line; line = endless->next()) {
    EXPECT_LE((*line)->size(), 65536U);
    total += (*line)->size();
  }
  EXPECT_EQ(total, 200'000U);
}

}  // namespace
}  // namespace orphan::watch
