// SPDX-License-Identifier: Apache-2.0
// A log with a SLUB trace in it, or what is left of one: any bytes. Whatever they are, the objects that stayed are those that
// were allocated and not freed; the same bytes are also given to the readers of alloc_traces and of slabinfo.
#include "input.h"
#include "logs/slub_report.h"
#include "logs/slub_sizes.h"
#include "logs/slub_trace.h"
#include "logs/slub_tracks.h"

using namespace orphan;
using namespace orphan::logs;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  std::string_view text = fuzz::text_of(fuzz::Input(data, size).rest());
  u64 lines = 0;
  SlubTrace trace([&](u64 line, std::string_view) { VERIFY(line != 0 && line <= lines); });
  std::string_view rest = text;
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    trace.take(line, ++lines);
  }
  SlubReport report{.version = "", .sources = {"-"}, .findings = trace.finish()};
  const SlubCounts& counts = report.findings.counts;
  VERIFY(counts.lines == lines);
  VERIFY(counts.matched + counts.frees_of_unknown <= counts.frees);
  u64 stayed_objects = stayed(report).count;
  VERIFY(stayed_objects + counts.matched + counts.allocs_of_allocated <= counts.allocs);
  if (counts.hidden == 0) VERIFY(stayed_objects + counts.matched + counts.allocs_of_allocated == counts.allocs);
  auto sizes = SlubSizes::from_slabinfo(text);
  (sizes ? *sizes : SlubSizes()).apply(report.findings.groups);
  VERIFY(!to_text(report, 25).empty() && !to_json(report).empty());
  auto tracks = read_slub_tracks(text);
  if (tracks) (void)groups_of_tracks(*tracks, "kmalloc-64", 250);
  return 0;
}
