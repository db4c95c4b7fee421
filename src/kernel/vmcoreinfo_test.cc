// SPDX-License-Identifier: Apache-2.0
#include "kernel/vmcoreinfo.h"

#include <gtest/gtest.h>

namespace orphan::kernel {
namespace {

TEST(Vmcoreinfo, EveryKindOfLineIsRead) {
  Vmcoreinfo info = Vmcoreinfo::parse(
      "OSRELEASE=6.1.0-56-cloud-amd64\n"
      "BUILD-ID=3b43fad5034874490492495d552c0af6a5fab235\n"
      "PAGESIZE=4096\n"
      "SYMBOL(_stext)=ffffffff9f000000\n"
      "SIZE(page)=64\n"
      "OFFSET(page.flags)=0\n"
      "OFFSET(page._refcount)=52\n"
      "LENGTH(mem_section)=2048\n"
      "NUMBER(PG_slab)=9\n"
      "NUMBER(VMALLOC_START)=0xff48653180000000\n"
      "KERNELOFFSET=1e000000\n");
  EXPECT_EQ(info.release(), "6.1.0-56-cloud-amd64");
  EXPECT_EQ(info.build_id(), "3b43fad5034874490492495d552c0af6a5fab235");
  EXPECT_EQ(info.value("PAGESIZE"), "4096");
  EXPECT_EQ(info.symbol("_stext"), Addr{0xffff'ffff'9f00'0000});
  EXPECT_EQ(info.size("page"), 64U);
  EXPECT_EQ(info.offset("page.flags"), 0U);
  EXPECT_EQ(info.offset("page._refcount"), 52U);
  EXPECT_EQ(info.length("mem_section"), 2048U);
  EXPECT_EQ(info.number("PG_slab"), 9U);
  EXPECT_EQ(info.number("VMALLOC_START"), 0xff48'6531'8000'0000U);
  EXPECT_EQ(info.kernel_offset(), 0x1e00'0000U);
}

TEST(Vmcoreinfo, ANegativeNumberComesInTwosComplement) {
  Vmcoreinfo info = Vmcoreinfo::parse("NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=-129\nNUMBER(phys_base)=-62914560\n");
  EXPECT_EQ(info.number("PAGE_BUDDY_MAPCOUNT_VALUE"), static_cast<u64>(-129));
  EXPECT_EQ(info.number("phys_base"), static_cast<u64>(-62914560));
}

TEST(Vmcoreinfo, WhatIsNotThereIsNotFound) {
  Vmcoreinfo info = Vmcoreinfo::parse("SYMBOL(a)=1\nSIZE(b)=2\n");
  EXPECT_FALSE(info.symbol("b"));
  EXPECT_FALSE(info.symbol(""));
  EXPECT_FALSE(info.size("a"));
  EXPECT_FALSE(info.kernel_offset());
  EXPECT_EQ(info.release(), "");
  EXPECT_TRUE(Vmcoreinfo::parse("").empty());
}

TEST(Vmcoreinfo, MalformedLinesAndValuesAreIgnored) {
  Vmcoreinfo info = Vmcoreinfo::parse(
      "no equals sign\n"
      "=value without a key\n"
      "\n"
      "SYMBOL(junk)=ffffzz\n"
      "SYMBOL(long)=11112222333344445\n"
      "SYMBOL(nothing)=\n"
      "SIZE(junk)=64 bytes\n"
      "NUMBER(junk)=--1\n"
      "NUMBER(bare)=0x\n"
      "SYMBOL(good)=ff\n");
  for (const char* name : {"junk", "long", "nothing"}) EXPECT_FALSE(info.symbol(name)) << name;
  EXPECT_FALSE(info.size("junk"));
  EXPECT_FALSE(info.number("junk"));
  EXPECT_FALSE(info.number("bare"));
  EXPECT_EQ(info.symbol("good"), Addr{0xff});
}

TEST(Vmcoreinfo, TheZerosThatPadADumpsNoteAreNoLines) {
  using std::string_view_literals::operator""sv;
  Vmcoreinfo info = Vmcoreinfo::parse("SIZE(page)=64\0\0\0\0"sv);
  EXPECT_EQ(info.size("page"), 64U);
}

TEST(Vmcoreinfo, TheLastLineNeedsNoEnd_TheFirstOfTwoValuesCounts) {
  Vmcoreinfo info = Vmcoreinfo::parse("SIZE(page)=64\nSIZE(page)=32\nSIZE(list_head)=16");
  EXPECT_EQ(info.size("page"), 64U);
  EXPECT_EQ(info.size("list_head"), 16U);
}

}  // namespace
}  // namespace orphan::kernel
