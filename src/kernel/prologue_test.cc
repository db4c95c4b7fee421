// SPDX-License-Identifier: Apache-2.0
#include "kernel/prologue.h"

#include <gtest/gtest.h>

#include <vector>

namespace orphan::kernel {
namespace {

using Code = std::vector<unsigned>;

unsigned saved_by(const Code& values) {
  std::vector<std::byte> code;
  for (unsigned value : values) code.push_back(static_cast<std::byte>(value));
  return saved_registers(code);
}
Code joined(const Code& first, const Code& second) {
  Code all = first;
  all.insert(all.end(), second.begin(), second.end());
  return all;
}

const Code kCall{0xe8, 0x3b, 0x31, 0xfb, 0xff}, kEndbr{0xf3, 0x0f, 0x1e, 0xfa}, kNop5{0x0f, 0x1f, 0x44, 0, 0};
const Code kPush15{0x41, 0x57}, kPushBx{0x53}, kPushBp{0x55}, kRet{0xc3};

TEST(SavedRegisters, PushesAreCounted_WhateverTheTracerOrTheProcessorWantsBefore) {
  Code pushes = joined(kPush15, kPushBx);
  for (const Code& entry : {Code{}, kCall, kNop5, kEndbr, joined(kEndbr, kCall), joined(kEndbr, kNop5), Code{0x66, 0x90},
                            Code{0x66, 0x0f, 0x1f, 0}, Code{0x90}}) {
    EXPECT_EQ(saved_by(joined(entry, joined(pushes, kRet))), 2U);
  }
}

// What a compiler made of the beginning of rescuer_thread(): six pushes, and what was put between them.
TEST(SavedRegisters, WhatIsBetweenPushesIsPassedOver) {
  EXPECT_EQ(saved_by({0xe8, 0x3b, 0x31, 0xfb, 0xff, 0x41, 0x57, 0x48, 0xc7, 0xc6, 0xec, 0xff, 0xff, 0xff, 0x41, 0x56, 0x41,
                      0x55, 0x41, 0x54, 0x4c, 0x8d, 0x67, 0x30, 0x55, 0x53, 0x48, 0x89, 0xfb, 0x48, 0x83, 0xec, 0x30}),
            6U);
}

TEST(SavedRegisters, EachInstructionBetweenIsAsLongAsItIs) {
  const Code harmless[] = {
      {0x48, 0x89, 0xe5},                                            // mov %rsp,%rbp
      {0x65, 0x48, 0x8b, 0x1c, 0x25, 0x80, 0xfb, 0x01, 0x00},        // mov %gs:0x1fb80,%rbx
      {0x4c, 0x8b, 0x67, 0x08},                                      // mov 0x8(%rdi),%r12
      {0x48, 0x8b, 0xaf, 0x90, 0x53, 0x53, 0x00},                    // mov 0x535390(%rdi),%rbp
      {0x48, 0x8b, 0x2d, 0x53, 0x53, 0x53, 0x53},                    // mov 0x53535353(%rip),%rbp
      {0x48, 0x8d, 0x6c, 0x24, 0x53},                                // lea 0x53(%rsp),%rbp
      {0x31, 0xc0},                                                  // xor %eax,%eax
      {0x45, 0x31, 0xed},                                            // xor %r13d,%r13d
      {0x41, 0xbf, 0x53, 0x53, 0x53, 0x53},                          // mov $0x53535353,%r15d
      {0x49, 0xbf, 0x53, 0x53, 0x53, 0x53, 0x53, 0x53, 0x53, 0x53},  // movabs
      {0x41, 0xbc, 0x01, 0x00, 0x00, 0x00},                          // mov $1,%r12d
      {0xc7, 0x47, 0x53, 0x53, 0x53, 0x53, 0x53},                    // movl $0x53535353,0x53(%rdi)
      {0x48, 0x85, 0xff},                                            // test %rdi,%rdi
      {0x66, 0x89, 0x47, 0x53},                                      // mov %ax,0x53(%rdi)
  };
  for (const Code& code : harmless) EXPECT_EQ(saved_by(joined(joined(kPush15, code), joined(kPushBp, kRet))), 2U) << code.size();
}

TEST(SavedRegisters, ItEndsAtAnythingElse_WhatFollowsMayBePushedForAnotherReason) {
  const Code others[] = {
      {0x48, 0x83, 0xec, 0x08},              // sub $8,%rsp
      {0x48, 0x8d, 0x64, 0x24, 0xf8},        // lea -8(%rsp),%rsp
      {0x48, 0x89, 0xec},                    // mov %rbp,%rsp
      {0x48, 0xc7, 0xc4, 0x00, 0x00, 0, 0},  // mov $0,%rsp
      {0xbc, 0x00, 0x00, 0x00, 0x00},        // mov $0,%esp
      {0x50},                                // push %rax
      {0x5d},                                // pop %rbp
      {0xe8, 0x00, 0x00, 0x00, 0x00},        // call
      {0x74, 0x02},                          // je
      {0xff},
  };
  for (const Code& other : others) EXPECT_EQ(saved_by(joined(joined(kPush15, other), kPushBp)), 1U) << other.front();
}

TEST(SavedRegisters, CodeThatIsCutShortIsReadToItsEnd) {
  Code code{0xf3, 0x0f, 0x1e, 0xfa, 0xe8, 0, 0, 0, 0, 0x41, 0x57, 0x48, 0xc7, 0xc6, 0xec, 0xff, 0xff, 0xff, 0x53};
  for (std::size_t size = 0; size <= code.size(); ++size) {
    Code part(code.begin(), code.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(saved_by(part), size < 11 ? 0U : size < code.size() ? 1U : 2U) << size;
  }
}

TEST(SavedRegisters, ThereAreNoMoreThanSix) {
  EXPECT_EQ(saved_by(Code(20, 0x53)), 6U);
}

}  // namespace
}  // namespace orphan::kernel
