// SPDX-License-Identifier: Apache-2.0
#include "scan/snapshot.h"

namespace orphan {

const char* to_string(RootKind kind) {
  switch (kind) {
    case RootKind::KernelPages: return "kernel pages";
    case RootKind::Image: return "kernel image and boot memory";
    case RootKind::PerCpuStatic: return "static per-CPU areas";
    case RootKind::Modules: return "modules";
    case RootKind::Stacks: return "task stacks";
    case RootKind::SingleWords: return "single words";
  }
  bug("no such kind of root");
}

u32 Snapshot::add_shape(u64 stride_bytes, u64 object_bytes, u32 owner, u32 requested_at) {
  VERIFY(stride_bytes != 0 && object_bytes <= stride_bytes && shapes.size() < (1U << 24));
  VERIFY(requested_at == 0 || (requested_at >= object_bytes && u64{requested_at} + 4 <= stride_bytes));
  u64 reciprocal = stride_bytes == 1 ? 0 : ~u64{0} / stride_bytes + 1;
  shapes.push_back({stride_bytes, object_bytes, owner, requested_at, reciprocal});
  return static_cast<u32>(shapes.size() - 1);
}

u32 Snapshot::add_span(Addr start, u32 slots, u32 shape, u8 flags) {
  VERIFY(shape < shapes.size() && slots != 0);
  spans.push_back({start, live.size(), slots, shape & 0xffffff, flags});
  live.resize(live.size() + slots);
  return static_cast<u32>(spans.size() - 1);
}

u32 Snapshot::add_alias(Addr start, u64 size_bytes, Addr target) {
  u32 shape = add_shape(size_bytes, size_bytes, 0);
  spans.push_back({start, target.value, 1, shape & 0xffffff, span_flag::kAlias});
  return static_cast<u32>(spans.size() - 1);
}

}  // namespace orphan
