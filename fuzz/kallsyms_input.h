// SPDX-License-Identifier: Apache-2.0
// The parts of an input of kallsyms_fuzz: a scheme, and where the rest stands in memory. For the target and its seeds.
#pragma once
#include "memory/fake_memory.h"

namespace orphan::fuzz {

enum class Scheme : u8 { Absolute, Relative, Place, PercpuRelative, Text };

inline constexpr Addr kNumbers{0xffff'ffff'8200'0000};  // the count of symbols; 8 bytes further the base
inline constexpr u64 kNumberBytes = 16;
inline constexpr Addr kTokenIndex{0xffff'ffff'8201'0000};
inline constexpr u64 kTokenIndexBytes = 512;
inline constexpr Addr kTokenTable{0xffff'ffff'8202'0000};
inline constexpr Addr kOffsets{0xffff'ffff'8204'0000};
inline constexpr Addr kNames{0xffff'ffff'8300'0000};

}  // namespace orphan::fuzz
