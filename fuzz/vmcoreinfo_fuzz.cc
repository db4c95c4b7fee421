// SPDX-License-Identifier: Apache-2.0
// VMCOREINFO: lines of any kind.
#include "input.h"
#include "kernel/vmcoreinfo.h"

using namespace orphan;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  fuzz::Input input(data, size);
  auto info = kernel::Vmcoreinfo::parse(fuzz::text_of(input.rest()));
  (void)info.release();
  (void)info.build_id();
  (void)info.kernel_offset();
  (void)info.symbol("_stext");
  (void)info.number("pgtable_l5_enabled");
  (void)info.number("PAGE_BUDDY_MAPCOUNT_VALUE");
  (void)info.offset("page.flags");
  (void)info.size("page");
  (void)info.length("zone.free_area");
  return 0;
}
