// SPDX-License-Identifier: Apache-2.0
#include "kernel/images.h"

#include <elf.h>
#include <fmt/format.h>

#include <iterator>
#include <set>

#include "base/bytes.h"

namespace orphan::kernel {
namespace {

constexpr u64 kMostIdBytes = 64;
constexpr std::string_view kGnu("GNU\0", 4);
constexpr std::string_view kKernelNotes = "/sys/kernel/notes";

u64 padded(u64 bytes) {
  return (bytes + 3) / 4 * 4;
}

void add_modules(std::span<const Leak> groups, std::set<std::string>& modules) {
  for (const Leak& group : groups) {
    for (const Frame& frame : group.stack) modules.insert(frame.module);
  }
}

std::vector<Image> to_images(const std::set<std::string>& modules, const std::string& kernel_build_id, const BuildIds& gone,
                             const TextOf& text_of) {
  std::vector<Image> images;
  for (const std::string& module : modules) {
    std::string id = module.empty() ? kernel_build_id : build_id_of(module, text_of);
    if (id.empty() && module.empty()) {
      if (auto notes = text_of(kKernelNotes)) id = build_id_in(*notes);
    }
    auto known = gone.find(module);
    if (id.empty() && known != gone.end()) id = known->second;
    images.push_back({.module = module, .build_id = std::move(id)});
  }
  return images;
}

}  // namespace

std::string build_id_in(std::string_view notes) {
  Bytes bytes = std::as_bytes(std::span(notes));
  for (u64 at = 0; auto note = load<Elf64_Nhdr>(bytes, at);) {
    u64 name = at + sizeof(Elf64_Nhdr), id = name + padded(note->n_namesz);
    if (id + note->n_descsz > bytes.size()) break;
    if (note->n_type == NT_GNU_BUILD_ID && notes.substr(name, note->n_namesz) == kGnu && note->n_descsz <= kMostIdBytes) {
      std::string text;
      for (char byte : notes.substr(id, note->n_descsz))
        fmt::format_to(std::back_inserter(text), "{:02x}", static_cast<u8>(byte));
      return text;
    }
    at = id + padded(note->n_descsz);
  }
  return {};
}

std::string build_id_of(const std::string& module, const TextOf& text_of) {
  auto notes = text_of("/sys/module/" + module + "/notes/.note.gnu.build-id");
  return notes ? build_id_in(*notes) : std::string();
}

std::vector<Image> images_of(std::span<const Leak> groups, const std::string& kernel_build_id, const BuildIds& gone,
                             const TextOf& text_of) {
  std::set<std::string> modules;
  add_modules(groups, modules);
  return to_images(modules, kernel_build_id, gone, text_of);
}

std::vector<Image> images_of(const Report& report, const std::string& kernel_build_id, const BuildIds& gone,
                             const TextOf& text_of) {
  std::set<std::string> modules;
  add_modules(report.leaks, modules);
  add_modules(report.weak, modules);
  if (report.pages) add_modules(report.pages->groups, modules);
  return to_images(modules, kernel_build_id, gone, text_of);
}

}  // namespace orphan::kernel
