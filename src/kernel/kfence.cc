// SPDX-License-Identifier: Apache-2.0
#include "kernel/kfence.h"

#include <algorithm>

namespace orphan::kernel {
namespace {

constexpr u64 kMostEntries = 65535;         // CONFIG_KFENCE_NUM_OBJECTS is no larger
constexpr u64 kPair = 2 * kPageBytes;       // an object's page, and one that is not mapped
constexpr u64 kFirstPage = 2 * kPageBytes;  // of an object: there are two that are not mapped before it
constexpr u64 kEntriesAtOnce = 64;

Kfence nothing(bool is_whole) {
  Kfence kfence;
  kfence.is_whole = is_whole;
  return kfence;
}

// How many entries there are is a constant of the kernel's code. Each holds an address in its page from the start on.
class Reader {
 public:
  Reader(const KernelMemory& memory, const KfenceLayout& layout, Addr pool, Addr entries)
      : memory_(memory), layout_(layout), pool_(pool), entries_(entries) {}

  Kfence run() {
    std::vector<std::byte> bytes(kEntriesAtOnce * layout_.entry_bytes);
    bool goes_on = true;
    while (goes_on && result_.count < kMostEntries) goes_on = read_some(bytes);
    if (result_.count == 0) return nothing(result_.is_whole);
    result_.pool = {pool_, (result_.count + 1) * kPair};
    result_.entries = entries_;
    return std::move(result_);
  }

 private:
  bool read_some(std::span<std::byte> bytes) {
    // The array may end short of memory that is not there: then one by one.
    u64 at_once = kEntriesAtOnce;
    Addr at = entries_ + result_.count * layout_.entry_bytes;
    if (!memory_.read(at, bytes)) {
      at_once = 1;
      if (!memory_.read(at, bytes.first(layout_.entry_bytes))) return result_.is_whole = false;
    }
    for (u64 i = 0; i < at_once; ++i) {
      if (!take(Bytes(bytes).subspan(i * layout_.entry_bytes, layout_.entry_bytes))) return false;
    }
    return true;
  }

  bool take(Bytes entry) {
    auto word = [&](u32 offset) { return load_unchecked<u64>(entry.data() + offset); };
    Addr page = pool_ + kFirstPage + result_.count * kPair;
    KfenceObject object{Addr{word(layout_.address)}, word(layout_.size), Addr{word(layout_.cache)}};
    if (object.address - page >= kPageBytes || result_.count == kMostEntries) return false;
    ++result_.count;
    bool is_allocated = load_unchecked<u32>(entry.data() + layout_.state) == layout_.allocated;
    bool fits = object.size_bytes != 0 && object.size_bytes <= kPageBytes - (object.address - page);
    if (is_allocated && fits) result_.objects.push_back(object);
    return true;
  }

  const KernelMemory& memory_;
  const KfenceLayout& layout_;
  Addr pool_, entries_;
  Kfence result_;
};

}  // namespace

const KfenceObject* Kfence::find(Addr address) const {
  auto found = std::ranges::lower_bound(objects, address, {}, &KfenceObject::address);
  return found != objects.end() && found->address == address ? &*found : nullptr;
}

Kfence read_kfence(const KernelMemory& memory, const std::optional<KfenceLayout>& layout, const KfenceSymbols& symbols) {
  if (!layout || !symbols.pool || !symbols.metadata) return {};
  auto pool = read_value<u64>(memory, *symbols.pool);
  auto pointer = read_value<u64>(memory, *symbols.metadata);
  if (!pool || !pointer) return nothing(false);
  if (*pool == 0 || *pool % kPageBytes != 0 || !memory.space().linear_span().contains(Addr{*pool})) return {};
  // A pointer to the array is an address in the linear map. The array itself begins with a list's link, which may be one too: it
  // is told by the address in its first entry.
  if (memory.space().linear_span().contains(Addr{*pointer})) {
    Kfence found = Reader(memory, *layout, Addr{*pool}, Addr{*pointer}).run();
    if (found.count != 0) return found;
  }
  return Reader(memory, *layout, Addr{*pool}, *symbols.metadata).run();
}

std::optional<Addr> kfence_entry(const Kfence& kfence, const KfenceLayout& layout, Addr at) {
  if (!kfence.pool.contains(at)) return std::nullopt;
  u64 offset = at - kfence.pool.start;
  if (offset < kFirstPage || offset % kPair >= kPageBytes) return std::nullopt;
  return kfence.entries + (offset - kFirstPage) / kPair * layout.entry_bytes;
}

}  // namespace orphan::kernel
