// SPDX-License-Identifier: Apache-2.0
// BTF: whatever the types are, looking them up ends, and finds something or nothing.
#include <bpf/libbpf.h>

#include "input.h"
#include "kernel/page_map.h"

using namespace orphan;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  libbpf_set_print(nullptr);
  fuzz::Input input(data, size);
  auto btf = kernel::Btf::parse(fuzz::text_of(input.rest()), "input");
  if (!btf) return 0;
  if (auto layouts = kernel::Layouts::resolve(*btf)) {
    std::vector<std::byte> descriptors(2 * layouts->page.size_bytes, std::byte{0xff});
    (void)kernel::compound_order(descriptors, layouts->page);
    (void)kernel::decode_slab(std::span(descriptors).first(layouts->page.size_bytes), layouts->page, layouts->slab);
  }
  for (const char* type : {"page", "a", "kmem_cache", "pageflags"}) {
    (void)btf->size_of(type);
    for (const char* member : {"flags", "a", "list.next", "a.b.c.d", ""}) (void)btf->member(type, member);
    (void)btf->enumerator(type, "PG_head");
  }
  return 0;
}
