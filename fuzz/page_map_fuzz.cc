// SPDX-License-Identifier: Apache-2.0
// The memory map: descriptors of pages that say anything at all. Each page still has exactly one class.
#include <numeric>

#include "input.h"
#include "kernel/fake_btf.h"
#include "kernel/page_map.h"
#include "memory/fake_memory.h"

using namespace orphan;

namespace {

constexpr u64 kMostPages = 512;
constexpr Addr kLinear{0xffff'8880'0000'0000}, kDescriptors{0xffff'ea00'0000'0000};

const kernel::Layouts& layouts(u8 version) {
  static const std::array<kernel::Layouts, 4> all = [] {
    auto of = [](const kernel::FakeVersion& made) { return kernel::Layouts::resolve(kernel::FakeTypes::of(made).load()).take(); };
    return std::array{of(kernel::kVersions[0]), of(kernel::kVersions[1]), of(kernel::kVersions[2]), of(kernel::kVersions[3])};
  }();
  return all[version % all.size()];
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  fuzz::Input input(data, size);
  const kernel::Layouts& layout = layouts(input.number<u8>());
  Bytes bytes = input.rest();
  (void)kernel::compound_order(bytes, layout.page);
  (void)kernel::decode_slab(bytes, layout.page, layout.slab);
  u64 pages = std::min<u64>(bytes.size() / layout.page.size_bytes, kMostPages);
  if (pages == 0) return 0;
  FakeMemory memory;
  memory.map({kDescriptors, align_up(pages * layout.page.size_bytes, 4096)});
  memory.write(kDescriptors, bytes.first(pages * layout.page.size_bytes));
  kernel::AddressSpace space;
  space.linear_map = kLinear;
  space.ram = {{kLinear, pages * kernel::kPageBytes}};
  space.page_descriptors = kDescriptors;
  kernel::KernelMemory target(memory, space);
  auto map = kernel::read_page_map(target, layout.page, layout.slab, {});
  VERIFY(bool(map));
  VERIFY(std::accumulate(map->pages.begin(), map->pages.end(), u64{0}) == pages);
  return 0;
}
