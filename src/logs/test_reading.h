// SPDX-License-Identifier: Apache-2.0
// For tests: what the readers find in a text, and reports as kernels of all eras print them.
#pragma once
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "logs/text_reader.h"

namespace orphan::logs::test {

struct Reading {
  std::vector<Finding> found;
  std::vector<std::string> complaints;  // "LINE: what"
  FileFacts facts;
};

inline Reading read_text(std::string_view text) {
  Reading reading;
  Hooks hooks{
      .found = [&](Finding finding) { reading.found.push_back(std::move(finding)); },
      .complain = [&](u64 line, std::string_view what) { reading.complaints.push_back(fmt::format("{}: {}", line, what)); }};
  TextReader reader(hooks);
  u64 number = 0;
  while (!text.empty()) {
    std::size_t end = text.find('\n');
    reader.take(text.substr(0, end), ++number);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  reader.end();
  reading.facts = reader.facts();
  return reading;
}

// Each line of `text` between the two.
inline std::string framed(std::string_view text, std::string_view before, std::string_view behind = "") {
  std::string out;
  while (!text.empty()) {
    std::size_t end = text.find('\n');
    out += fmt::format("{}{}{}\n", before, text.substr(0, end), behind);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return out;
}

// 2.6.31, 32-bit ARM: in the log as in the file.
inline constexpr std::string_view k2_6_31 = R"(kmemleak: unreferenced object 0xf6a5d300 (size 64):
  comm "insmod", pid 812, jiffies 4294901234
  backtrace:
    [<c04e1234>] create_object+0x101/0x1b0
    [<c04e15b0>] kmemleak_alloc+0x40/0x70
    [<bf0041d8>] widget_probe+0x58/0x120 [widget]
    [<bf004bcc>] 0xbf004bcc
)";

// 2.6.33 to 4.14, 32-bit.
inline constexpr std::string_view k3_4 = R"(unreferenced object 0xdeb4a1c0 (size 40):
  comm "swapper/0", pid 1, jiffies 4294937561 (age 1201.340s)
  hex dump (first 32 bytes):
    00 01 10 00 00 02 20 00 6c 65 61 6b 20 6d 65 00  ...... .leak me.
    6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b a5  kkkkkkkkkkkkkkk.
  backtrace:
    [<c00f1a2c>] kmem_cache_alloc+0x12c/0x1d4
    [<bf0041d8>] widget_probe+0x58/0x120 [widget]
    [<ffffffff>] 0xffffffff
)";

// A vendor's 3.10, 64-bit ARM, with a field of its own.
inline constexpr std::string_view kVendor3_10 = R"(unreferenced object 0xffffffc0325f8e00 (size 128):
  comm "mediaserver", pid 231, jiffies 4294940210 (age 88.120s) [ 1234.567890]
  hex dump (first 16 bytes):
    6c 65 61 6b 20 6d 65 00 00 00 00 00 00 00 00 00  leak me.........
  backtrace:
    [<ffffffc000178ac4>] __kmalloc+0x16c/0x230
    [<ffffffbffc0041d8>] codec_open+0x58/0x120 [codec]
)";

// 4.15 to early 6.1, x86-64: addresses of code are hashed.
inline constexpr std::string_view k5_10 = R"(unreferenced object 0xffff888104c2d000 (size 192):
  comm "modprobe", pid 2088, jiffies 4294680594 (age 375.486s)
  hex dump (first 32 bytes):
    6c 65 61 6b 20 6d 65 00 00 00 00 00 00 00 00 00  leak me.........
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
  backtrace:
    [<00000000e0a73ec7>] kmem_cache_alloc_trace+0x41/0x1df
    [<00000000e0a73ec8>] widget_probe+0x41/0x1df [widget]
    [<000000005c0d2a46>] 0xffffffffc01d2036
)";

// Late 6.1: no age.
inline constexpr std::string_view k6_1 = R"(unreferenced object 0xffff888104c2d000 (size 192):
  comm "modprobe", pid 2088, jiffies 4294680594
  hex dump (first 32 bytes):
    6c 65 61 6b 20 6d 65 00 00 00 00 00 00 00 00 00  leak me.........
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
  backtrace:
    [<00000000e0a73ec7>] __kmem_cache_alloc_node+0x1c1/0x2b0
    [<00000000e0a73ec8>] widget_probe+0x41/0x1df [widget]
)";

// 6.8: a crc, and still addresses.
inline constexpr std::string_view k6_8 = R"(unreferenced object 0xffff888104c2d000 (size 192):
  comm "modprobe", pid 2088, jiffies 4294680594
  hex dump (first 32 bytes):
    6c 65 61 6b 20 6d 65 00 00 00 00 00 00 00 00 00  leak me.........
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
  backtrace (crc ed65d963):
    [<ffffffff813a73ec>] kmalloc_trace+0x1c1/0x2b0
    [<ffffffffc01d2041>] widget_probe+0x41/0x1df [widget]
)";

// 2026: symbols only, per-CPU objects, 64-bit.
inline constexpr std::string_view k2026 = R"(unreferenced object 0xffff888104c2d000 (size 192):
  comm "modprobe", pid 2088, jiffies 4294680594
  hex dump (first 32 bytes):
    6c 65 61 6b 20 6d 65 00 00 00 00 00 00 00 00 00  leak me.........
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
  backtrace (crc ed65d963):
    __kmalloc_cache_noprof+0x2a1/0x3f0
    widget_probe+0x41/0x1df [widget]
unreferenced object (percpu) 0x607fc5a195f8 (size 64):
  comm "modprobe", pid 4667, jiffies 4294688677
  hex dump (first 32 bytes on cpu 2):
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
  backtrace (crc 0):
    pcpu_alloc_noprof+0x3df/0x840
    widget_counters+0x21/0x60 [widget]
)";

inline constexpr std::string_view kPageOwner =
    R"(Page allocated via order 2, mask 0x1100cca(GFP_HIGHUSER_MOVABLE), pid 812, tgid 810 (insmod (x)), ts 123456 ns, free_ts 0 ns
PFN 0x1000 type Movable Block 8 type Movable Flags 0x17ffffc0000000(node=0|zone=2)
 get_page_from_freelist+0x15d/0x180
 __alloc_pages+0x2f/0x40
 hoard_pages+0x2a/0x90 [hoarder]
Charged to memcg /

Page allocated via order 0, mask 0x0
PFN 4097 type Unmovable Block 8 type Unmovable Flags 0x0()
 alloc_pages+0x10/0x20
 start_kernel+0x100/0x300

)";

}  // namespace orphan::logs::test
