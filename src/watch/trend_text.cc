// SPDX-License-Identifier: Apache-2.0
// The report for people: the table, then what it means.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "report/format.h"
#include "report/print.h"
#include "watch/trend_report.h"

namespace orphan::watch {
namespace {

constexpr double kDay = 24;
constexpr std::size_t kNameWidth = 42;

std::string amount(double value, Unit unit) {
  double size = std::abs(value);
  const char* sign = value < 0 && (unit != Unit::Bytes || size >= 1) ? "-" : "";  // what is less than a byte has none
  if (unit == Unit::Bytes) return sign + human_bytes(static_cast<u64>(std::min(size, 1e18)));
  return size < 10 ? fmt::format("{}{:.2g}", sign, size) : fmt::format("{}{:.0f}", sign, size);
}

// An hour, or a day where it is little in an hour.
struct Per {
  double hours;
  const char* word;
};
Per per(double rate, Unit unit) {
  double little = unit == Unit::Bytes ? 10 * 1024 : 1;
  return std::abs(rate) < little ? Per{kDay, "day"} : Per{1, "h"};
}

std::string rate_text(double rate, Unit unit) {
  Per unit_of_time = per(rate, unit);
  return fmt::format("{}/{}", amount(rate * unit_of_time.hours, unit), unit_of_time.word);
}

std::string interval_text(const Trend& trend, Unit unit) {
  Per unit_of_time = per(trend.rate, unit);
  return fmt::format("{} to {}", amount(trend.rate_low * unit_of_time.hours, unit),
                     amount(trend.rate_high * unit_of_time.hours, unit));
}

std::string shortened(const std::string& name) {
  return name.size() <= kNameWidth ? name : name.substr(0, kNameWidth - 3) + "...";
}

void add_table(std::string& out, const TrendReport& report, u64 top) {
  print(out, "{:<42} {:<9} {:>14}  {:<26} {:>5}  {}\n", "SERIES", "VERDICT", "RATE", "95 % INTERVAL", "R2", "REMARKS");
  u64 shown = 0, left = 0;
  for (const TrendRow& row : report.rows) {
    Verdict verdict = row.trend.verdict;
    if (verdict == Verdict::Flat || verdict == Verdict::TooShort) continue;
    if (++shown > top) {
      ++left;
      continue;
    }
    Unit unit = row.series.unit;
    bool has_rate = verdict != Verdict::Step;
    std::string name = row.is_free_memory ? name_of(row.series) + ", taken" : name_of(row.series);
    std::string r2 = verdict == Verdict::Growing ? fmt::format("{:.2f}", row.trend.r2) : "";
    std::string line = fmt::format("{:<42} {:<9} {:>14}  {:<26} {:>5}  {}", shortened(name), word(verdict),
                                   has_rate ? rate_text(row.trend.rate, unit) : "",
                                   has_rate ? interval_text(row.trend, unit) : "", r2, remark(row));
    out += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
  }
  if (left != 0) print(out, "and {} more: --top shows them\n", with_commas(left));
  std::array<u64, 5> counts{};
  for (const TrendRow& row : report.rows) ++counts[static_cast<std::size_t>(row.trend.verdict)];
  print(out, "{} series judged: {} growing, {} sawtooth, {} step, {} flat, {} without enough data\n",
        with_commas(report.rows.size()), counts[0], counts[2], counts[3], counts[1], counts[4]);
}

void add_fall(std::string& out, const Fall& fall) {
  if (fall.of.empty()) return;
  print(out, "\n{:<44} {:>16}\n", fmt::format("{} BECOMES LESS BY", fall.of), rate_text(fall.rate, Unit::Bytes));
  for (const FallPart& part : fall.parts) {
    if (std::abs(part.rate) < 1) continue;
    print(out, "  {:<42} {:>16}  {}\n", part.name, rate_text(part.rate, Unit::Bytes), part.is_kernel ? "kernel" : "user space");
    for (const FallPart& one : part.parts) {
      if (one.rate < 1) continue;
      print(out, "    {:<42} {:>16}\n", shortened(printable(one.name)), rate_text(one.rate, Unit::Bytes));
    }
    if (!part.parts.empty()) print(out, "    {:<42} {:>16}\n", "all others", rate_text(part.rest, Unit::Bytes));
  }
  print(out, "  {:<42} {:>16}\n", "explained", rate_text(fall.explained, Unit::Bytes));
  print(out, "  {:<42} {:>16}\n", "unexplained", rate_text(fall.unexplained, Unit::Bytes));
}

void add_side(std::string& out, const TrendReport& report) {
  const Fall& fall = report.fall;
  const auto free = std::ranges::find_if(report.rows, [](const TrendRow& row) {
    return row.is_free_memory && row.series.field == "MemAvailable" && row.trend.verdict == Verdict::Growing;
  });
  if (free == report.rows.end() || fall.rate <= 0) return;
  double kernel = std::max(fall.kernel, 0.0), user = std::max(fall.user, 0.0), nobody = std::max(fall.unexplained, 0.0);
  double all = kernel + user + nobody;
  if (all <= 0) return;
  out += wrapped(
      "", fmt::format("Of the memory that went, {:.0f} % went to accounts of the kernel, {:.0f} % to user space, and of {:.0f} % "
                      "no account says where it is{}.",
                      100 * kernel / all, 100 * user / all, 100 * nobody / all,
                      nobody > all / 4 ? ": drivers take such pages; orphan account and orphan scan --pages look for them" : ""));
  if (!free->exhaustion) return;
  out += wrapped("", fmt::format("{} are left, and at this rate last {}: {} to {}.",
                                 human_bytes(static_cast<u64>(report.free_bytes)), duration_text(free->exhaustion->likely_h),
                                 duration_text(free->exhaustion->soonest_h), duration_text(free->exhaustion->latest_h)));
}

void add_words(std::string& out, const TrendReport& report) {
  if (!has_verdict(report)) {
    out += wrapped("", "There is not enough data for any verdict: it takes 20 samples of a series, and more where it is noisy.");
    return;
  }
  // Lines of meminfo are sums of others.
  auto leak =
      std::ranges::find_if(report.rows, [](const TrendRow& row) { return row.is_leak() && row.series.kind != Kind::Memory; });
  if (leak == report.rows.end()) leak = std::ranges::find_if(report.rows, &TrendRow::is_leak);
  if (!has_leak(report)) out += wrapped("", "Nothing grows that should not, as far as these samples can tell.");
  if (leak != report.rows.end() && !leak->is_free_memory) {
    std::string text =
        fmt::format("What grows most is {}, by {}", name_of(leak->series), rate_text(leak->trend.rate, leak->series.unit));
    if (leak->exhaustion)
      text += fmt::format("; alone it would use up what is available in {}", duration_text(leak->exhaustion->likely_h));
    out += wrapped("", text + ".");
  }
  add_side(out, report);
  bool is_short = std::ranges::any_of(report.rows, [](const TrendRow& row) { return row.is_leak() && row.trend.may_be_cycle; });
  if (is_short) out += wrapped("", "These are less than two days: what grows by day and shrinks by night looks the same so far.");
}

}  // namespace

std::string name_of(const Series& series) {
  std::string kind(word(series.kind));
  switch (series.kind) {
    case Kind::Memory: return series.field;
    case Kind::Slab:
    case Kind::Vmalloc:
    case Kind::Site: return kind + " " + printable(series.name);
    case Kind::Kmemleak: return "kmemleak records of " + printable(series.name);
    case Kind::Processes: return "number of processes";
    case Kind::Buddy:
    case Kind::Process:
    case Kind::Cgroup:
    case Kind::Pressure: return fmt::format("{} {} {}", kind, printable(series.name), series.field);
  }
  bug("no such kind");
}

std::string duration_text(double hours) {
  if (!std::isfinite(hours) || hours > 20 * 365 * kDay) return "many years";
  if (hours < 1) return fmt::format("{:.0f} min", hours * 60);
  return hours < 2 * kDay ? fmt::format("{:.1f} h", hours) : fmt::format("{:.1f} days", hours / kDay);
}

std::string rate_text(const TrendRow& row) {
  return rate_text(row.trend.rate, row.series.unit);
}

std::string interval_text(const TrendRow& row) {
  return interval_text(row.trend, row.series.unit);
}

std::string remark(const TrendRow& row) {
  const Trend& trend = row.trend;
  std::string text;
  auto add = [&](const std::string& what) { text += (text.empty() ? "" : ", ") + what; };
  if (trend.verdict == Verdict::Sawtooth) add(fmt::format("{} drops", trend.drops));
  if (trend.verdict == Verdict::Step) {
    double size = row.is_free_memory ? -trend.step : trend.step;
    add(fmt::format("{}{} after {}", size > 0 ? "+" : "", amount(size, row.series.unit), duration_text(trend.step_h)));
  }
  if (trend.verdict != Verdict::Growing) return text;
  if (trend.since_h > 0) add(fmt::format("like this for {}", duration_text(trend.span_h - trend.since_h)));
  if (trend.has_daily_cycle) add("daily cycle taken out");
  if (trend.warm_up_h > 0) add("warm-up taken out");
  if (trend.may_be_cycle) add("under two days: may be a daily cycle");
  if (row.is_reclaimable) add("shrinks when memory is needed");
  return text;
}

std::string to_words(const TrendReport& report) {
  std::string out;
  add_words(out, report);
  return out;
}

std::string to_text(const TrendReport& report, u64 top) {
  std::string out = report.host.empty() ? "" : printable(report.host) + ", ";
  if (!report.release.empty()) print(out, "kernel {}, ", report.release);
  print(out, "{} to {}, {}", utc(report.from_ms / 1000), utc(report.to_ms / 1000), counted(report.samples, "sample"));
  if (report.other_boots != 0) print(out, "; {} not looked at", counted(report.other_boots, "other boot"));
  out += "\n\n";
  add_table(out, report, top);
  add_fall(out, report.fall);
  out += '\n';
  add_words(out, report);
  return out;
}

}  // namespace orphan::watch
