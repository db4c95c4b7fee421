// SPDX-License-Identifier: Apache-2.0
// Symbol tables, out of a kernel's memory in each of the encodings, out of /proc/kallsyms, and of a module.
#include <fmt/format.h>

#include "input.h"
#include "kallsyms_input.h"
#include "kernel/symbols.h"

using namespace orphan;
using namespace orphan::fuzz;

namespace {

constexpr u64 kText = 0xffff'ffff'8100'0000;

void put(FakeMemory& memory, Addr at, Bytes bytes) {
  if (bytes.empty()) return;
  memory.map({at, align_up(bytes.size(), 4096)});
  memory.write(at, bytes);
}

Result<kernel::Symbols> load(Input& input) {
  auto scheme = static_cast<Scheme>(input.number<u8>() % 5);
  if (scheme == Scheme::Text) return kernel::Symbols::from_text(text_of(input.rest()), "input");
  FakeMemory memory;
  put(memory, kNumbers, input.take(kNumberBytes));
  put(memory, kTokenIndex, input.take(kTokenIndexBytes));
  put(memory, kTokenTable, input.piece());
  put(memory, kOffsets, input.piece());
  put(memory, kNames, input.rest());
  std::string info = fmt::format("SYMBOL(_stext)={:x}\n", kText);
  auto add = [&](std::string_view name, Addr at) { info += fmt::format("SYMBOL({})={:x}\n", name, at.value); };
  add("kallsyms_num_syms", kNumbers);
  add("kallsyms_token_index", kTokenIndex);
  add("kallsyms_token_table", kTokenTable);
  add("kallsyms_names", kNames);
  add(scheme == Scheme::Absolute ? "kallsyms_addresses" : "kallsyms_offsets", kOffsets);
  if (scheme == Scheme::Relative) add("kallsyms_relative_base", kNumbers + 8);
  return kernel::Symbols::from_memory(memory, kernel::Vmcoreinfo::parse(info));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  Input input(data, size);
  auto symbols = load(input);
  if (!symbols) return 0;
  for (u64 offset : {0U, 0x100U, 0x145U, 0x2018U, 0x5000U}) (void)symbols->lookup(Addr{kText + offset});
  for (const char* name : {"_stext", "twice", ""}) (void)symbols->find_all(name);
  for (u32 i = 0; i < std::min(symbols->size(), 50U); ++i) (void)symbols->at(i);
  // The input once more, as a module's.
  std::array<Range, 1> home{Range{Addr{0}, ~u64{0}}};
  Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  symbols->add_module("module", home, bytes, bytes.subspan(bytes.size() / 2));
  (void)symbols->lookup(Addr{0x1234});
  (void)symbols->find_in_module("module", "name");
  return 0;
}
