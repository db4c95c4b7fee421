// SPDX-License-Identifier: Apache-2.0
#include "kernel/block_contents.h"

#include <algorithm>

#include "kernel/address_space.h"

namespace orphan::kernel {

Bytes BlockContents::of(Addr at, u64 size_bytes) {
  if (Range{start_, bytes_.size()}.contains(Range{at, size_bytes})) return Bytes(bytes_).subspan(at - start_, size_bytes);
  start_ = at;
  bytes_.resize(std::max(size_bytes, kPageBytes - at.value % kPageBytes));
  if (memory_.read(at, bytes_)) return Bytes(bytes_).first(size_bytes);
  bytes_.resize(size_bytes);
  if (!memory_.read(at, bytes_)) bytes_.clear();
  return bytes_;
}

}  // namespace orphan::kernel
