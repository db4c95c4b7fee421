// SPDX-License-Identifier: Apache-2.0
#include "debuginfo/source_path.h"

#include <gtest/gtest.h>

namespace orphan::debuginfo {
namespace {

TEST(SourcePath, BelowTheWorkingDirectoryItIsRelativeToIt) {
  EXPECT_EQ(short_source_path("/src/linux/mm/slub.c", "/src/linux"), "mm/slub.c");
  EXPECT_EQ(short_source_path("/src/linux/./include/linux/slab.h", "/src/linux/"), "include/linux/slab.h");
  EXPECT_EQ(short_source_path("/src/plug/plug.c", "/src/plug"), "plug.c");
}

TEST(SourcePath, OfAKernelBuiltInAnotherFolderItIsRelativeToTheSource) {
  EXPECT_EQ(short_source_path("/src/linux/mm/slub.c", "/src/linux/debian/build/amd64"), "mm/slub.c");
  EXPECT_EQ(short_source_path("/src/linux/build/../mm/slub.c", "/src/linux/build"), "mm/slub.c");
}

TEST(SourcePath, OfAModuleThatIsNoPartOfLinuxItStaysWhole) {
  EXPECT_EQ(short_source_path("/usr/src/plug-1.0/plug.c", "/usr/src/linux-headers-6.1"), "/usr/src/plug-1.0/plug.c");
  EXPECT_EQ(short_source_path("/plug/./plug.c", "/usr/src/linux"), "/plug/plug.c");
}

TEST(SourcePath, WithoutAWorkingDirectoryItStaysWhole) {
  EXPECT_EQ(short_source_path("/src/linux/mm/slub.c", ""), "/src/linux/mm/slub.c");
  EXPECT_EQ(short_source_path("mm/slub.c", "/src/linux"), "mm/slub.c");
  EXPECT_EQ(short_source_path("../mm/slub.c", "."), "../mm/slub.c");
  EXPECT_EQ(short_source_path("", "/src"), "");
  EXPECT_EQ(short_source_path("/src", "/src"), "/src");
}

}  // namespace
}  // namespace orphan::debuginfo
