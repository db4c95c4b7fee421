// SPDX-License-Identifier: Apache-2.0
// Appending formatted text to a string: what every printer does, line by line.
#pragma once
#include <fmt/format.h>

#include <iterator>
#include <string>
#include <utility>

namespace orphan {

template <typename... T>
void print(std::string& out, fmt::format_string<T...> format, T&&... values) {
  fmt::format_to(std::back_inserter(out), format, std::forward<T>(values)...);
}

}  // namespace orphan
