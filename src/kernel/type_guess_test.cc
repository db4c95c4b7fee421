// SPDX-License-Identifier: Apache-2.0
#include "kernel/type_guess.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "kernel/fake_btf.h"

namespace orphan::kernel {
namespace {

// A pointer with a type needs a BTF that says so: "ptr" of the fake types points to nothing known.
class TypeGuessTest : public testing::Test {
 protected:
  TypeGuessTest() {
    std::filesystem::create_directories(folder_);
    FakeTypes types(R"(
struct list_head 16
  ptr next 0
  ptr prev 8
struct file_operations 64
  ptr owner 0
struct net_device_ops 64
  ptr ndo_init 0
struct .part 16
  u64 flags 0
  file_operations* f_op 8
struct file 184
  list_head f_list 0
  .part - 24
  net_device_ops* ops 40
  u64[4] f_pos 48
struct cdev 104
  ptr owner 0
  file_operations* fops 8
struct other 180
  u64 number 0
  file_operations* operations 32
struct small 40
  file_operations* operations 32
)");
    types.write(folder_ + "vmlinux");
    FakeTypes("struct widget_ops 16\n  ptr start 0\nstruct widget 90\n  u64 number 0\n  widget_ops* ops 16\n")
        .write(folder_ + "widget", folder_ + "vmlinux");
    btf_.emplace(std::move(*Btf::load(folder_ + "vmlinux")));
  }
  ~TypeGuessTest() override { std::filesystem::remove_all(folder_); }

  Leak leak(u64 size_bytes, std::vector<Evidence> evidence) {
    Leak leak;
    leak.cache = fmt::format("kmalloc-{}", size_bytes);
    leak.object_size_bytes = size_bytes;
    leak.evidence = std::move(evidence);
    TypeGuess guess(*btf_, read_text, folder_);
    guess.guess(leak);
    guess.name_fields(leak);
    return leak;
  }
  static Evidence symbol(u32 offset_bytes, std::string text, u64 count = 4) {
    return {Evidence::Kind::Symbol, offset_bytes, std::move(text), count};
  }

  std::string folder_ = (std::filesystem::temp_directory_path() / fmt::format("orphan_type_guess_{}/", ::getpid())).string();
  std::optional<Btf> btf_;
};

TEST_F(TypeGuessTest, ATableOfFunctionsTellsTheStructOfThatSizeWithAPointerToItThere) {
  Leak cdev = leak(128, {symbol(8, "ext4_file_operations")});
  EXPECT_EQ(cdev.type, "struct cdev");
  EXPECT_EQ(cdev.type_reason, "ext4_file_operations (struct file_operations) is where its member fops is, and its size fits");
  EXPECT_EQ(cdev.evidence[0].field, "fops");
}

TEST_F(TypeGuessTest, AtAnotherOffset_OrInABlockOfAnotherSize_ItTellsNothing) {
  EXPECT_EQ(leak(128, {symbol(16, "ext4_file_operations")}).type, "");
  EXPECT_EQ(leak(256, {symbol(8, "ext4_file_operations")}).type, "");
  EXPECT_EQ(leak(96, {symbol(8, "ext4_file_operations")}).type, "");
}

TEST_F(TypeGuessTest, OfTwoTypesThatFitBothAreNamed_AndASecondTableTellsThemApart) {
  Leak both = leak(192, {symbol(32, "widget_fops [widget]")});
  EXPECT_EQ(both.type, "struct file");
  EXPECT_TRUE(both.type_reason.ends_with("; or struct other")) << both.type_reason;
  EXPECT_EQ(both.evidence[0].field, "") << "whose member?";
  Leak one = leak(192, {symbol(32, "widget_fops [widget]"), symbol(40, "widget_netdev_ops")});
  EXPECT_EQ(one.type, "struct file");
  EXPECT_EQ(one.type_reason.find("; or"), std::string::npos);
  EXPECT_EQ(one.evidence[0].field, "f_op");
  EXPECT_EQ(one.evidence[1].field, "ops");
}

TEST_F(TypeGuessTest, TheMinorityOfAGroupTellsNothing) {
  EXPECT_EQ(leak(128, {symbol(64, "something", 100), symbol(8, "ext4_file_operations", 50)}).type, "");
  EXPECT_EQ(leak(128, {symbol(64, "something", 100), symbol(8, "ext4_file_operations", 51)}).type, "struct cdev");
}

TEST_F(TypeGuessTest, OnlyVariablesNamedAsTablesAre_AndTheirStart_Count) {
  for (const char* text : {"ext4_inode", "ext4_file_operations+0x8", "operations", "xfile_operations_table"}) {
    EXPECT_EQ(leak(128, {symbol(8, text)}).type, "") << text;
  }
  EXPECT_EQ(leak(128, {{Evidence::Kind::String, 8, "file_operations", 4}}).type, "");
}

TEST_F(TypeGuessTest, TypesOfTheModuleThatTheTableIsInCount_OfOthersNot) {
  EXPECT_EQ(leak(96, {symbol(16, "my_widget_ops [widget]")}).type, "struct widget");
  EXPECT_EQ(leak(96, {symbol(16, "my_widget_ops [gadget]")}).type, "");
}

TEST_F(TypeGuessTest, OfAModuleThatDoesNotTellItsTypesOneTableIsNotEnough_TwoAre) {
  EXPECT_EQ(leak(128, {symbol(8, "gadget_fops [gadget]")}).type, "");
  EXPECT_EQ(leak(128, {symbol(8, "widget_fops [widget]")}).type, "struct cdev");
  EXPECT_EQ(leak(192, {symbol(32, "gadget_fops [gadget]"), symbol(40, "gadget_netdev_ops [gadget]")}).type, "struct file");
}

TEST_F(TypeGuessTest, ATypeThatIsKnownStays_AndItsMembersAreNamed) {
  Leak known;
  known.type = "struct file";
  known.object_size_bytes = 184;
  known.evidence = {symbol(0, "a"), symbol(8, "a"), symbol(32, "a"), symbol(64, "a"), symbol(100, "a"), symbol(184, "a")};
  TypeGuess guess(*btf_, read_text, folder_);
  guess.guess(known);
  guess.name_fields(known);
  EXPECT_EQ(known.type, "struct file");
  EXPECT_EQ(known.type_reason, "");
  std::vector<std::string> fields;
  for (const Evidence& evidence : known.evidence) fields.push_back(evidence.field);
  EXPECT_EQ(fields, (std::vector<std::string>{"f_list.next", "f_list.prev", "f_op", "f_pos[2]", "", ""}));
  known.type = "struct widget";
  known.evidence = {symbol(16, "a")};
  guess.name_fields(known);
  EXPECT_EQ(known.evidence[0].field, "ops") << "of a module's type";
  known.type = "struct nobody_knows";
  guess.name_fields(known);
  EXPECT_EQ(known.evidence[0].field, "ops") << "as it was";
}

}  // namespace
}  // namespace orphan::kernel
