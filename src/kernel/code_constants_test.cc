// SPDX-License-Identifier: Apache-2.0
#include "kernel/code_constants.h"

#include <gtest/gtest.h>

#include "kernel/fake_kernel.h"

namespace orphan::kernel {
namespace {

std::vector<std::byte> bytes(std::initializer_list<unsigned> values) {
  std::vector<std::byte> result;
  for (unsigned value : values) result.push_back(static_cast<std::byte>(value));
  return result;
}

std::vector<u64> values(const std::vector<std::byte>& code) {
  std::vector<u64> result;
  for (const CodeConstant& constant : code_constants(code)) {
    EXPECT_EQ(load<u64>(code, constant.offset), constant.value);
    result.push_back(constant.value);
  }
  return result;
}

TEST(CodeConstants, OperandsOfAllRegistersAreFound) {
  // nop; movabs $0xff11000004740010, %rax; movabs …, %r15
  auto code = bytes({0x90, 0x48, 0xb8, 0x10, 0, 0x74, 0x04, 0, 0, 0x11, 0xff, 0x49, 0xbf, 8, 7, 6, 5, 4, 3, 2, 1});
  EXPECT_EQ(values(code), (std::vector<u64>{0xff11'0000'0474'0010, 0x0102'0304'0506'0708}));
}

TEST(CodeConstants, WhatIsNoneOrIsCutShortIsNot) {
  // mov $imm32, %eax; lea 0(%rax), %rax; a movabs without its last byte
  EXPECT_EQ(values(bytes({0xb8, 1, 2, 3, 4, 0x48, 0x8d, 0x80, 0, 0, 0, 0})), std::vector<u64>());
  EXPECT_EQ(values(bytes({0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7})), std::vector<u64>());
  EXPECT_EQ(values({}), std::vector<u64>());
}

class CodeConstantsTest : public testing::TestWithParam<FakeVersion> {};
INSTANTIATE_TEST_SUITE_P(Versions, CodeConstantsTest, testing::ValuesIn(kVersions), version_name);

TEST_P(CodeConstantsTest, AnObjectThatOnlySuchCodeKnowsIsHeld_OtherCodeIsNoRoot) {
  FakeKernel kernel(GetParam());
  Addr object = kernel.kmalloc(64);
  constexpr u64 kOffset = 0x200;  // in the text
  Addr code = kernel.page(FakeKernel::kImagePhysical / kPageBytes) + kOffset;
  kernel.ram().write(code, bytes({0x48, 0xba}));
  kernel.put_word(code + 2, object.value);
  EXPECT_EQ(kernel.verdict(object), Verdict::Leaked);
  kernel.code_with_constants = {{FakeKernel::kText + kOffset, 32}};
  EXPECT_EQ(kernel.verdict(object), Verdict::Held);
}

}  // namespace
}  // namespace orphan::kernel
