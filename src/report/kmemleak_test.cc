// SPDX-License-Identifier: Apache-2.0
#include "report/kmemleak.h"

#include <gtest/gtest.h>

#include "report/sample_report.h"

namespace orphan {
namespace {

Report report_of(Leak leak) {
  Report report;
  report.leaks.push_back(std::move(leak));
  return report;
}

TEST(KmemleakText, IsWhatTheKernelPrints) {
  Leak leak = test::slab_leak();
  leak.objects.resize(1);
  EXPECT_EQ(to_kmemleak(report_of(leak)), R"(unreferenced object 0xffff888104c2d000 (size 128):
  comm "unknown", pid 0, jiffies 0
  hex dump (first 32 bytes):
    6c 65 61 6b 20 6d 65 00 00 00 00 00 00 00 00 00  leak me.........
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
  backtrace (crc ed65d963):
    widget_probe+0x41/0x1df [widget]
    do_one_initcall+0x59/0x220
    0xffffffffc01d2036
)");
}

TEST(KmemleakText, TheTaskAndItsTimeStandWhereTheKernelHasThem) {
  Leak leak = test::slab_leak();
  leak.objects.resize(1);
  leak.objects[0].pid = 2088;
  leak.objects[0].jiffies = 4294680594;
  EXPECT_NE(to_kmemleak(report_of(leak)).find("\n  comm \"unknown\", pid 2088, jiffies 4294680594\n"), std::string::npos);
  leak.objects[0].comm = "mod\"probe\n";
  EXPECT_NE(to_kmemleak(report_of(leak)).find("\n  comm \"mod\"probe\\n\", pid 2088,"), std::string::npos);
}

TEST(KmemleakText, APerCpuObjectNamesItsCpu_AndACrcIsNotPadded) {
  EXPECT_EQ(to_kmemleak(report_of(test::per_cpu_leak())), R"(unreferenced object (percpu) 0x607fc5a195f8 (size 64):
  comm "unknown", pid 0, jiffies 0
  hex dump (first 32 bytes on cpu 2):
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
  backtrace (crc 0):
)");
}

TEST(KmemleakText, AShortObjectHasAShortRow) {
  Leak leak = test::leak_of(BlockKind::Slab, "kmalloc-8", 8, {1, 8});
  leak.objects = {{.address = Addr{0x1000}, .size_bytes = 8, .checksum = 0xa, .contents = test::bytes_of("ab\x7f\xff", 8)}};
  EXPECT_EQ(to_kmemleak(report_of(leak)), R"(unreferenced object 0x00001000 (size 8):
  comm "unknown", pid 0, jiffies 0
  hex dump (first 8 bytes):
    61 62 7f ff 00 00 00 00                          ab......
  backtrace (crc a):
)");
}

TEST(KmemleakText, ASecondRowMayBeShortToo) {
  std::string text = to_kmemleak(report_of(test::vmalloc_leak()));
  EXPECT_NE(text.find("  hex dump (first 20 bytes):\n"), std::string::npos);
  EXPECT_NE(text.find("\n    00 00 00 00                                      ....\n"), std::string::npos);
}

TEST(KmemleakText, NothingIsDumpedBeyondTheObjectsSize) {
  Leak leak = test::per_cpu_leak();
  leak.objects[0].size_bytes = 4;
  EXPECT_NE(to_kmemleak(report_of(leak)).find("first 4 bytes on cpu 2):\n    00 00 00 00       "), std::string::npos);
}

TEST(KmemleakText, AnObjectWithoutContentsHasNoDump) {
  Leak leak = test::per_cpu_leak();
  leak.objects[0].contents.clear();
  EXPECT_EQ(to_kmemleak(report_of(leak)).find("hex dump"), std::string::npos);
}

TEST(KmemleakText, ObjectsThatWereNotKeptLeaveNoTrace) {
  std::string text = to_kmemleak(test::sample_report());
  std::size_t headers = 0;
  for (std::size_t at = text.find("unreferenced object"); at != std::string::npos;
       at = text.find("unreferenced object", at + 1)) {
    ++headers;
  }
  EXPECT_EQ(headers, 6u);
  EXPECT_EQ(text.find("more"), std::string::npos);
}

TEST(KmemleakText, NoLeaksAreNoText) {
  EXPECT_EQ(to_kmemleak(Report{}), "");
}

TEST(KmemleakText, FramesEndAtTheKernelsSixteen) {
  Leak leak = test::per_cpu_leak();
  leak.stack.assign(20, test::frame_at(Addr{0xabc}, "", 0, 0, ""));
  std::string text = to_kmemleak(report_of(leak));
  std::size_t frames = 0;
  for (std::size_t at = text.find("    0xabc\n"); at != std::string::npos; at = text.find("    0xabc\n", at + 1)) ++frames;
  EXPECT_EQ(frames, 16u);
}

TEST(KmemleakText, AnInlinedFunctionIsNoFrame) {
  Leak leak = test::vmalloc_leak();
  ASSERT_TRUE(leak.stack[0].is_inlined);
  std::string text = to_kmemleak(report_of(leak));
  EXPECT_TRUE(text.ends_with("  backtrace (crc 2a):\n    widget_ring_alloc+0x27/0x90 [widget]\n")) << text;
}

TEST(KmemleakText, ASymbolCannotForgeALine) {
  Leak leak = test::per_cpu_leak();
  leak.stack = {test::frame_at(Addr{1}, "x\nunreferenced object 0x1\x1b[2J", 0, 0, "m\n")};
  std::string text = to_kmemleak(report_of(leak));
  EXPECT_NE(text.find("    x\\nunreferenced object 0x1\\x1b[2J+0x0/0x0 [m\\n]\n"), std::string::npos);
}

TEST(Kmemleak, PagesFollowTheLeaks) {
  Report report = test::sample_report();
  std::string without = to_kmemleak(report);
  report.pages = test::page_report();
  std::string with = to_kmemleak(report);
  ASSERT_TRUE(with.starts_with(without));
  EXPECT_TRUE(with.substr(without.size()).starts_with("unreferenced object 0xffff888103a42000 (size 8192):\n"));
}

}  // namespace
}  // namespace orphan
