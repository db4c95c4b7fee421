// SPDX-License-Identifier: Apache-2.0
#include "kernel/prologue.h"

#include <cstring>
#include <optional>

namespace orphan::kernel {
namespace {

constexpr unsigned kStackPointer = 4;  // the number of rsp

// One instruction after the other, as far as they are known here. Encodings: Intel's manual, volume 2, chapter 2.
class Decoder {
 public:
  explicit Decoder(Bytes code) : code_(code) {}

  // The entry of a function: where indirect calls may land, and what was patched in for its tracer.
  void skip_entry() {
    constexpr unsigned kCall = 0xe8;
    skip("\xf3\x0f\x1e\xfa");  // endbr64
    if (peek(0) == kCall) at_ += 5;
  }

  bool take_push() {
    bool is_extended = peek(0) == 0x41;
    unsigned code = peek(is_extended ? 1 : 0);
    // rbx and rbp; r12 to r15.
    bool is_saved = is_extended ? code >= 0x54 && code <= 0x57 : code == 0x53 || code == 0x55;
    if (is_saved) at_ += is_extended ? 2 : 1;
    return is_saved;
  }

  // One that does nothing, or writes a register other than the stack pointer, and goes on behind itself.
  bool take_harmless() {
    Decoder next = *this;
    if (!next.take_one() || next.at_ > code_.size()) return false;
    *this = next;
    return true;
  }

 private:
  struct Operands {
    unsigned reg, rm;
    bool rm_is_register;
  };

  unsigned peek(u64 ahead) const { return at_ + ahead < code_.size() ? std::to_integer<unsigned>(code_[at_ + ahead]) : 0; }
  bool skip(const char* bytes) {
    std::size_t size = std::strlen(bytes);
    if (at_ + size > code_.size() || std::memcmp(code_.data() + at_, bytes, size) != 0) return false;
    at_ += size;
    return true;
  }

  bool take_one() {
    constexpr unsigned kGs = 0x65, kSize = 0x66, kNop = 0x90;
    while (peek(0) == kGs || peek(0) == kSize) is_short_ |= peek(0) == kSize, ++at_;
    if (peek(0) >> 4 == 4) rex_ = peek(0), ++at_;
    unsigned code = peek(0);
    ++at_;
    if (code == kNop) return true;
    if (code == 0x0f && peek(0) == 0x1f) {  // nop with operands
      ++at_;
      return take_operands().has_value();
    }
    bool is_wide = (rex_ & 8) != 0;
    if (code >= 0xb8 && code <= 0xbf) {  // mov $immediate,%register
      at_ += is_wide ? 8 : is_short_ ? 2 : 4;
      return ((code & 7) | (rex_ & 1) << 3) != kStackPointer;
    }
    if (code != 0x89 && code != 0x8b && code != 0x8d && code != 0x31 && code != 0x33 && code != 0x85 && code != 0xc7)
      return false;
    auto operands = take_operands();
    if (!operands) return false;
    if (code == 0xc7) at_ += is_short_ ? 2 : 4;  // mov $immediate,operand
    bool writes_reg = code == 0x8b || code == 0x8d || code == 0x33;
    if (writes_reg) return operands->reg != kStackPointer;
    return code == 0x85 || !operands->rm_is_register || operands->rm != kStackPointer;
  }

  std::optional<Operands> take_operands() {
    if (at_ >= code_.size()) return std::nullopt;
    unsigned byte = peek(0), mode = byte >> 6, rm = byte & 7;
    ++at_;
    Operands operands{.reg = (byte >> 3 & 7) | (rex_ & 4) << 1, .rm = rm | (rex_ & 1) << 3, .rm_is_register = mode == 3};
    if (mode == 3) return operands;
    bool has_wide_base = mode == 0 && rm == 5;
    if (rm == 4) {
      has_wide_base = mode == 0 && (peek(0) & 7) == 5;
      ++at_;
    }
    at_ += mode == 1 ? 1 : mode == 2 || has_wide_base ? 4 : 0;
    return operands;
  }

  Bytes code_;
  u64 at_ = 0;
  unsigned rex_ = 0;
  bool is_short_ = false;
};

}  // namespace

unsigned saved_registers(Bytes code) {
  constexpr unsigned kMostSaved = 6;
  Decoder decoder(code);
  decoder.skip_entry();
  unsigned count = 0;
  while (count < kMostSaved) {
    if (decoder.take_push())
      ++count;
    else if (!decoder.take_harmless())
      break;
  }
  return count;
}

}  // namespace orphan::kernel
