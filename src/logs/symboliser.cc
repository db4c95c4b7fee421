// SPDX-License-Identifier: Apache-2.0
#include "logs/symboliser.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/fd.h"
#include "debuginfo/elf_file.h"
#include "kernel/proc_modules.h"

namespace orphan::logs {
namespace {

// A frame's address is one to return to, and may be the first byte behind a function whose last instruction is a call.
constexpr u64 kCall = 1;

Result<std::map<std::string, std::string>> modules_below(const std::string& directory) {
  std::map<std::string, std::string> modules;
  std::error_code error;
  std::filesystem::recursive_directory_iterator entry(directory, std::filesystem::directory_options::skip_permission_denied,
                                                      error);
  if (error) return Error(ErrorCode::NotFound, fmt::format("{}: {}", directory, error.message()));
  for (; !error && entry != std::filesystem::recursive_directory_iterator(); entry.increment(error)) {
    auto module = debuginfo::module_of_file(entry->path().filename().native());
    if (!module) continue;
    // Beside a module its debug information may lie, which has more to say.
    std::string path = entry->path().native();
    auto [known, is_new] = modules.try_emplace(*module, path);
    if (!is_new && path.ends_with(".debug")) known->second = path;
  }
  return modules;
}

}  // namespace

Result<Symboliser> Symboliser::open(const SymbolFiles& files) {
  Symboliser symboliser;
  if (!files.kallsyms.empty()) {
    std::string text = TRY(read_file(files.kallsyms));
    symboliser.kallsyms_ = TRY(kernel::Symbols::from_text(text, files.kallsyms));
    kernel::add_module_symbols(text, *symboliser.kallsyms_);
  }
  debuginfo::Options options;
  if (!files.vmlinux.empty()) {
    auto elf = TRY(debuginfo::ElfFile::open_any(files.vmlinux));
    if (elf.is_relocatable()) return Error(ErrorCode::BadData, files.vmlinux + ": a module and no vmlinux: give --modules DIR");
    for (const debuginfo::CodeSymbol& symbol : elf.code_symbols())
      symboliser.vmlinux_.push_back({std::string(symbol.name), symbol.address, symbol.size_bytes});
    if (symboliser.vmlinux_.empty())
      return Error(ErrorCode::BadData, files.vmlinux + ": it has no symbols: take one that was not stripped");
    options.files[""] = files.vmlinux;
  }
  std::ranges::stable_sort(symboliser.vmlinux_, {}, &Code::address);
  for (const Code& code : symboliser.vmlinux_) {
    auto [at, is_new] = symboliser.by_name_.try_emplace(code.name, code.address);
    if (!is_new) at->second = 0;
  }
  for (const std::string& directory : files.module_directories) options.files.merge(TRY(modules_below(directory)));
  symboliser.line_files_ = options.files;
  if (!options.files.empty()) symboliser.lines_.emplace(std::vector<Image>(), std::move(options));
  return symboliser;
}

// Of a frame of the kernel's own that has both address and symbol.
void Symboliser::learn_shift(const std::vector<Frame>& stack) {
  for (const Frame& frame : stack) {
    if (shift_) return;
    if (!frame.address || frame.symbol.empty() || !frame.module.empty() || frame.is_inlined) continue;
    auto known = by_name_.find(frame.symbol);
    if (known != by_name_.end() && known->second != 0) shift_ = frame.address.value - frame.offset - known->second;
  }
}

bool Symboliser::name_by_kallsyms(Frame& frame) const {
  if (!kallsyms_) return false;
  auto found = kallsyms_->lookup(frame.address - kCall);
  if (!found || found->offset >= std::max<u64>(found->size, 1)) return false;
  frame.symbol = found->name;
  frame.offset = found->offset + kCall;
  frame.symbol_size = found->size;
  frame.module = found->module;
  return true;
}

bool Symboliser::name_by_vmlinux(Frame& frame) const {
  u64 address = frame.address.value - shift_.value_or(0) - kCall;
  auto next = std::ranges::upper_bound(vmlinux_, address, {}, &Code::address);
  if (next == vmlinux_.begin()) return false;
  // Of several at one address the first that says how long it is.
  auto code = std::ranges::lower_bound(vmlinux_, (next - 1)->address, {}, &Code::address);
  while (code + 1 != next && code->size_bytes == 0) ++code;
  if (address - code->address >= code->size_bytes) return false;
  frame.symbol = code->name;
  frame.offset = address - code->address + kCall;
  frame.symbol_size = code->size_bytes;
  return true;
}

void Symboliser::name(std::vector<Frame>& stack) {
  if (!kallsyms_ && vmlinux_.empty()) return;
  learn_shift(stack);
  for (Frame& frame : stack) {
    if (!frame.symbol.empty() || !frame.address || frame.is_inlined) continue;
    if (name_by_kallsyms(frame)) {
      ++named_;
    } else if (name_by_vmlinux(frame)) {
      ++named_;
      if (!shift_) ++unshifted_;
    } else {
      ++unnamed_;
    }
  }
}

void Symboliser::add_lines(std::vector<Frame>& stack) {
  if (lines_) lines_->add_to(stack);
}

std::vector<Coverage> Symboliser::coverage() const {
  std::vector<Coverage> coverage;
  if (named_ + unnamed_ != 0) {
    coverage.push_back({.what = "frames without a symbol",
                        .count = named_ + unnamed_,
                        .why = fmt::format("{} were given one; the others lie in no code that the files have", named_),
                        .incomplete = false});
  }
  if (unshifted_ != 0) {
    coverage.push_back({.what = "frames named as if the kernel lay where it was linked to",
                        .count = unshifted_,
                        .why = "no other frame of the report tells where it lay: with KASLR these names are wrong, and "
                               "--kallsyms of that boot has the right ones",
                        .incomplete = false});
  }
  if (!lines_) return coverage;
  for (const debuginfo::ImageLines& lines : lines_->results()) {
    if (!line_files_.contains(lines.image.module)) continue;
    coverage.push_back({.what = lines.image.module.empty() ? "lines of the kernel's source" : "lines of " + lines.image.module,
                        .count = lines.frames - lines.frames_without_line,
                        .why = lines.path.empty() ? "none: " + lines.reason : "out of " + lines.path,
                        .incomplete = false});
  }
  return coverage;
}

}  // namespace orphan::logs
