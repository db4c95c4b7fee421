// SPDX-License-Identifier: Apache-2.0
#include "kernel/evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace orphan::kernel {
namespace {

constexpr std::size_t kShortestString = 4;
constexpr std::size_t kLongestString = 64;
constexpr std::size_t kMostDistinct = 512;  // in one group
constexpr u64 kKernelHalf = 0xffff'8000'0000'0000;

bool is_text(std::byte b) {
  auto c = std::to_integer<unsigned char>(b);
  return c >= 0x20 && c < 0x7f;
}

std::string with_module(std::string text, const std::string& module) {
  return module.empty() ? text : fmt::format("{} [{}]", text, module);
}

std::string describe(const SymbolAt& symbol) {
  std::string text = symbol.offset == 0 ? symbol.name : fmt::format("{}+{:#x}", symbol.name, symbol.offset);
  return with_module(std::move(text), symbol.module);
}

// Caches that are not called after the type of their objects.
struct NamedCache {
  std::string_view cache, type;
};
constexpr std::array kNamedCaches{NamedCache{"skbuff_head_cache", "sk_buff"},
                                  NamedCache{"skbuff_fclone_cache", "sk_buff_fclones"},
                                  NamedCache{"filp", "file"},
                                  NamedCache{"sock_inode_cache", "socket_alloc"},
                                  NamedCache{"bdev_cache", "bdev_inode"},
                                  NamedCache{"cred_jar", "cred"},
                                  NamedCache{"mnt_cache", "mount"},
                                  NamedCache{"radix_tree_node", "xa_node"},
                                  NamedCache{"signal_cache", "signal_struct"}};

// "ext4_inode_cache" may hold struct ext4_inode_cache, ext4_inode, or ext4_inode_info. The size tells.
std::vector<std::string> types_by_name_of_cache(const std::string& cache) {
  std::vector<std::string> names{cache};
  for (const NamedCache& named : kNamedCaches) {
    if (named.cache == cache) names.emplace_back(named.type);
  }
  for (std::string_view suffix : {"_cachep", "_cache", "_slab", "_struct"}) {
    if (!cache.ends_with(suffix)) continue;
    std::string stem = cache.substr(0, cache.size() - suffix.size());
    for (std::string_view ending : {"", "_info", "_struct"}) names.push_back(stem + std::string(ending));
  }
  return names;
}

}  // namespace

void EvidenceGatherer::note(Evidence::Kind kind, u64 offset, std::string text) {
  auto same = std::ranges::find_if(
      found_, [&](const Evidence& e) { return e.kind == kind && e.offset_bytes == offset && e.text == text; });
  if (same != found_.end()) {
    ++same->count;
  } else if (found_.size() < kMostDistinct) {
    found_.push_back({kind, static_cast<u32>(offset), std::move(text), 1});
  }
}

void EvidenceGatherer::add(Bytes contents) {
  for (u64 offset = 0; offset + 8 <= contents.size(); offset += 8) {
    u64 word = load_unchecked<u64>(contents.data() + offset);
    if (word < kKernelHalf) continue;
    auto symbol = symbols_.lookup(Addr{word});
    bool is_inside = symbol && (symbol->size == 0 || symbol->offset < symbol->size);
    if (is_inside) note(Evidence::Kind::Symbol, offset, describe(*symbol));
  }
  for (std::size_t at = 0; at < contents.size();) {
    std::size_t end = at;
    while (end < contents.size() && is_text(contents[end])) ++end;
    bool is_ended = end < contents.size() && contents[end] == std::byte{0};
    if (end - at >= kShortestString && is_ended) {
      std::size_t size = std::min(end - at, kLongestString);
      note(Evidence::Kind::String, at, std::string(reinterpret_cast<const char*>(contents.data() + at), size));
    }
    at = end + 1;
  }
}

std::vector<Evidence> EvidenceGatherer::result(std::size_t limit) const {
  std::vector<Evidence> sorted = found_;
  std::ranges::stable_sort(sorted, [](const Evidence& a, const Evidence& b) {
    return std::tuple(b.count, a.kind, a.offset_bytes) < std::tuple(a.count, b.kind, b.offset_bytes);
  });
  if (sorted.size() > limit) sorted.resize(limit);
  return sorted;
}

std::string type_of_cache(std::string_view cache, u64 object_bytes, const Btf& btf, const TextOf& text_of,
                          const std::string& module_folder) {
  std::vector<std::string> names = types_by_name_of_cache(std::string(cache));
  auto in = [&](const Btf& types) -> std::string {
    for (const std::string& candidate : names) {
      if (types.size_of(candidate) == object_bytes) return "struct " + candidate;
    }
    return {};
  };
  if (std::string found = in(btf); !found.empty()) return found;
  auto modules = text_of(module_folder);
  if (!modules) return {};
  for (const Entry& module : parse_directory(*modules)) {
    if (module.name == "vmlinux") continue;
    std::string path = module_folder + std::string(module.name);
    auto text = text_of(path);
    if (!text) continue;  // the module went away
    auto types = Btf::parse(*text, path, &btf);
    if (!types) continue;  // it is not for this kernel
    if (std::string found = in(*types); !found.empty()) return found;
  }
  return {};
}

std::vector<Frame> to_frames(std::span<const Addr> stack, const Symbols& symbols) {
  std::vector<Frame> frames;
  for (Addr address : stack) {
    frames.push_back(to_frame(address, symbols));
    // What came before is the program that took the stack.
    if (frames.back().symbol.starts_with("bpf_trace_run")) frames.clear();
  }
  return frames;
}

Frame to_frame(Addr address, const Symbols& symbols) {
  Frame frame{.address = address};
  if (auto symbol = symbols.lookup(address)) {
    frame.symbol = symbol->name;
    frame.offset = symbol->offset;
    frame.symbol_size = symbol->size;
    frame.module = symbol->module;
  } else {
    frame.module = symbols.module_at(address);
  }
  return frame;
}

}  // namespace orphan::kernel
