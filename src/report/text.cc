// SPDX-License-Identifier: Apache-2.0
#include "report/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string_view>
#include <vector>

#include "base/verify.h"
#include "report/format.h"
#include "report/leak_lines.h"
#include "report/print.h"

namespace orphan {
namespace {

constexpr std::size_t kMaxEvidence = 8;
constexpr std::size_t kMaxObjects = 3;
constexpr std::size_t kMaxStringBytes = 48;
constexpr std::size_t kMaxDumpBytes = 64;
constexpr std::size_t kMaxDifferent = 5;
constexpr std::string_view kBadSums = "the numbers of this report do not add up: that is a bug of orphan, please report it\n";

bool is_partial(const Report& report) {
  return std::ranges::any_of(report.coverage, [](const Coverage& coverage) { return coverage.incomplete; });
}

std::string verdict(const Report& report) {
  Tally leaked = report.outcome.leaked;
  Tally pages = report.pages ? report.pages->leaked : Tally{};
  std::string text = is_partial(report) ? "no leaks found in what could be seen (see NOT SEEN)" : "no leaks found";
  if (leaked.count != 0) {
    text = fmt::format("{}, {}, in {}", counted(leaked.count, "leaked block"), human_bytes(leaked.bytes),
                       counted(report.leaks.size(), "group"));
  }
  if (pages.count != 0) print(text, "; possibly {}, {}", counted(pages.count, "block") + " of pages", human_bytes(pages.bytes));
  return text;
}

std::string passes_summary(const Report& report) {
  u64 bytes_read = 0;
  for (const Pass& pass : report.passes) bytes_read += pass.bytes_read;
  std::string text = fmt::format("{} in {:.1f} s, {} read", report.passes.size(), report.seconds, human_bytes(bytes_read));
  if (report.interrupted) return text + "; interrupted: what was not confirmed by then is not reported";
  if (!report.settled) return text + "; the last two disagree: more may be found with more --passes";
  return report.passes.size() < 2 ? text : text + "; the last two agree";
}

std::string head(const Report& report) {
  std::string out;
  print(out, "{}\n", verdict(report));
  print(out, "target: {}, {}, orphan {}\n", printable(report.target), utc(report.started_unix_s), printable(report.version));
  print(out, "passes: {}\n", passes_summary(report));
  return out;
}

std::string evidence_line(const Leak& leak, const Evidence& evidence) {
  std::string out;
  switch (evidence.kind) {
    case Evidence::Kind::Symbol:
      label(out, "symbol");
      out += printable(evidence.text);
      break;
    case Evidence::Kind::String:
      label(out, "string");
      out += in_quotes(std::string_view(evidence.text).substr(0, kMaxStringBytes));
      if (evidence.text.size() > kMaxStringBytes) out += "...";
      break;
    case Evidence::Kind::Block:
      label(out, "points");
      print(out, "to {}", printable(evidence.text));
      break;
    case Evidence::Kind::List:
      label(out, "list");
      out += printable(evidence.text);
      break;
  }
  print(out, " at +0x{:x}", evidence.offset_bytes);
  if (!evidence.field.empty()) print(out, " ({})", printable(evidence.field));
  if (leak.total.count > 1 && evidence.count == leak.total.count) {
    print(out, ", in all {}", with_commas(leak.total.count));
  } else if (leak.total.count > 1 && evidence.count != 0) {
    print(out, ", in {} of {}", with_commas(evidence.count), with_commas(leak.total.count));
  }
  return out + '\n';
}

std::string evidence_lines(const Leak& leak) {
  std::string out;
  for (std::size_t i = 0; i < std::min(leak.evidence.size(), kMaxEvidence); ++i) out += evidence_line(leak, leak.evidence[i]);
  if (leak.evidence.size() > kMaxEvidence) {
    label(out, "");
    print(out, "+{} more things inside\n", leak.evidence.size() - kMaxEvidence);
  }
  return out;
}

// How sure it is, and why.
std::string confidence_line(const Leak& leak) {
  std::string out;
  label(out, "leaked");
  print(out, "{}: {}\n", to_string(leak.confidence), printable(leak.confidence_reason));
  return out;
}

// What one bug costs: who holds what, where that is more than single blocks.
std::string retained_lines(const Report& report, const Leak& leak) {
  if (!report.has_graph) return {};
  std::string out;
  if (leak.heads == 0) {
    label(out, "below");
    out += "all of them hang below other leaked blocks";
    if (!leak.objects.empty() && leak.objects[0].head) print(out, ": {}", to_string(leak.objects[0].head));
    return out + '\n';
  }
  if (leak.heads != leak.total.count || leak.retained.count != leak.total.count) {
    label(out, "retains");
    print(out, "{}, {}, below {}\n", counted(leak.retained.count, "block"), human_bytes(leak.retained.bytes),
          counted(leak.heads, "head"));
  }
  return out;
}

std::string object_lines(const Leak& leak) {
  std::string out;
  label(out, leak.total.count == 1 ? "object" : "objects");
  if (leak.objects.empty()) {
    out += "none kept: --max-objects was reached\n";
    return out;
  }
  std::size_t shown = std::min(leak.objects.size(), kMaxObjects);
  for (std::size_t i = 0; i < shown; ++i) print(out, "{}{}", i == 0 ? "" : " ", to_string(leak.objects[i].address));
  if (leak.total.count > shown) print(out, " +{} more", with_commas(leak.total.count - shown));
  if (leak.kind == BlockKind::PerCpu) print(out, " (percpu; below: cpu {})", leak.objects[0].cpu);
  out += '\n';
  out += hex_dump(leak.objects[0].contents, kMaxDumpBytes, "            ");
  return out;
}

// What it is that may hold them, and where.
std::string weak_lines(const Leak& leak) {
  std::string out;
  std::size_t shown = std::min(leak.weak.size(), kMaxObjects);
  for (const WeakReferrer& referrer : std::span(leak.weak).first(shown)) {
    label(out, "weak");
    print(out, "{} of {} in {}\n", printable(referrer.form), to_string(referrer.object), printable(referrer.place));
  }
  if (leak.weak.empty()) {
    label(out, "weak");
    out += "below others of these\n";
  }
  return out;
}

std::string groups_of(const Report& report, const std::vector<Leak>& leaks) {
  std::string out(kGroupTitle);
  for (const Leak& leak : leaks) {
    if (&leak != &leaks.front()) out += '\n';
    out += group_line(leak);
    out += type_lines(leak);
    out += evidence_lines(leak);
    out += stack_lines(leak);
    out += task_lines(leak);
    out += cgroup_lines(leak);
    if (&leaks == &report.weak)
      out += weak_lines(leak);
    else
      out += confidence_line(leak) + (leak.kind == BlockKind::Pages ? "" : retained_lines(report, leak));
    out += object_lines(leak);
  }
  return out;
}

std::string groups(const Report& report) {
  return report.leaks.empty() ? std::string() : '\n' + groups_of(report, report.leaks);
}

std::string weak(const Report& report) {
  if (report.weak.empty()) return "\nWEAKLY REFERENCED  no block is\n";
  return "\nWEAKLY REFERENCED: not leaked, if what refers to them is how somebody keeps them\n" + groups_of(report, report.weak);
}

std::string pages(const Report& report) {
  if (!report.pages) return {};
  if (report.pages->groups.empty()) return "\nPAGES  something refers to each\n";
  return "\nPAGES of the page allocator that nothing refers to: possible leaks\n" + groups_of(report, report.pages->groups);
}

struct TallyRow {
  std::string_view name;
  Tally tally;
  std::string_view meaning = {};
};

void print_row(std::string& out, const TallyRow& row) {
  std::string line = fmt::format("{:<18}{:>16}{:>22}{:>12}", row.name, with_commas(row.tally.count), with_commas(row.tally.bytes),
                                 human_bytes(row.tally.bytes));
  if (!row.meaning.empty()) print(line, "  {}", row.meaning);
  out += line + '\n';
}

// Rows and their sum.
std::string tally_table(std::string_view title, const std::vector<TallyRow>& rows, std::string_view sum_name) {
  std::string out;
  print(out, "\n{:<18}{:>16}{:>22}\n", title, "COUNT", "BYTES");
  Tally sum;
  for (const TallyRow& row : rows) {
    print_row(out, row);
    sum += row.tally;
  }
  print_row(out, {.name = sum_name, .tally = sum});
  return out;
}

std::string totals(const Report& report) {
  const Outcome& outcome = report.outcome;
  std::string out = tally_table("BLOCKS",
                                {{"referenced", outcome.referenced, "something points to them"},
                                 {"leaked", outcome.leaked, "nothing did, two passes or more"},
                                 {"weak", outcome.weak, "only doubtful references do: see --weak"},
                                 {"suppressed", outcome.suppressed, "nothing does, and a rule says why"},
                                 {"unconfirmed", outcome.unconfirmed, "not so in the pass before, or changed"},
                                 {"unstable", outcome.unstable, "moved while read: taken as referenced"}},
                                "examined");
  std::vector<TallyRow> kinds;
  for (std::size_t i = 0; i < kBlockKinds; ++i) kinds.push_back({to_string(static_cast<BlockKind>(i)), report.by_kind[i]});
  out += tally_table("BY KIND", kinds, "examined");
  Tally classes = outcome.referenced;
  for (Tally tally : {outcome.leaked, outcome.weak, outcome.suppressed, outcome.unconfirmed, outcome.unstable}) classes += tally;
  Tally grouped;
  for (const Leak& leak : report.leaks) grouped += leak.total;
  // A bug of ours, but whoever waited for a scan shall have its report.
  if (classes != examined(report) || grouped != outcome.leaked) {
    out += kBadSums;
  }
  return out;
}

std::string page_totals(const Report& report) {
  if (!report.pages) return {};
  const PageReport& pages = *report.pages;
  std::string out = tally_table("BLOCKS OF PAGES",
                                {{"referenced", pages.referenced, "something points to them"},
                                 {"leaked", pages.leaked, "nothing did, two passes or more"},
                                 {"weak", pages.weak, "only doubtful references do"},
                                 {"suppressed", pages.suppressed, "nothing does, and a rule says why"},
                                 {"unconfirmed", pages.unconfirmed, "not so before, or in use meanwhile"}},
                                "all");
  Tally grouped;
  for (const Leak& leak : pages.groups) grouped += leak.total;
  if (grouped != pages.leaked) out += kBadSums;
  return out;
}

std::string roots(const Report& report) {
  if (report.roots.empty()) return {};
  std::vector<std::string> names;
  for (const RootKindTotal& root : report.roots) names.push_back(printable(root.kind));
  std::vector<TallyRow> rows;
  for (std::size_t i = 0; i < names.size(); ++i) rows.push_back({names[i], {report.roots[i].count, report.roots[i].bytes}});
  return tally_table("ROOTS", rows, "all roots");
}

std::string suppressed(const Report& report) {
  if (report.suppressed.empty()) return {};
  std::string out;
  print(out, "\n{:<26}{:>8}{:>12}  REASON\n", "SUPPRESSED", "COUNT", "BYTES");
  for (const Suppression& suppression : report.suppressed) {
    std::string start = fmt::format("{:<26}{:>8}{:>12}  ", printable(suppression.rule), with_commas(suppression.total.count),
                                    human_bytes(suppression.total.bytes));
    out += wrapped(start, printable(suppression.reason));
  }
  return out;
}

std::string coverage(const Report& report) {
  auto [unseen, facts] = coverage_lines(report.coverage);
  std::string out = "\nNOT SEEN\n" + (unseen.empty() ? "  nothing: all that orphan knows of was looked at\n" : unseen);
  if (!facts.empty()) out += "\nNOTES\n" + facts;
  return out;
}

std::string self_test(const Report& report) {
  if (!report.self_test) return "\nSELF-TEST  not done: /proc/slabinfo could not be read\n";
  const SelfTest& test = *report.self_test;
  std::string differing = "no cache differs";
  if (test.different.size() == 1) differing = "1 cache differs";
  if (test.different.size() > 1) differing = with_commas(test.different.size()) + " caches differ";
  std::string summary = fmt::format("{} against /proc/slabinfo: {} here, {} there; {}", counted(test.caches, "cache"),
                                    counted(test.ours, "object"), with_commas(test.slabinfo), differing);
  std::string out = '\n' + wrapped("SELF-TEST  ", summary);
  std::size_t shown = std::min(test.different.size(), kMaxDifferent);
  for (const SelfTest::Row& row : std::span(test.different).first(shown)) {
    print(out, "  {}: {} here, {} there\n", printable(row.cache), with_commas(row.ours), with_commas(row.slabinfo));
  }
  if (test.different.size() > shown) print(out, "  +{} more\n", test.different.size() - shown);
  return out;
}

std::string passes(const Report& report) {
  if (report.passes.empty()) return {};
  std::string out;
  print(out, "\n{:<8}{:>10}{:>18}{:>16}{:>14}{:>14}\n", "PASSES", "SECONDS", "LIVE BLOCKS", "UNREFERENCED", "CONFIRMED", "READ");
  for (std::size_t i = 0; i < report.passes.size(); ++i) {
    const Pass& pass = report.passes[i];
    print(out, "{:<8}{:>10.1f}{:>18}{:>16}{:>14}{:>14}\n", i + 1, pass.seconds, with_commas(pass.live.count),
          with_commas(pass.unreferenced), with_commas(pass.confirmed), human_bytes(pass.bytes_read));
  }
  return out;
}

}  // namespace

std::string to_text(const Report& report, const TextOptions& options) {
  return head(report) + groups(report) + pages(report) + (options.shows_weak ? weak(report) : "") + totals(report) +
         page_totals(report) + suppressed(report) + coverage(report) + self_test(report) + passes(report) + roots(report);
}

}  // namespace orphan
