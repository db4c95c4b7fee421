// SPDX-License-Identifier: Apache-2.0
// How long marking takes for one block, without a kernel: blocks of 64 bytes in an array, all of them reachable.
//
// A *tree* (each block refers to two others) is the easy case: much is pending at a time. A *list* is the hard one: there
// is never more than one block to go on with. Their blocks come in the order of their addresses, or shuffled.
//
// `mark_core` marks a tree of which the contents are read out of an ELF core in memory, as a scan reads /proc/kcore; with two
// threads, one reads ahead.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>

#include "memory/fake_core.h"
#include "memory/kcore.h"
#include "memory/read_ahead.h"
#include "scan/mark.h"

namespace {

using namespace orphan;

constexpr u64 kBlockBytes = 64;
constexpr u32 kBlocksInSlab = 64;
constexpr u64 kMillion = 1 << 20;
constexpr Addr kBase{0xffff'8880'0000'0000};

enum Form : std::int64_t { kTree, kList };
enum Order : std::int64_t { kInOrder, kShuffled };

class ArrayMemory : public Memory {
 public:
  explicit ArrayMemory(u64 words) : words_(words) {}
  u64& word(u64 index) { return words_[index]; }
  Range range() const { return {kBase, words_.size() * sizeof(u64)}; }

  Result<void> read(Addr at, std::span<std::byte> out) const override {
    Bytes from = TRY(view(at, out));
    std::ranges::copy(from, out.begin());
    return {};
  }
  Result<Bytes> view(Addr at, std::span<std::byte> scratch) const override {
    if (!range().contains(Range{at, scratch.size()})) return Error(ErrorCode::NotMapped);
    return std::as_bytes(std::span(words_)).subspan(at - kBase, scratch.size());
  }

 private:
  std::vector<u64> words_;
};

struct Heap {
  Heap(u64 blocks, Form form, Order order) : memory(blocks * kBlockBytes / sizeof(u64)), places(blocks) {
    std::iota(places.begin(), places.end(), u32{0});
    if (order == kShuffled) std::ranges::shuffle(places, std::mt19937_64(1));
    for (u64 i = 0; i < blocks; ++i) {
      if (form == kList)
        refer(i, 0, i + 1);
      else
        refer(i, 0, 2 * i + 1), refer(i, 1, 2 * i + 2);
    }
    u32 shape = snapshot.add_shape(kBlockBytes, kBlockBytes, 0);
    for (u64 first = 0; first < blocks; first += kBlocksInSlab) {
      snapshot.add_span(kBase + first * kBlockBytes, kBlocksInSlab, shape, 0);
    }
    snapshot.live.set_range(0, blocks);
    snapshot.root_words.push_back(address(0));
  }

  u64 address(u64 i) const { return (kBase + places[i] * kBlockBytes).value; }
  void refer(u64 from, u64 nth, u64 to) {
    if (to < places.size()) memory.word(places[from] * kBlockBytes / sizeof(u64) + nth) = address(to);
  }

  ArrayMemory memory;
  std::vector<u32> places;  // of the n-th block
  Snapshot snapshot;
};

void mark_blocks(benchmark::State& state) {
  u64 blocks = static_cast<u64>(state.range(0)) * kMillion;
  Heap heap(blocks, static_cast<Form>(state.range(1)), static_cast<Order>(state.range(2)));
  BlockIndex index(heap.snapshot, heap.memory.range(), {}, std::pmr::get_default_resource());
  for (auto _ : state) {
    auto result = mark(heap.snapshot, index, heap.memory, {});
    if (!result || result->reached.count(0, blocks) != blocks) state.SkipWithError("not all blocks were reached");
  }
  double each = static_cast<double>(blocks) * static_cast<double>(state.iterations());
  state.counters["block"] = benchmark::Counter(each, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

// A core with the heap's memory, and its name while it is open.
struct HeapCore {
  explicit HeapCore(const Heap& heap) : fd(::memfd_create("core", MFD_CLOEXEC)) {
    std::vector<std::byte> scratch(heap.memory.range().size_bytes);
    Bytes contents = *heap.memory.view(kBase, scratch);
    CoreFile core;
    core.add_segment(kBase, 0, std::string(reinterpret_cast<const char*>(contents.data()), contents.size()));
    std::string bytes = core.bytes();
    is_written = ::write(fd.value(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
  }
  std::string path() const { return fmt::format("/proc/self/fd/{}", fd.value()); }

  Fd fd;
  bool is_written = false;
};

void mark_core(benchmark::State& state) {
  u64 blocks = static_cast<u64>(state.range(0)) * kMillion;
  Heap heap(blocks, kTree, static_cast<Order>(state.range(1)));
  HeapCore core(heap);
  auto one = Kcore::open(core.path());
  auto other = Kcore::open(core.path());
  if (!core.is_written || !one || !other) return state.SkipWithError("no core");
  std::unique_ptr<ReadAheadMemory> ahead;
  if (state.range(2) == 2) ahead = ReadAheadMemory::start(*one, *other);
  const Memory& memory = ahead ? static_cast<const Memory&>(*ahead) : *one;
  BlockIndex index(heap.snapshot, heap.memory.range(), {}, std::pmr::get_default_resource());
  for (auto _ : state) {
    auto result = mark(heap.snapshot, index, memory, {});
    if (!result || result->reached.count(0, blocks) != blocks) state.SkipWithError("not all blocks were reached");
  }
  double each = static_cast<double>(blocks) * static_cast<double>(state.iterations());
  state.counters["block"] = benchmark::Counter(each, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(mark_core)
    ->ArgNames({"millions", "shuffled", "threads"})
    ->ArgsProduct({{4}, {kInOrder, kShuffled}, {1, 2}})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

// A shuffled list of 16 million blocks would take minutes.
void cases(benchmark::internal::Benchmark* benchmark) {
  for (std::int64_t millions : {1, 4, 16}) {
    for (std::int64_t form : {kTree, kList}) {
      if (millions == 16 && form == kList) continue;
      for (std::int64_t order : {kInOrder, kShuffled}) benchmark->Args({millions, form, order});
    }
  }
}

BENCHMARK(mark_blocks)->ArgNames({"millions", "list", "shuffled"})->Apply(cases)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
