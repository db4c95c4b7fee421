// SPDX-License-Identifier: Apache-2.0
#include "debuginfo/search.h"

#include <algorithm>

#include "debuginfo/test_tree.h"

namespace orphan::debuginfo {
namespace {

class SearchTest : public TestTree {
 protected:
  std::vector<std::string> files_for(const Image& image) {
    Search search({.release = "6.1", .directories = {path("mine")}, .system_root = path("system")});
    std::vector<std::string> files = search.files_for(image);
    for (std::string& file : files) file = file.substr(root_.string().size() + 1);
    return files;
  }
};

TEST_F(SearchTest, TheKernelIsLookedForInTheUsersFoldersAndThenInTheSystems) {
  EXPECT_EQ(files_for({.build_id = "abcdef"}),
            (std::vector<std::string>{"mine/.build-id/ab/cdef.debug", "mine/vmlinux", "mine/vmlinux-6.1", "mine/boot/vmlinux-6.1",
                                      "mine/lib/modules/6.1/vmlinux", "system/usr/lib/debug/.build-id/ab/cdef.debug",
                                      "system/usr/lib/debug/vmlinux", "system/usr/lib/debug/vmlinux-6.1",
                                      "system/usr/lib/debug/boot/vmlinux-6.1", "system/usr/lib/debug/lib/modules/6.1/vmlinux",
                                      "system/lib/modules/6.1/build/vmlinux", "system/boot/vmlinux-6.1"}));
}

TEST_F(SearchTest, AModuleIsFoundAnywhereBelowTheFoldersOfItsKernel_AndWithDashesInItsFilesName) {
  for (const char* name : {"system/lib/modules/6.1/kernel/drivers/net/virtio-net.ko",
                           "system/usr/lib/debug/lib/modules/6.1/extra/virtio_net.ko.debug", "mine/virtio-net.ko",
                           "system/lib/modules/6.0/virtio_net.ko", "mine/deeper/virtio_net.ko", "mine/virtio_net.c"}) {
    write(name, "");
  }
  EXPECT_EQ(files_for({.module = "virtio_net", .build_id = "abcdef"}),
            (std::vector<std::string>{"mine/.build-id/ab/cdef.debug", "mine/virtio-net.ko",
                                      "system/usr/lib/debug/.build-id/ab/cdef.debug",
                                      "system/usr/lib/debug/lib/modules/6.1/extra/virtio_net.ko.debug",
                                      "system/lib/modules/6.1/kernel/drivers/net/virtio-net.ko"}));
}

TEST_F(SearchTest, NothingIsLookedForWithoutABuildIdThatIsOne) {
  EXPECT_FALSE(files_for({.build_id = "abcd"}).empty());
  for (const char* build_id : {"", "ab", "abc", "../../etc/x", "abcx"}) {
    EXPECT_TRUE(files_for({.build_id = build_id}).empty()) << build_id;
  }
}

TEST_F(SearchTest, NamesThatLeadElsewhereAreNotFollowed) {
  EXPECT_TRUE(files_for({.module = "../plug", .build_id = "abcd"}).empty());
  EXPECT_TRUE(files_for({.module = "..", .build_id = "abcd"}).empty());
  Search search({.release = "../../secret"});
  for (const std::string& file : search.files_for({.build_id = "abcd"}))
    EXPECT_EQ(file.find("secret"), std::string::npos) << file;
}

TEST(ModuleOfFile, KnowsModulesByTheirEnding) {
  EXPECT_EQ(module_of_file("virtio-net.ko"), "virtio_net");
  EXPECT_EQ(module_of_file("plug.ko.debug"), "plug");
  EXPECT_EQ(module_of_file("plug.ko.xz"), "plug");
  EXPECT_EQ(module_of_file("plug.kobold"), std::nullopt);
  EXPECT_EQ(module_of_file(".ko"), std::nullopt);
}

}  // namespace
}  // namespace orphan::debuginfo
