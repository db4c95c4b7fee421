// SPDX-License-Identifier: Apache-2.0
#include "memory/kcore.h"

#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "memory/fake_core.h"

namespace orphan {
namespace {

constexpr Addr kRam{0xffff'8880'0000'0000};
constexpr Addr kText{0xffff'ffff'8100'0000};
constexpr u64 kPage = 4096;

class KcoreTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "orphan-kcore-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string write(const std::string& bytes) {
    std::string path = directory_ / "kcore";
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  // Two adjacent segments in RAM, the text, and a note among others.
  static CoreFile ordinary() {
    CoreFile core;
    core.add_note("CORE", NT_PRSTATUS, std::string(333, 'p'));
    core.add_note("VMCOREINFO", 0, "OSRELEASE=6.1.0\nPAGESIZE=4096\n");
    core.add_segment(kText, 0x100'0000, std::string(kPage, 't'));
    core.add_segment(kRam + kPage, 0x2000, std::string(kPage, 'b'));
    core.add_segment(kRam, 0x1000, std::string(kPage, 'a'));
    return core;
  }
  // The text that is read, or the word for the error.
  static std::string text_at(const Kcore& core, Addr at, std::size_t size) {
    std::string text(size, '?');
    auto done = core.read(at, std::as_writable_bytes(std::span(text)));
    if (done) return text;
    return done.error().code() == ErrorCode::NotMapped ? "not mapped" : "other error";
  }

  std::filesystem::path directory_;
};

TEST_F(KcoreTest, SegmentsAreTold_InTheOrderOfTheirAddresses) {
  auto core = Kcore::open(write(ordinary().bytes()));
  ASSERT_TRUE(core) << core.error().text();
  ASSERT_EQ(core->segments().size(), 3U);
  EXPECT_EQ(core->segments()[0].vaddr, kRam);
  EXPECT_EQ(core->segments()[0].physical, 0x1000U);
  EXPECT_EQ(core->segments()[0].size, kPage);
  EXPECT_EQ(core->segments()[1].vaddr, kRam + kPage);
  EXPECT_EQ(core->segments()[2].vaddr, kText);
}

TEST_F(KcoreTest, TheVmcoreinfoNoteIsFoundBehindOthers) {
  auto core = Kcore::open(write(ordinary().bytes()));
  ASSERT_TRUE(core) << core.error().text();
  EXPECT_EQ(core->vmcoreinfo(), "OSRELEASE=6.1.0\nPAGESIZE=4096\n");
}

TEST_F(KcoreTest, WithoutTheNoteTheTextIsEmpty) {
  CoreFile file;
  file.add_note("CORE", NT_PRSTATUS, "VMCOREINFO");
  file.add_segment(kRam, 0, "x");
  auto core = Kcore::open(write(file.bytes()));
  ASSERT_TRUE(core) << core.error().text();
  EXPECT_EQ(core->vmcoreinfo(), "");
}

TEST_F(KcoreTest, ReadsWithinAndAcrossAdjacentSegments) {
  auto core = Kcore::open(write(ordinary().bytes()));
  ASSERT_TRUE(core) << core.error().text();
  EXPECT_EQ(text_at(*core, kRam, 3), "aaa");
  EXPECT_EQ(text_at(*core, kRam + kPage - 2, 4), "aabb");
  EXPECT_EQ(text_at(*core, kText + kPage - 1, 1), "t");
  EXPECT_EQ(text_at(*core, kRam, 2 * kPage), std::string(kPage, 'a') + std::string(kPage, 'b'));
  EXPECT_EQ(core->bytes_read(), 3 + 4 + 1 + 2 * kPage);
  EXPECT_EQ(core->calls(), 1U + 2 + 1 + 2);
}

TEST_F(KcoreTest, AnAddressInNoSegmentIsNotMapped_NorIsOneByteBeyond) {
  auto core = Kcore::open(write(ordinary().bytes()));
  ASSERT_TRUE(core) << core.error().text();
  EXPECT_EQ(text_at(*core, kRam - 1, 1), "not mapped");
  EXPECT_EQ(text_at(*core, kRam + 2 * kPage, 1), "not mapped");
  EXPECT_EQ(text_at(*core, kRam + 2 * kPage - 1, 2), "not mapped");
  EXPECT_EQ(text_at(*core, Addr{0}, 1), "not mapped");
  EXPECT_EQ(text_at(*core, Addr{~u64{0}}, 2), "not mapped");
  EXPECT_EQ(text_at(*core, Addr{0}, 0), "");
}

TEST_F(KcoreTest, ABigReadIsMoreThanOneCall) {
  constexpr u64 kSize = (5 << 19) + 1;
  std::string contents(kSize, 'x');
  for (u64 i = 0; i < kSize; i += 1000) contents[i] = static_cast<char>('a' + i / 1000 % 26);
  CoreFile file;
  file.add_segment(kRam, 0, contents);
  auto core = Kcore::open(write(file.bytes()));
  ASSERT_TRUE(core) << core.error().text();
  EXPECT_EQ(text_at(*core, kRam, kSize), contents);
  EXPECT_EQ(core->calls(), 3U);
}

TEST_F(KcoreTest, ASegmentInsideAnotherOneDoesNotHideItsEnd) {
  CoreFile file;
  file.add_segment(kRam, 0, std::string(4 * kPage, 'a'));
  file.add_segment(kRam + kPage, 0, std::string(kPage, 'b'));
  auto core = Kcore::open(write(file.bytes()));
  ASSERT_TRUE(core) << core.error().text();
  EXPECT_EQ(text_at(*core, kRam + 3 * kPage, 2), "aa");
}

TEST_F(KcoreTest, AReopenedOneReadsTheSameFileByADescriptorOfItsOwn) {
  std::string path = write(ordinary().bytes());
  auto core = Kcore::open(path);
  ASSERT_TRUE(core) << core.error().text();
  std::filesystem::remove(path);
  auto second = core->reopen();
  ASSERT_TRUE(second) << second.error().text();
  EXPECT_NE(second->descriptor(), core->descriptor());
  EXPECT_EQ(text_at(*second, kText, 2), "tt");
  EXPECT_EQ(second->segments().size(), 3U);
  EXPECT_EQ(core->calls(), 0U);
}

TEST_F(KcoreTest, ItsTableIsReadAgainFromTheSameFile) {
  CoreFile file = ordinary();
  std::string path = write(file.bytes());
  auto core = Kcore::open(path);
  ASSERT_TRUE(core) << core.error().text();
  auto same = core->with_todays_table();
  ASSERT_TRUE(same) << same.error().text();
  EXPECT_TRUE(std::ranges::equal(same->segments(), core->segments()));
  file.add_segment(kRam + 8 * kPage, 0x9000, std::string(kPage, 'n'));
  write(file.bytes());
  auto later = core->with_todays_table();
  ASSERT_TRUE(later) << later.error().text();
  EXPECT_EQ(later->segments().size(), 4U);
  EXPECT_EQ(text_at(*later, kRam + 8 * kPage, 2), "nn");
  EXPECT_EQ(text_at(*core, kRam + 8 * kPage, 2), "not mapped");
  write("");
  EXPECT_FALSE(core->with_todays_table());
}

TEST_F(KcoreTest, ASegmentWhoseFileOffsetCannotBeReadIsToldAndNotMapped) {
  // Where the vmalloc area lies below the direct map, /proc/kcore gives it a negative offset.
  std::string bytes = ordinary().bytes();
  bytes[sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, p_offset) + 7] = '\xff';
  auto core = Kcore::open(write(bytes));
  ASSERT_TRUE(core) << core.error().text();
  EXPECT_EQ(core->segments().size(), 3U);
  EXPECT_EQ(text_at(*core, kText, 1), "not mapped");
  EXPECT_EQ(text_at(*core, kRam, 1), "a");
}

TEST_F(KcoreTest, AFileThatIsShorterThanItsHeadersSayIsNotMappedWhereItEnds) {
  std::string bytes = ordinary().bytes();
  auto core = Kcore::open(write(bytes.substr(0, bytes.size() - 1)));
  ASSERT_TRUE(core) << core.error().text();
  EXPECT_EQ(text_at(*core, kRam, kPage - 1), std::string(kPage - 1, 'a'));
  EXPECT_EQ(text_at(*core, kRam, kPage), "not mapped");
}

TEST_F(KcoreTest, EveryLengthOfATruncatedFileIsReadOrRefused) {
  std::string bytes = ordinary().bytes();
  for (std::size_t size = 0; size < bytes.size(); size += size < 700 ? 1 : 97) {
    auto core = Kcore::open(write(bytes.substr(0, size)));
    bool has_headers = size >= sizeof(Elf64_Ehdr) + 4 * sizeof(Elf64_Phdr);
    EXPECT_EQ(static_cast<bool>(core), has_headers) << size;
    if (!core) {
      EXPECT_NE(core.error().text().find("kcore"), std::string::npos) << size;
    }
  }
}

TEST_F(KcoreTest, OtherFilesAreRefusedWithTheReason) {
  std::string good = ordinary().bytes();
  auto refused = [&](std::size_t at, char value) {
    std::string bytes = good;
    bytes[at] = value;
    auto core = Kcore::open(write(bytes));
    return core ? Error(ErrorCode::Usage, "opened") : core.error();
  };
  EXPECT_EQ(refused(0, 'X').code(), ErrorCode::Unsupported);
  EXPECT_EQ(refused(EI_CLASS, ELFCLASS32).code(), ErrorCode::Unsupported);
  EXPECT_EQ(refused(EI_DATA, ELFDATA2MSB).code(), ErrorCode::Unsupported);
  EXPECT_EQ(refused(offsetof(Elf64_Ehdr, e_type), ET_DYN).code(), ErrorCode::Unsupported);
  EXPECT_EQ(refused(offsetof(Elf64_Ehdr, e_phentsize), 55).code(), ErrorCode::BadData);
  EXPECT_EQ(refused(offsetof(Elf64_Ehdr, e_phnum), 0).code(), ErrorCode::BadData);
  EXPECT_EQ(refused(offsetof(Elf64_Ehdr, e_phoff) + 7, '\x7f').code(), ErrorCode::BadData);
  EXPECT_EQ(refused(offsetof(Elf64_Ehdr, e_phoff) + 7, '\xff').code(), ErrorCode::BadData);
  // The size of the notes.
  EXPECT_EQ(refused(sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, p_filesz) + 6, 1).code(), ErrorCode::BadData);
}

TEST_F(KcoreTest, AnEmptyFileIsWhatAContainerShows) {
  auto core = Kcore::open("/dev/null");
  ASSERT_FALSE(core);
  EXPECT_EQ(core.error().code(), ErrorCode::Permission);
  EXPECT_NE(core.error().text().find("container"), std::string::npos);
}

TEST_F(KcoreTest, AMissingFileNamesTheKernelsSwitch) {
  auto core = Kcore::open(directory_ / "nothing");
  ASSERT_FALSE(core);
  EXPECT_EQ(core.error().code(), ErrorCode::NotFound);
  EXPECT_NE(core.error().text().find("CONFIG_PROC_KCORE"), std::string::npos);
}

TEST(KcoreError, RefusalNamesLockdownWhereItIsTheReason_AndRightsWhereItIsNot) {
  Error locked = explain_kcore_error("/proc/kcore", EPERM, "none integrity [confidentiality]\n");
  EXPECT_EQ(locked.code(), ErrorCode::Permission);
  EXPECT_NE(locked.text().find("lockdown=confidentiality"), std::string::npos);
  // Without securityfs nobody says which of the two it was.
  Error either = explain_kcore_error("/proc/kcore", EPERM, "");
  EXPECT_NE(either.text().find("lockdown=confidentiality"), std::string::npos);
  EXPECT_NE(either.text().find("CAP_SYS_RAWIO"), std::string::npos);
  for (std::string_view lockdown : {"[none] integrity confidentiality\n", "none [integrity] confidentiality\n"}) {
    Error rights = explain_kcore_error("/proc/kcore", EPERM, lockdown);
    EXPECT_EQ(rights.code(), ErrorCode::Permission);
    EXPECT_NE(rights.text().find("CAP_SYS_RAWIO"), std::string::npos);
    EXPECT_EQ(rights.text().find("lockdown"), std::string::npos);
  }
  EXPECT_NE(explain_kcore_error("/proc/kcore", EACCES, "").text().find("run as root"), std::string::npos);
  EXPECT_EQ(explain_kcore_error("/proc/kcore", EMFILE, "").code(), ErrorCode::Io);
}

TEST(ElfCore, ASegmentMayEndTheAddressSpaceButNotWrapAround) {
  Elf64_Phdr header{};
  header.p_type = PT_LOAD;
  header.p_vaddr = ~u64{0} - 0xfff;
  header.p_filesz = 0x1000;
  EXPECT_TRUE(parse_program_headers(std::as_bytes(std::span(&header, 1))));
  header.p_filesz = 0x1001;
  EXPECT_FALSE(parse_program_headers(std::as_bytes(std::span(&header, 1))));
}

TEST(ElfCore, ASegmentWithoutBytesInTheFileIsLeftOut) {
  Elf64_Phdr header{};
  header.p_type = PT_LOAD;
  header.p_memsz = 0x1000;
  auto table = parse_program_headers(std::as_bytes(std::span(&header, 1)));
  ASSERT_TRUE(table);
  EXPECT_TRUE(table->segments.empty());
}

TEST(ElfCore, ANoteWithAnAbsurdSizeEndsTheSearch) {
  Elf64_Nhdr notes[2] = {{0xffff'ffff, 0xffff'ffff, 0}, {}};
  EXPECT_EQ(find_vmcoreinfo_note(std::as_bytes(std::span(notes))), "");
  notes[0] = {4, 0xffff'fff0, 0};
  EXPECT_EQ(find_vmcoreinfo_note(std::as_bytes(std::span(notes))), "");
}

}  // namespace
}  // namespace orphan
