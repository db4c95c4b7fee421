// SPDX-License-Identifier: Apache-2.0
// For tests: reports like those of a real kernel with a driver that leaks. Their numbers add up.
#pragma once
#include <string_view>
#include <utility>
#include <vector>

#include "report/outstanding.h"
#include "report/report.h"

namespace orphan::test {

inline std::vector<std::byte> bytes_of(std::string_view text, std::size_t size) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i < size; ++i) bytes.push_back(i < text.size() ? static_cast<std::byte>(text[i]) : std::byte{0});
  return bytes;
}

inline Frame frame_at(Addr address, std::string symbol, u64 offset, u64 symbol_size, std::string module) {
  Frame frame;
  frame.address = address;
  frame.symbol = std::move(symbol);
  frame.offset = offset;
  frame.symbol_size = symbol_size;
  frame.module = std::move(module);
  return frame;
}

inline Leak leak_of(BlockKind kind, std::string cache, u64 object_size_bytes, Tally total) {
  Leak leak;
  leak.kind = kind;
  leak.cache = std::move(cache);
  leak.object_size_bytes = object_size_bytes;
  leak.total = total;
  return leak;
}

inline Leak slab_leak() {
  Leak leak = leak_of(BlockKind::Slab, "kmalloc-128", 128, {100, 12'800});
  leak.aliases = {"kioctx", "pool_workqueue", "biovec-8", "eventpoll_epi", "task_delay_info"};
  leak.type = "struct widget";
  leak.stack = {frame_at(Addr{0xffffffffc01d2041}, "widget_probe", 0x41, 0x1df, "widget"),
                frame_at(Addr{0xffffffff81000ab9}, "do_one_initcall", 0x59, 0x220, ""),
                frame_at(Addr{0xffffffffc01d2036}, "", 0, 0, "")};
  leak.stack[0].file = "drivers/misc/widget.c";
  leak.stack[0].line = 123;
  leak.was_seen = true;
  leak.times = AllocationTimes{.count = 100, .first_s = 713.2, .last_s = 6};
  leak.comms = {{"insmod", 97}, {"sh", 3}};
  leak.confidence = Confidence::Certain;
  leak.confidence_reason = "unreferenced, unchanged in all 3 passes, 12 s";
  leak.evidence = {{Evidence::Kind::String, 0, "leak me", 100}, {Evidence::Kind::Symbol, 64, "widget_ops [widget]", 40}};
  for (u64 i = 0; i < 4; ++i) {
    leak.objects.push_back({.address = Addr{0xffff888104c2d000 + i * 128},
                            .size_bytes = 128,
                            .checksum = 0xed65d963,
                            .contents = bytes_of("leak me", 128)});
  }
  return leak;
}

inline Leak vmalloc_leak() {
  Leak leak = leak_of(BlockKind::Vmalloc, "vmalloc", 8192, {1, 8192});
  leak.stack = {{.address = Addr{0xffffffffc01d2077},
                 .symbol = "ring_pages",
                 .module = "widget",
                 .file = "drivers/misc/ring.h",
                 .line = 88,
                 .is_inlined = true},
                frame_at(Addr{0xffffffffc01d2077}, "widget_ring_alloc", 0x27, 0x90, "widget")};
  leak.stack[1].file = "drivers/misc/widget.c";
  leak.stack[1].line = 140;
  leak.confidence = Confidence::Likely;
  leak.confidence_reason = "unreferenced, unchanged in two passes or more; some not from the first pass on";
  leak.objects = {{.address = Addr{0xffffc90000a65000}, .size_bytes = 8192, .checksum = 0x2a, .contents = bytes_of("", 20)}};
  return leak;
}

inline Leak per_cpu_leak() {
  Leak leak = leak_of(BlockKind::PerCpu, "per-cpu", 64, {2, 128});
  leak.confidence_reason = "unknown";
  leak.objects = {{.address = Addr{0x607fc5a195f8}, .size_bytes = 64, .checksum = 0, .contents = bytes_of("", 32), .cpu = 2}};
  return leak;
}

inline Leak weak_block() {
  Leak leak = leak_of(BlockKind::Slab, "kmalloc-2k", 2048, {1, 2048});
  leak.objects = {{.address = Addr{0xffff888104c2e000}, .size_bytes = 2048, .checksum = 1, .contents = bytes_of("", 16)}};
  leak.weak = {{.object = leak.objects[0].address,
                .form = "physical-address",
                .at = Addr{0xffffffffc01d4008},
                .word = 0x104c2e000,
                .place = "module widget: ring+0x8"}};
  return leak;
}

inline Leak block_below_weak() {
  Leak leak = leak_of(BlockKind::Slab, "kmalloc-96", 96, {1, 96});
  leak.objects = {{.address = Addr{0xffff888104c2f060}, .size_bytes = 96, .checksum = 2, .contents = bytes_of("", 16)}};
  return leak;
}

// What --pages adds to the sample report.
inline PageReport page_report() {
  Leak leak = leak_of(BlockKind::Pages, "pages", 8192, {2, 16'384});
  leak.confidence = Confidence::Possible;
  leak.confidence_reason = "a device may keep them";
  leak.evidence = {{Evidence::Kind::String, 16, "widget log", 2}};
  leak.objects = {{.address = Addr{0xffff888103a42000}, .size_bytes = 8192, .checksum = 3, .contents = bytes_of("w", 16)},
                  {.address = Addr{0xffff888103a46000}, .size_bytes = 8192, .checksum = 4, .contents = bytes_of("w", 16)}};
  return {.referenced = {228, 1'400'832},
          .leaked = {2, 16'384},
          .weak = {1, 4'096},
          .suppressed = {3, 12'288},
          .unconfirmed = {4, 20'480},
          .groups = {std::move(leak)}};
}

inline Report sample_report() {
  Report report;
  report.target = "kernel 6.1.0-56-cloud-amd64";
  report.version = "0.1.0";
  report.release = "6.1.0-56-cloud-amd64";
  report.images = {{"", "3a0b2c4d"}, {"widget", "91fe27"}};
  report.started_unix_s = 1'700'000'000;
  report.seconds = 12.34;
  report.passes = {{2.5, {1'234'800, 1'181'760'000}, 400, 400, 2'254'857'830},
                   {2.4, {1'234'760, 1'181'759'000}, 300, 260, 2'254'857'830},
                   {2.4, {1'234'769, 1'181'758'847}, 229, 103, 2'254'857'830}};
  report.by_kind = {{{1'234'000, 1'000'000'000}, {500, 100'000'000}, {200, 81'000'000}, {69, 758'847}}};
  report.roots = {{"kernel pages", 4'210, 17'244'160}, {"task stacks", 310, 5'079'040}};
  report.outcome = {.referenced = {1'234'538, 1'181'713'755},
                    .leaked = {103, 21'120},
                    .weak = {2, 2'144},
                    .suppressed = {120, 15'360},
                    .unconfirmed = {6, 6'468},
                    .unstable = {0, 0}};
  report.leaks = {slab_leak(), vmalloc_leak(), per_cpu_leak()};
  report.weak = {weak_block(), block_below_weak()};
  report.suppressed = {
      {"obj_cgroup vectors",
       "struct slab keeps the vector's address with flag bits in its low bits, and a page's own metadata is not a root "
       "that a word-wise reader sees",
       {110, 14'080}},
      {"xarray", "a tagged entry", {10, 1'280}}};
  report.coverage = {{"registers of running tasks", 0, 4, "another CPU's registers cannot be read"},
                     {"unreadable pages", 12'288, 3, "/proc/kcore refused them"},
                     {"objects younger than the scan", 0, 0, "they are looked at by the next one", false}};
  report.self_test = SelfTest{.caches = 161, .ours = 1'234'567, .slabinfo = 1'234'560, .different = {{"kmalloc-64", 1'000, 993}}};
  return report;
}

// What a tracker alone has of the same.
inline OutstandingReport sample_outstanding() {
  OutstandingReport report{.target = "kernel 6.1.0-56-cloud-amd64",
                           .version = "0.1.0",
                           .release = "6.1.0-56-cloud-amd64",
                           .images = {{"", "3a0b2c4d"}, {"widget", "91fe27"}},
                           .started_unix_s = 1'700'000'000,
                           .seconds = 720.5,
                           .min_age_s = 5,
                           .allocations = 1'234'567};
  for (const Leak& known : {slab_leak(), vmalloc_leak()}) {
    Leak group = leak_of(known.kind, known.cache, known.object_size_bytes, known.total);
    group.stack = known.stack;
    group.was_seen = true;
    group.times = known.times.value_or(AllocationTimes{.count = 1, .first_s = 42, .last_s = 42});
    group.comms = known.comms;
    report.groups.push_back(std::move(group));
  }
  report.coverage = {{"allocations that were not noted", 0, 12, "their CPU was in the tracker's own code"},
                     {"stacks", 0, 210, "in 48.0 MiB of notes", false}};
  return report;
}

}  // namespace orphan::test
