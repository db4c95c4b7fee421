// SPDX-License-Identifier: Apache-2.0
// What journalctl may have printed, in either format, or any bytes: it becomes lines, and however it is cut into pieces the same
// ones.
#include "input.h"
#include "logs/journal.h"

using namespace orphan;
using namespace orphan::logs;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  fuzz::Input input(data, size);
  auto format = static_cast<Journal::Format>(input.number<u8>() % 2);
  std::size_t piece = 1 + input.number<u8>();
  std::string_view text = fuzz::text_of(input.rest());
  Journal whole(format), cut(format);
  std::string lines, same_lines;
  whole.take(text, lines);
  whole.end(lines);
  for (std::size_t at = 0; at < text.size(); at += piece) cut.take(text.substr(at, piece), same_lines);
  cut.end(same_lines);
  VERIFY(lines == same_lines);
  VERIFY(lines.empty() || lines.back() == '\n');
  (void)Journal::format_of(text);
  return 0;
}
