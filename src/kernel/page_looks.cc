// SPDX-License-Identifier: Apache-2.0
#include "kernel/page_looks.h"

namespace orphan::kernel {
namespace {

constexpr u64 kKernelHalf = 0xff00'0000'0000'0000;  // with five levels of page tables

}  // namespace

std::string looks_like(Bytes page) {
  u64 zeros = 0, pointers = 0, text = 0;
  for (u64 at = 0; at + 8 <= page.size(); at += 8) {
    u64 word = load_unchecked<u64>(page.data() + at);
    zeros += word == 0 ? 1 : 0;
    pointers += word >= kKernelHalf && word < ~u64{0xfff} ? 1 : 0;
  }
  for (std::byte b : page) text += b >= std::byte{0x20} && b < std::byte{0x7f} ? 1 : 0;
  u64 words = page.size() / 8;
  if (zeros == words) return "zeros";
  if (pointers * 8 >= words - zeros) return "pointers";
  return text * 10 >= (page.size() - zeros * 8) * 9 ? "text" : "data";
}

std::string first_symbol(Bytes page, const Symbols& symbols) {
  for (u64 at = 0; at + 8 <= page.size(); at += 8) {
    u64 word = load_unchecked<u64>(page.data() + at);
    if (word < kKernelHalf) continue;
    auto symbol = symbols.lookup(Addr{word});
    if (symbol && symbol->offset == 0) return symbol->name;
  }
  return {};
}

}  // namespace orphan::kernel
