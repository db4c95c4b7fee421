// SPDX-License-Identifier: Apache-2.0
// What options have in common: the checks of their values, and options that several commands have. CLI11 throws: whoever includes
// this is compiled with exceptions, and only options.cc catches them.
#pragma once
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options.h"

namespace orphan::cli {

inline constexpr u64 kLongestSeconds = 7 * 24 * 3600;

using Formats = std::map<std::string, Format>;
extern const Formats kReportFormats, kTraceFormats, kAnswerFormats;

// CLI11's own range check lets nan through, takes numbers for hexadecimal, and prints limits with six decimals.
template <typename T>
CLI::Validator number(std::string_view what, u64 low, u64 high) {
  auto check = [=](const std::string& text) {
    T value{};
    const char* end = text.data() + text.size();
    auto [stop, error] = std::from_chars(text.data(), end, value);
    bool is_number = error == std::errc() && stop == end;
    bool is_valid = is_number && value >= static_cast<T>(low) && value <= static_cast<T>(high);
    return is_valid ? "" : fmt::format("'{}' is not {} from {} to {}", text, what, low, high);
  };
  return {check, fmt::format("{} to {}", low, high)};
}

CLI::Validator whole_number(u64 low, u64 high);
CLI::Validator seconds();

std::string complaint_about_name(const std::string& name);

// `formats` is one of the tables above: CLI11 keeps its address.
void add_format(CLI::App* sub, const Formats& formats, Format& format, const std::string& what);
void add_output(CLI::App* sub, std::string& output);
CLI::Option* add_size(CLI::App* sub, const std::string& name, u64& bytes, const std::string& what);
CLI::Option* add_duration(CLI::App* sub, const std::string& name, double& hours, const std::string& what);
void add_metrics(CLI::App* sub, std::optional<std::string>& address);
// An option that may be given more than once, each time with one value.
void add_list(CLI::App* sub, const std::string& name, const std::string& type, std::vector<std::string>& values,
              const std::string& what);
void add_path(CLI::App* sub, const std::string& name, const std::string& type, std::string& path, const std::string& what);

}  // namespace orphan::cli
