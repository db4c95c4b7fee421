// SPDX-License-Identifier: Apache-2.0
// Reports of others: any text, and any JSON. Whatever is found can be merged and printed in each format, and what is printed as
// JSON is read back as the same groups.
#include "input.h"
#include "logs/json_reader.h"
#include "logs/merged_report.h"
#include "logs/text_reader.h"

using namespace orphan;

namespace {

constexpr u64 kAll = ~u64{0};

void read_any(std::string_view text, const logs::Hooks& hooks) {
  if (text.starts_with('{')) {
    (void)logs::read_json_report(text, hooks);
    return;
  }
  logs::TextReader reader(hooks);
  u64 number = 0;
  while (!text.empty()) {
    std::size_t end = text.find('\n');
    reader.take(text.substr(0, end), ++number);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  reader.end();
}

logs::MergedReport merged(std::string_view text) {
  logs::GroupTable table(100);
  table.begin_file("input");
  read_any(text,
           {.found = [&](logs::Finding finding) { table.add(std::move(finding)); }, .complain = [](u64, std::string_view) {}});
  return {.files = 1, .hosts = table.hosts(), .leaks = table.groups(true), .allocated = table.groups(false)};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  logs::MergedReport report = merged(fuzz::text_of(fuzz::Input(data, size).rest()));
  (void)logs::to_text(report, kAll);
  (void)logs::to_kmemleak(report, kAll);
  (void)logs::to_pprof(report, kAll);
  constexpr u64 kLargest = u64{1} << 52;  // a sum may be larger than what a reader takes for a number
  if (logs::total(report.leaks).bytes > kLargest || logs::total(report.allocated).bytes > kLargest) return 0;
  logs::MergedReport again = merged(logs::to_json(report, kAll));
  VERIFY(logs::total(again.leaks) == logs::total(report.leaks));
  VERIFY(logs::total(again.allocated) == logs::total(report.allocated));
  logs::Difference difference = logs::difference(report, report);
  VERIFY(difference.fresh.empty() && difference.grown.empty() && difference.shrunk.empty() && difference.gone.empty());
  (void)logs::to_text({.before = report, .after = again, .before_name = "a", .after_name = "b"}, logs::difference(report, again),
                      kAll);
  return 0;
}
