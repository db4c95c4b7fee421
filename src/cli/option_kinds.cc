// SPDX-License-Identifier: Apache-2.0
#include "cli/option_kinds.h"

#include <optional>

namespace orphan::cli {
namespace {

// "300M": a whole number of bytes, or of KiB, MiB or GiB with K, M or G behind it.
std::optional<u64> parse_size(std::string_view text) {
  constexpr u64 kMost = u64{1} << 50;
  u64 value{};
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  std::string_view unit(stop, static_cast<std::size_t>(text.data() + text.size() - stop));
  if (error != std::errc() || unit.size() > 1) return std::nullopt;
  int shift = 0;
  if (!unit.empty()) {
    std::size_t found = std::string_view("KMG").find(unit[0]);
    if (found == std::string_view::npos) return std::nullopt;
    shift = 10 * static_cast<int>(found + 1);
  }
  return value == 0 || value > kMost >> shift ? std::nullopt : std::optional(value << shift);
}

// "90m": a number with s, m, h or d behind it, in hours.
std::optional<double> parse_duration(std::string_view text) {
  constexpr std::string_view kUnits = "smhd";
  constexpr double kHours[] = {1.0 / 3600, 1.0 / 60, 1, 24};
  constexpr double kMost = 100 * 365 * 24;
  std::size_t unit = text.empty() ? std::string_view::npos : kUnits.find(text.back());
  if (unit == std::string_view::npos) return std::nullopt;
  double value{};
  const char* begin = text.data();
  const char* end = begin + text.size() - 1;
  auto [stop, error] = std::from_chars(begin, end, value);
  if (error != std::errc() || stop != end || !(value > 0)) return std::nullopt;
  double hours = value * kHours[unit];
  return hours <= kMost ? std::optional(hours) : std::nullopt;
}

}  // namespace

const Formats kReportFormats{
    {"text", Format::Text}, {"kmemleak", Format::Kmemleak}, {"json", Format::Json}, {"pprof", Format::Pprof}};
const Formats kTraceFormats{{"text", Format::Text}, {"json", Format::Json}, {"pprof", Format::Pprof}};
const Formats kAnswerFormats{{"text", Format::Text}, {"json", Format::Json}};

CLI::Validator whole_number(u64 low, u64 high) {
  return number<u64>("a whole number", low, high);
}

CLI::Validator seconds() {
  return number<double>("a number of seconds", 0, kLongestSeconds);
}

std::string complaint_about_name(const std::string& name) {
  return name.empty() ? "needs a name" : "";
}

void add_format(CLI::App* sub, const Formats& formats, Format& format, const std::string& what) {
  sub->add_option_function<std::string>(
         "--format", [&](const std::string& name) { format = formats.at(name); }, what)
      ->transform(CLI::IsMember(&formats, CLI::ignore_case).description(""))
      ->type_name("FORMAT")
      ->default_str("text");
}

void add_output(CLI::App* sub, std::string& output) {
  sub->add_option("--output", output, "write the report to FILE, whole or not at all; else to standard output")
      ->check(complaint_about_name)
      ->type_name("FILE");
}

CLI::Option* add_size(CLI::App* sub, const std::string& name, u64& bytes, const std::string& what) {
  return sub
      ->add_option_function<std::string>(
          name, [&bytes](const std::string& text) { bytes = *parse_size(text); },
          what + ": bytes, or KiB, MiB, GiB with K, M, G behind the number")
      ->check([](const std::string& text) {
        return parse_size(text) ? std::string()
                                : fmt::format("'{}' is not a size, like 300M: a whole number, then K, M, G or nothing", text);
      })
      ->type_name("SIZE");
}

CLI::Option* add_duration(CLI::App* sub, const std::string& name, double& hours, const std::string& what) {
  return sub
      ->add_option_function<std::string>(
          name, [&hours](const std::string& text) { hours = *parse_duration(text); },
          what + ": a number with s, m, h or d behind it")
      ->check([](const std::string& text) {
        return parse_duration(text) ? std::string() : fmt::format("'{}' is not a duration, like 90m, 6h or 2d", text);
      })
      ->type_name("DURATION");
}

void add_metrics(CLI::App* sub, std::optional<std::string>& address) {
  sub->add_option("--metrics", address, "answer Prometheus on this port; of 127.0.0.1, unless an address is given")
      ->check(complaint_about_name)
      ->type_name("[ADDR:]PORT");
}

void add_list(CLI::App* sub, const std::string& name, const std::string& type, std::vector<std::string>& values,
              const std::string& what) {
  sub->add_option(name, values, what + "; may be given again")
      ->check(complaint_about_name)
      ->type_name(type)
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void add_path(CLI::App* sub, const std::string& name, const std::string& type, std::string& path, const std::string& what) {
  sub->add_option(name, path, what)->check(complaint_about_name)->type_name(type)->capture_default_str();
}

}  // namespace orphan::cli
