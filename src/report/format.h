// SPDX-License-Identifier: Apache-2.0
// Small pieces of text that more than one printer needs. Names and strings come out of a target's memory and are hostile: they
// pass through printable() or in_quotes() before they reach a terminal.
#pragma once
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "report/report.h"

namespace orphan {

// Printable ASCII as it is; a backslash and every other byte escaped as in C (\\, \n, \x1b). One line, no terminal sequences.
std::string printable(std::string_view text);

// The same between double quotes, with those inside escaped too.
std::string in_quotes(std::string_view text);

// "128 B", "12.5 KiB", "1.0 GiB": one decimal from a KiB on.
std::string human_bytes(u64 bytes);

// 1234567 as "1,234,567".
std::string with_commas(u64 number);

// The words of `text` in lines of at most kLineWidth columns; the first starts after `first`, the others are indented as far as
// `first` is long, or by 4 when that is more than half a line.
inline constexpr std::size_t kLineWidth = 110;
std::string wrapped(std::string_view first, std::string_view text);

// "1 block", "1,234 blocks".
std::string counted(u64 number, std::string_view noun);

// "2023-11-14 22:13:20 UTC".
std::string utc(i64 unix_s);

// As kmemleak prints addresses: 0x and at least eight digits.
std::string to_string(Addr address);

// As the kernel's %pS: "symbol+0xoff/0xsize [module]", or the bare address where the symbol is not known, or "symbol [module]"
// where only the function is known, or "symbol (inlined)": the module is that of the frame that it is a part of.
std::string to_string(const Frame& frame);

// A row of up to 16 bytes as the kernel's hex dumps have it, without indentation: the ASCII part starts at column 49 (counted
// from 0).
inline constexpr std::size_t kHexRowBytes = 16;
std::string hex_row(Bytes row);

// `at_most` bytes of `bytes` in such rows, each after `indent` and ended by a newline.
std::string hex_dump(Bytes bytes, std::size_t at_most, std::string_view indent);

}  // namespace orphan
