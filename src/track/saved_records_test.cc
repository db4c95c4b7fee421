// SPDX-License-Identifier: Apache-2.0
#include "track/saved_records.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/fd.h"

namespace orphan::track {
namespace {

constexpr Addr kBlock{0xffff'8880'0123'4000};
constexpr u64 kModule = 0xffff'ffff'c000'0000;

class SavedRecordsTest : public testing::Test {
 protected:
  SavedRecordsTest() {
    orphan_record& record = buckets_[orphan_bucket_of(kBlock.value, 15)].places[2];
    record.key = ~kBlock.value;
    record.kind = ORPHAN_KMALLOC;
    record.size = 40;
    record.pid = 12;
    record.stack = 6;
    std::memcpy(record.comm, "insmod", 6);
    stacks_[5].count = 2;
    stacks_[5].frames[0] = kModule + 0x44;
    stacks_[5].frames[1] = 0xffff'ffff'8100'0000;
    stacks_[5].hash = orphan_hash_frames(stacks_[5].frames, 2);
    record.stack_check = static_cast<u32>(stacks_[5].hash);
    Elf64_Sym symbol{};
    symbol.st_name = 1;
    symbol.st_value = kModule + 0x40;
    symbol.st_shndx = 1;
    Bytes symtab = std::as_bytes(std::span(&symbol, 1)), strtab = std::as_bytes(std::span("\0leak_one", 10));
    modules_.push_back({.name = "leaky",
                        .memory = {{Addr{kModule}, 0x1000}},
                        .symtab = {symtab.begin(), symtab.end()},
                        .strtab = {strtab.begin(), strtab.end()}});
  }
  ~SavedRecordsTest() override { std::filesystem::remove(path_); }

  std::string saved() {
    auto written = SavedRecords::write(path_, facts_, table_, modules_, {{"leaky", "abcd"}});
    EXPECT_TRUE(written) << written.error().text();
    auto text = read_file(path_);
    return text ? *text : std::string();
  }
  static Result<std::unique_ptr<SavedRecords>> parse(std::string_view text) {
    return SavedRecords::parse(std::as_bytes(std::span(text)), "notes");
  }

  std::string path_ = testing::TempDir() + "/saved_records." + std::to_string(::getpid());
  std::vector<orphan_bucket> buckets_ = std::vector<orphan_bucket>(16);
  std::vector<orphan_stack> stacks_ = std::vector<orphan_stack>(8);
  RecordTable table_{buckets_, stacks_};
  std::vector<kernel::Symbols::ModuleTable> modules_;
  SavedFacts facts_{.boot_id = "0-1-2", .release = "6.1.0", .ended_unix_s = 1'700'000'000, .events = 77, .replaced = 3};
  kernel::Owner kmalloc_{BlockKind::Slab, "kmalloc-64", Addr{}, false, Addr{0xffff'8880'0000'1000}};
};

TEST_F(SavedRecordsTest, WhatWasSavedIsRead) {
  auto saved = parse(this->saved());
  ASSERT_TRUE(saved) << saved.error().text();
  const SavedFacts& facts = (*saved)->facts();
  EXPECT_EQ(facts.boot_id, "0-1-2");
  EXPECT_EQ(facts.release, "6.1.0");
  EXPECT_EQ(facts.ended_unix_s, 1'700'000'000);
  EXPECT_EQ(facts.events, 77U);
  EXPECT_EQ(facts.replaced, 3U);
  auto record = (*saved)->table().of(kmalloc_, kBlock, 64);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->comm, "insmod");
  EXPECT_EQ(record->pid, 12U);
  EXPECT_EQ(record->stack, (std::vector<Addr>{Addr{kModule + 0x44}, Addr{0xffff'ffff'8100'0000}}));
  EXPECT_EQ((*saved)->build_ids(), (kernel::BuildIds{{"leaky", "abcd"}}));
  auto symbols =
      kernel::Symbols::from_text("ffffffff81000000 T _text\nffffffff81000000 T _stext\nffffffff82000000 T _end\n", "text");
  ASSERT_TRUE(symbols) << symbols.error().text();
  (*saved)->add_symbols(*symbols);
  auto symbol = symbols->lookup(Addr{kModule + 0x44});
  ASSERT_TRUE(symbol);
  EXPECT_EQ(symbol->name, "leak_one");
  EXPECT_EQ(symbol->module, "leaky");
}

TEST_F(SavedRecordsTest, AFileThatIsCutOffAnywhereIsAnErrorWithItsName) {
  std::string whole = saved();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    auto cut = parse(std::string_view(whole).substr(0, size));
    ASSERT_FALSE(cut) << size;
    EXPECT_EQ(cut.error().code(), ErrorCode::BadData);
    EXPECT_TRUE(cut.error().text().starts_with("notes: ")) << cut.error().text();
  }
}

TEST_F(SavedRecordsTest, AByteThatWasChangedAnywhereIsSeen) {
  std::string whole = saved();
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    auto read = parse(damaged);
    // What zstd ignores (a bit of its header that is not used) changes nothing.
    EXPECT_TRUE(!read || (*read)->table().of(kmalloc_, kBlock, 64)) << at;
  }
}

TEST_F(SavedRecordsTest, AFileThatIsNotThereOrCannotBeWrittenIsAnError) {
  EXPECT_FALSE(SavedRecords::read("/no/such/file"));
  EXPECT_FALSE(SavedRecords::write("/no/such/folder/file", facts_, table_, modules_, {}));
}

}  // namespace
}  // namespace orphan::track
