// SPDX-License-Identifier: Apache-2.0
// A look at a recording sees what the look that was recorded saw.
#include "kernel/recorded_source.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <random>

#include "kernel/fake_kernel.h"

namespace orphan::kernel {
namespace {

// A machine whose memory is a made-up kernel's, and whose texts are made up as they are asked for.
class FakeSource : public Source {
 public:
  explicit FakeSource(const Memory& memory) : memory_(memory) {}
  const Memory& memory() const override { return memory_; }
  u64 bytes_read() const override { return 0; }
  double seconds_reading() const override { return 0; }
  Result<std::string> text(std::string_view name) override {
    if (name == "/missing") return Error(ErrorCode::NotFound, "/missing: gone");
    return std::string(name) + " at " + std::to_string(++asked_);
  }
  Result<void> begin(std::string_view) override { return {}; }

 private:
  const Memory& memory_;
  int asked_ = 0;
};

// What a look and a mark come to.
struct Seen {
  std::vector<u64> live, reached;  // addresses
  u64 reread_slabs = 0, unstable_slabs = 0, unread_bytes = 0, roots = 0;

  bool operator==(const Seen&) const = default;
};

class RecordedSourceTest : public testing::TestWithParam<FakeVersion> {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/orphan-recorded-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    auto writer = RecordingWriter::create(path());
    ASSERT_TRUE(writer);
    writer_ = std::move(*writer);
    recorder_.emplace(std::make_unique<FakeSource>(kernel_.ram()), *writer_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string path() const { return directory_ + "/recording"; }

  Recording finish() {
    auto done = writer_->finish();
    if (!done) bug(done.error().text().c_str());
    auto recording = Recording::open(path());
    if (!recording) bug(recording.error().text().c_str());
    return std::move(*recording);
  }

  std::optional<Seen> look(const Source& source) {
    CachingMemory cache(source.memory(), 1 << 20);
    KernelMemory memory(cache, kernel_.memory().space());
    Kernel as_made = kernel_.kernel();
    Kernel target{memory,       cache,         as_made.layouts,        as_made.globals,
                  as_made.self, as_made.image, as_made.image_physical, as_made.stack_text};
    auto look = take_look(target, kernel_.owners(), {});
    if (!look) return std::nullopt;
    const Snapshot& snapshot = (*look)->snapshot;
    auto marked = mark(snapshot, *(*look)->index, memory, {});
    VERIFY(bool(marked));
    Seen seen{.live = {},
              .reached = {},
              .reread_slabs = (*look)->slub.reread_slabs,
              .unstable_slabs = (*look)->slub.unstable_slabs,
              .unread_bytes = marked->unread_bytes,
              .roots = snapshot.roots.size()};
    for (const Span& span : snapshot.spans) {
      if (span.has(span_flag::kAlias)) continue;
      snapshot.live.for_each(span.first_slot, span.slots, [&](u64 slot) {
        seen.live.push_back(snapshot.slot_address(span, slot).value);
        if (marked->reached.test(slot)) seen.reached.push_back(seen.live.back());
      });
    }
    return seen;
  }

  FakeKernel kernel_{GetParam()};
  std::string directory_;
  std::unique_ptr<RecordingWriter> writer_;
  std::optional<RecordingSource> recorder_;
};
INSTANTIATE_TEST_SUITE_P(Versions, RecordedSourceTest, testing::ValuesIn(kVersions), version_name);

TEST_P(RecordedSourceTest, EachPassIsReplayedAsItWas) {
  Addr stays = kernel_.kmalloc(64), goes = kernel_.kmalloc(64), area = kernel_.add_area(2).start;
  kernel_.add_root_to(area);
  std::vector<std::optional<Seen>> seen;
  for (const char* pass : {"pass 1", "pass 2", "pass 3"}) {
    ASSERT_TRUE(recorder_->begin(pass));
    seen.push_back(look(*recorder_));
    if (seen.size() == 1) kernel_.free(goes);
    if (seen.size() == 2) kernel_.add_root_to(stays);
  }
  ASSERT_TRUE(seen[0] && seen[1] && seen[2]);
  ASSERT_FALSE(*seen[0] == *seen[1]);
  ASSERT_FALSE(*seen[1] == *seen[2]);
  Recording recording = finish();
  RecordedSource replay(recording);
  // In any order: an epoch needs nothing of those before it.
  for (std::size_t pass : {2U, 0U, 1U}) {
    ASSERT_TRUE(replay.begin("pass " + std::to_string(pass + 1)));
    EXPECT_EQ(look(replay), seen[pass]) << "pass " << pass + 1;
  }
  EXPECT_FALSE(replay.begin("pass 4"));
}

TEST_P(RecordedSourceTest, WhatMovedWhileItWasReadMovesInTheReplayToo) {
  std::mt19937_64 random(5);
  Addr object = kernel_.kmalloc(64);
  FakeSlab slab = kernel_.slab_of(object);
  // The slab is never the same when it is looked at twice; what the tables hold changes, too.
  Addr counts = kernel_.member(kernel_.descriptor(slab.frame), "slab", "inuse"), objects = kernel_.page(slab.frame);
  kernel_.ram().watch({kernel_.descriptor(slab.frame), 64}, [&](u64 n) { kernel_.ram().put(counts, static_cast<u16>(n % 5)); });
  kernel_.ram().watch({objects, kPageBytes}, [&](u64) { kernel_.ram().put(objects + random() % 512 * 8, u64{0}); });
  ASSERT_TRUE(recorder_->begin("pass 1"));
  auto seen = look(*recorder_);
  kernel_.ram().unwatch();
  Recording recording = finish();
  RecordedSource replay(recording);
  ASSERT_TRUE(replay.begin("pass 1"));
  EXPECT_EQ(look(replay), seen);
  EXPECT_EQ(replay.bytes_read(), recorder_->bytes_read());
}

TEST_P(RecordedSourceTest, AReadThatFailedFailsInTheReplayToo) {
  Range root{kernel_.page(kernel_.add_plain_pages()), kPageBytes}, block{kernel_.add_area(1).start, kPageBytes};
  kernel_.add_root_to(block.start);
  block.start = kernel_.memory().space().linear(kernel_.memory().translate(block.start)->physical);
  auto whole = look(*recorder_);
  std::vector<std::optional<Seen>> seen;
  // At every try: a read that failed once is made good by reading page by page.
  std::vector<Range> gone{root, block};
  for (std::size_t i = 0; i < gone.size(); ++i) {
    ASSERT_TRUE(recorder_->begin("pass " + std::to_string(i)));
    kernel_.ram().watch(gone[i], [&](u64) { kernel_.ram().fail_read(1); });
    seen.push_back(look(*recorder_));
    kernel_.ram().unwatch();
    kernel_.ram().fail_read(0);
  }
  Recording recording = finish();
  RecordedSource replay(recording);
  EXPECT_EQ(look(replay), whole);
  for (std::size_t i = 0; i < gone.size(); ++i) {
    ASSERT_TRUE(replay.begin("pass " + std::to_string(i)));
    EXPECT_EQ(look(replay), seen[i]) << i;
    EXPECT_FALSE(seen[i] == whole) << i;
  }
}

TEST_P(RecordedSourceTest, TextsAreThoseOfTheirPass_ErrorsToo) {
  auto first = recorder_->text("/proc/slabinfo");
  ASSERT_TRUE(recorder_->begin("pass 1"));
  auto second = recorder_->text("/proc/slabinfo");
  ASSERT_FALSE(recorder_->text("/missing"));
  ASSERT_TRUE(first && second && *first != *second);
  Recording recording = finish();
  RecordedSource replay(recording);
  EXPECT_EQ(*replay.text("/proc/slabinfo"), *first);
  ASSERT_TRUE(replay.begin("pass 1"));
  EXPECT_EQ(*replay.text("/proc/slabinfo"), *second);
  auto missing = replay.text("/missing");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().text(), "/missing: gone");
}

}  // namespace
}  // namespace orphan::kernel
