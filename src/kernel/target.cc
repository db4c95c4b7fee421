// SPDX-License-Identifier: Apache-2.0
#include "kernel/target.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/phase_clock.h"

namespace orphan::kernel {
namespace {

// x86-64 maps the kernel image and the modules in the last 2 GiB; __START_KERNEL_map has been there since v2.6.
constexpr Addr kImageMap{0xffff'ffff'8000'0000};

constexpr u64 kMostCode = 1 << 16;  // of a function

}  // namespace

Target::Target(std::unique_ptr<Source> source, const TargetPaths& paths)
    : paths_(paths), source_(std::move(source)), cache_(source_->memory(), kCacheBytes) {}

Result<std::unique_ptr<Target>> Target::open(const TargetPaths& paths, const LookHooks& hooks) {
  auto open_source = [&]() -> Result<std::unique_ptr<Source>> { return TRY(LiveSource::open(paths)); };
  return open(open_source, paths, hooks);
}

Result<std::unique_ptr<Target>> Target::open(const OpenSource& open_source, const TargetPaths& paths, const LookHooks& hooks) {
  const Source* reader = nullptr;
  PhaseClock clock([&] { return reader != nullptr ? reader->seconds_reading() : 0; });
  auto step = [&](std::string_view what) {
    clock.start(std::string(what));
    if (hooks.progress) hooks.progress(what);
  };
  step("opening the kernel's memory");
  auto source = TRY(open_source());
  reader = source.get();
  std::unique_ptr<Target> target(new Target(std::move(source), paths));
  TRY(target->read_facts());
  step("reading the kernel's types");
  TRY(target->find_types());
  step("reading the kernel's symbols");
  TRY(target->find_symbols());
  target->globals_ = TRY(Globals::resolve(*target->symbols_, *target->btf_));
  target->image_physical_ = TRY(target->image_physical());
  target->memory_.emplace(target->cache_, TRY(target->find_space()));
  target->startup_ = clock.finish();
  return target;
}

Result<void> Target::read_facts() {
  std::string segments = TRY(source_->text(text::kSegments));
  auto parsed = parse_segments(segments);
  if (!parsed) return std::move(parsed).error().in(paths_.kcore);
  segments_ = std::move(*parsed);
  info_ = Vmcoreinfo::parse(TRY(source_->text(text::kVmcoreinfo)));
  std::string self = TRY(source_->text(text::kSelf));
  auto process = parse_self(self);
  if (!process) return std::move(process).error().in(paths_.kcore);
  self_ = std::move(*process);
  return {};
}

Result<void> Target::find_types() {
  auto text = source_->text(paths_.btf);
  if (!text && text.error().code() == ErrorCode::NotFound) {
    return Error(
        ErrorCode::Unsupported,
        paths_.btf + ": not there: this kernel was built without CONFIG_DEBUG_INFO_BTF, and nothing can be read without it");
  }
  std::string bytes = TRY(std::move(text));
  btf_.emplace(TRY(Btf::parse(bytes, paths_.btf)));
  layouts_ = TRY(Layouts::resolve(*btf_));
  return {};
}

Result<void> Target::find_symbols() {
  auto symbols = Symbols::from_memory(source_->memory(), info_);
  if (!symbols && symbols.error().code() == ErrorCode::NotFound) {
    std::string text = TRY(source_->text(paths_.kallsyms));
    symbols = Symbols::from_text(text, paths_.kallsyms);
  }
  symbols_.emplace(TRY(std::move(symbols)));
  return {};
}

Result<u64> Target::image_physical() const {
  for (const CoreSegment& segment : segments_) {
    if (segment.contains(globals_.text) && segment.physical != kPhysicalUnknown) {
      return segment.physical + (globals_.text - segment.vaddr);
    }
  }
  return Error(ErrorCode::Unsupported, paths_.kcore + ": no segment says where the kernel image is in physical memory");
}

Result<AddressSpace> Target::find_space() const {
  AddressSpace space;
  space.linear_map = Addr{TRY(read_value<u64>(source_->memory(), globals_.page_offset_base))};
  space.page_descriptors = Addr{TRY(read_value<u64>(source_->memory(), globals_.vmemmap_base))};
  Addr vmalloc{TRY(read_value<u64>(source_->memory(), globals_.vmalloc_base))};
  for (const CoreSegment& segment : segments_) {
    if (segment.physical != kPhysicalUnknown) {
      if (segment.vaddr == space.linear(segment.physical)) space.ram.push_back({segment.vaddr, segment.size});
    } else if (segment.vaddr == vmalloc) {
      space.vmalloc = {segment.vaddr, segment.size};
    } else if (segment.vaddr >= kImageMap) {
      space.modules = {segment.vaddr, segment.size};
    }
  }
  if (space.ram.empty() || space.vmalloc.size_bytes == 0) {
    return Error(ErrorCode::Unsupported,
                 paths_.kcore + ": its segments do not match the kernel's page_offset_base and vmalloc_base");
  }
  space.format.levels = info_.number("pgtable_l5_enabled").value_or(0) != 0 ? 5 : 4;
  space.format.address_mask &= ~info_.number("sme_mask").value_or(0);
  space.top_table = space.linear(image_physical_ + (globals_.init_top_pgt - globals_.text));
  return space;
}

Kernel Target::kernel() {
  StackText text{.kernel = {globals_.text, globals_.text_end - globals_.text}, .kthread = std::nullopt};
  if (globals_.kthread) {
    if (auto symbol = symbols_->lookup(*globals_.kthread)) text.kthread = Range{*globals_.kthread, symbol->size};
  }
  std::vector<Range> code;
  for (std::optional<Addr> function : {globals_.futex_hash, globals_.inner_futex_hash}) {
    auto symbol = function ? symbols_->lookup(*function) : std::nullopt;
    if (symbol) code.push_back({*function, std::min(symbol->size, kMostCode)});
  }
  return {*memory_,        cache_, layouts_, globals_, self_, {globals_.text, globals_.rodata_end - globals_.text},
          image_physical_, text,   code};
}

}  // namespace orphan::kernel
