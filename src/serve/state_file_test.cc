// SPDX-License-Identifier: Apache-2.0
#include "serve/state_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <iostream>

#include "base/bytes.h"

namespace orphan::serve {
namespace {

const std::string kBoot = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";

SavedObject object(u64 address, u32 checksum = 1) {
  return {.space = 0,
          .address = address,
          .size_bytes = 128,
          .order = address,
          .kind = "slab",
          .cache = "kmalloc-128",
          .checksum = checksum,
          .first_seen_unix_s = 1'700'000'000,
          .reported_unix_s = 1'700'000'005};
}

std::vector<SavedObject> objects(u64 count, u32 checksum = 1) {
  std::vector<SavedObject> all;
  for (u64 i = 0; i < count; ++i) all.push_back(object(0xffff888000000000 + i * 128, checksum));
  return all;
}

// What a child of the test says goes to stderr.
template <typename T>
bool fails_with(const Result<T>& result, std::string_view text) {
  if (!result && result.error().text() == text) return true;
  std::cerr << (result ? std::string("it succeeded") : result.error().text()) << "; expected was: " << text << "\n";
  return false;
}

template <typename T>
bool succeeds(const Result<T>& result) {
  if (!result) std::cerr << result.error().text() << "\n";
  return static_cast<bool>(result);
}

class StateFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/orphan-state-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    parent_ = pattern;
    directory_ = parent_ + "/state";
  }
  void TearDown() override { std::filesystem::remove_all(parent_); }

  Result<StateFile> open(std::string_view boot_id = kBoot) {
    return StateFile::open(directory_, boot_id, [this](const std::string& text) { notices_.push_back(text); });
  }
  // One that must open.
  StateFile opened(std::string_view boot_id = kBoot) {
    auto file = open(boot_id);
    if (!file) ADD_FAILURE() << file.error().text();
    return std::move(file).take();
  }
  std::string path() const { return directory_ + "/state.db"; }
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) names.push_back(entry.path().filename());
    std::ranges::sort(names);
    return names;
  }
  static void write_whole(const std::string& path, std::string_view text) {
    Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    ASSERT_EQ(::write(fd.value(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  std::string parent_, directory_;
  std::vector<std::string> notices_;
};

// The status of a child that does `work`; 0: it returned true.
template <typename Work>
int in_child(Work work) {
  pid_t child = ::fork();
  if (child == 0) ::_exit(work() ? 0 : 1);
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child) return -1;
  return status;
}

TEST_F(StateFileTest, WhatWasSavedIsThereWhenItIsOpenedAgain_InTheOrderThatWasGiven) {
  SavedObject full{.space = 2,
                   .address = 0xffffffffffffffff,
                   .size_bytes = 0x8000000000000000,
                   .order = 1,
                   .kind = "per-CPU",
                   .cache = "name with 'quotes' and \xc3\xa4",
                   .checksum = 0xffffffff,
                   .born = 0xfedcba9876543210,
                   .first_seen_unix_s = -1,
                   .reported_unix_s = 1'700'000'000,
                   .is_cleared = true,
                   .pid = 4'000'000,
                   .comm = std::string("a\0b", 3),
                   .stack = {0xffffffff81000000, 0, 1}};
  SavedObject plain = object(0x1000);
  plain.order = 0;
  SavedSettings settings{.is_off = true, .has_automatic_scans = false, .scans_stacks = false, .period_s = 0.5, .min_age_s = 7};
  {
    StateFile file = opened();
    EXPECT_TRUE(file.objects().empty());
    EXPECT_FALSE(file.settings());
    ASSERT_TRUE(file.save(std::vector{full, plain}, settings));
  }
  StateFile file = opened();
  EXPECT_TRUE(file.objects() == (std::vector{plain, full}));
  EXPECT_EQ(file.settings(), settings);
  EXPECT_TRUE(notices_.empty());
}

TEST_F(StateFileTest, ASaveAddsChangesAndTakesAway) {
  SavedSettings settings;
  {
    StateFile file = opened();
    ASSERT_TRUE(file.save(std::vector{object(0x1000), object(0xffff000000000000), object(0x3000)}, settings));
    SavedObject changed = object(0x3000);
    changed.is_cleared = true;
    ASSERT_TRUE(file.save(std::vector{object(0x2000), changed, object(0xffff000000000080)}, settings));
  }
  {
    StateFile file = opened();
    SavedObject changed = object(0x3000);
    changed.is_cleared = true;
    EXPECT_TRUE(file.objects() == (std::vector{object(0x2000), changed, object(0xffff000000000080)}));
    ASSERT_TRUE(file.save({}, settings));
  }
  EXPECT_TRUE(opened().objects().empty());
}

TEST_F(StateFileTest, ASaveOfWhatIsThereWritesNothing_OneOfSomethingElseDoes) {
  StateFile file = opened();
  ASSERT_TRUE(file.save(objects(3), {}));
  auto size = [&] { return std::filesystem::file_size(path() + "-wal"); };
  auto before = size();
  ASSERT_TRUE(file.save(objects(3), {}));
  EXPECT_EQ(size(), before);
  ASSERT_TRUE(file.save(objects(3, 2), {}));
  EXPECT_GT(size(), before);
}

TEST_F(StateFileTest, DirectoryAndFilesAreForTheirOwnerAlone) {
  mode_t before = ::umask(0);
  StateFile file = opened();
  EXPECT_TRUE(file.save(objects(1), {}));
  ::umask(before);
  auto mode = [](const std::string& path) {
    struct stat status{};
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
    return status.st_mode & 07777;
  };
  EXPECT_EQ(mode(directory_), 0700U);
  for (const char* name : {"/lock", "/state.db", "/state.db-wal"}) EXPECT_EQ(mode(directory_ + name), 0600U) << name;
}

TEST_F(StateFileTest, DirectoriesAboveAreMadeToo) {
  directory_ = parent_ + "/a/b/state";
  ASSERT_TRUE(opened().save(objects(1), {}));
  EXPECT_TRUE(opened().objects() == objects(1));
}

TEST_F(StateFileTest, ASecondDaemonIsRefusedAndToldWhoIsThere_OnceThatHasGoneItIsNot) {
  {
    StateFile first = opened();
    auto second = open();
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().text(), "the directory " + directory_ + " is in use by another daemon, process " +
                                         std::to_string(::getpid()) +
                                         "; stop that one, or give this one a directory of its own with --state DIR");
    EXPECT_EQ(in_child([&] { return !open(); }), 0) << "another process was let in";
    ASSERT_TRUE(first.save(objects(2), {}));
  }
  EXPECT_TRUE(opened().objects() == objects(2));
}

TEST_F(StateFileTest, AfterAnotherBootObjectsAndSettingsAreForgotten) {
  SavedSettings settings{.period_s = 60};
  ASSERT_TRUE(opened().save(objects(3), settings));
  {
    StateFile file = opened("another");
    EXPECT_TRUE(file.objects().empty());
    EXPECT_FALSE(file.settings());
    ASSERT_EQ(notices_.size(), 1U);
    EXPECT_EQ(notices_[0], "the machine was booted since: 3 objects that " + path() + " tells of are forgotten");
    ASSERT_TRUE(file.save(objects(1, 9), settings));
  }
  EXPECT_EQ(opened("another").objects(), objects(1, 9));
  EXPECT_EQ(notices_.size(), 1U);
}

TEST_F(StateFileTest, UntilTheFirstSaveTheFileIsOfTheEarlierBoot) {
  ASSERT_TRUE(opened().save(objects(3), {}));
  EXPECT_TRUE(opened("another").objects().empty());
  EXPECT_TRUE(opened().objects() == objects(3));
}

// What is no state of ours is kept under another name.
class UnusableStateFileTest : public StateFileTest {
 protected:
  // With `bytes` in it, where it may not have been written to.
  void expect_moved_aside(std::optional<std::string> bytes) {
    StateFile file = opened();
    EXPECT_TRUE(file.objects().empty());
    EXPECT_FALSE(file.settings());
    ASSERT_EQ(notices_.size(), 1U);
    std::string aside;
    for (const std::string& name : names()) {
      if (name.starts_with("state.db.damaged-") && !name.ends_with("-wal")) aside = name;
    }
    EXPECT_NE(notices_[0].find(path() + " cannot be used ("), std::string::npos) << notices_[0];
    EXPECT_NE(notices_[0].find(aside), std::string::npos) << notices_[0];
    EXPECT_TRUE(!bytes || *read_file(directory_ + "/" + aside) == *bytes);
    ASSERT_TRUE(file.save(objects(1), {}));
  }
};

TEST_F(UnusableStateFileTest, AFileThatIsNoDatabaseIsMovedAside) {
  ASSERT_EQ(::mkdir(directory_.c_str(), 0700), 0);
  std::string text(5000, 'x');
  write_whole(path(), text);
  expect_moved_aside(text);
  EXPECT_TRUE(opened().objects() == objects(1));
}

TEST_F(UnusableStateFileTest, AFileWithAPageOfRubbishIsMovedAside_WithoutItIsRead) {
  ASSERT_TRUE(opened().save(objects(500), {}));
  EXPECT_TRUE(opened().objects() == objects(500));
  std::string bytes = *read_file(path());
  ASSERT_GT(bytes.size(), 5 * 4096U);
  std::fill(bytes.end() - 3 * 4096, bytes.end() - 2 * 4096, '\xee');
  write_whole(path(), bytes);
  expect_moved_aside(bytes);
}

TEST_F(UnusableStateFileTest, ADatabaseOfAnotherProgramIsMovedAsideAsItWas) {
  ASSERT_EQ(::mkdir(directory_.c_str(), 0700), 0);
  write_whole(path(), "");
  {
    auto database = Database::open(path());
    ASSERT_TRUE(database && database->run("CREATE TABLE objects (x); INSERT INTO objects VALUES (1)"));
  }
  expect_moved_aside(*read_file(path()));
}

TEST_F(UnusableStateFileTest, ATableThatIsNotThereIsDamage) {
  ASSERT_TRUE(opened().save(objects(1), {}));
  ASSERT_TRUE(Database::open(path())->run("PRAGMA journal_mode = DELETE; DROP TABLE objects"));
  expect_moved_aside(std::nullopt);
}

TEST_F(UnusableStateFileTest, ANumberThatIsOutOfRangeIsDamage) {
  ASSERT_TRUE(opened().save(objects(1), {}));
  ASSERT_TRUE(Database::open(path())->run("PRAGMA journal_mode = DELETE; UPDATE objects SET checksum = -1"));
  expect_moved_aside(std::nullopt);
}

TEST_F(StateFileTest, AnEmptyFileIsANewOne) {
  ASSERT_EQ(::mkdir(directory_.c_str(), 0700), 0);
  write_whole(path(), "");
  ASSERT_TRUE(opened().save(objects(1), {}));
  EXPECT_TRUE(notices_.empty());
}

TEST_F(StateFileTest, AFileOfANewerVersionIsLeftAlone) {
  ASSERT_TRUE(opened().save(objects(1), {}));
  ASSERT_TRUE(Database::open(path())->run("PRAGMA user_version = 2"));
  auto file = open();
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code(), ErrorCode::Unsupported);
  EXPECT_EQ(file.error().text(), "cannot open the daemon's state in " + path() +
                                     ": it was written by a newer orphan (schema 2, this one knows 1); use that, or another "
                                     "directory with --state");
  ASSERT_TRUE(Database::open(path())->run("PRAGMA user_version = 1"));
  EXPECT_TRUE(opened().objects() == objects(1));
}

TEST_F(StateFileTest, WhereNothingCanBeMadeTheErrorNamesIt) {
  write_whole(parent_ + "/file", "");
  directory_ = parent_ + "/file/state";
  auto file = open();
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().text(), "cannot make the directory " + directory_ + ": Not a directory; something else has its name");
  directory_ = parent_ + "/other";
  ASSERT_EQ(::mkdir(directory_.c_str(), 0700), 0);
  ASSERT_EQ(::mkdir(path().c_str(), 0700), 0);
  auto other = open();
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().text(),
            "cannot open the daemon's state in " + path() + ": Is a directory; something else has its name");
}

TEST_F(StateFileTest, AFileThatSomebodyRemovedIsBegunAnewWithEverything) {
  StateFile file = opened();
  ASSERT_TRUE(file.save(objects(3), {}));
  std::filesystem::remove_all(directory_);
  ASSERT_TRUE(file.save(objects(3), {}));
  EXPECT_EQ(in_child([&] { return !open(); }), 0) << "its lock is not held";
  StateFile moved = std::move(file);
  ASSERT_TRUE(moved.save(objects(4), {}));
  EXPECT_EQ(names(), (std::vector<std::string>{"lock", "state.db", "state.db-wal"}));
}

TEST_F(StateFileTest, AFailedSaveLeavesTheOldState_TheNextOneWritesAll) {
  int status = in_child([&] {
    auto file = open();
    if (!succeeds(file) || !succeeds(file->save(objects(50), {}))) return false;
    ::signal(SIGXFSZ, SIG_IGN);
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    rlimit small{std::filesystem::file_size(path() + "-wal") + 8000, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
    auto saved = file->save(objects(5000, 2), {.period_s = 1});
    if (!fails_with(
            saved, "cannot save the daemon's state in " + path() + ": File too large; raise the limit of file sizes (ulimit -f)"))
      return false;
    // A child of the child sees what is there for who comes after us: it has no lock, so it looks at a copy.
    std::filesystem::copy(directory_, parent_ + "/copy", std::filesystem::copy_options::recursive);
    ::setrlimit(RLIMIT_FSIZE, &before);
    return succeeds(file->save(objects(6000, 3), {.period_s = 2}));
  });
  EXPECT_EQ(status, 0);
  StateFile file = opened();
  EXPECT_TRUE(file.objects() == objects(6000, 3));
  EXPECT_EQ(file.settings()->period_s, 2);
  directory_ = parent_ + "/copy";
  StateFile copy = opened();
  EXPECT_TRUE(copy.objects() == objects(50));
  EXPECT_EQ(copy.settings(), SavedSettings());
}

// Runs `work` in a child that has a file system of its own, of so many kilobytes, at `directory`.
template <typename Work>
int on_small_disk(const std::string& directory, int kilobytes, Work work) {
  return in_child([&] {
    ::mkdir(directory.c_str(), 0700);
    std::string size = "size=" + std::to_string(kilobytes) + "k";
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", directory.c_str(), "tmpfs", 0, size.c_str()) != 0)
      ::_exit(77);
    return work();
  });
}

constexpr int kCannotMount = 77 << 8;  // as a status of waitpid(2)

TEST_F(StateFileTest, OnAFullDiskTheOldStateStays_WithRoomAgainAllIsWritten) {
  int status = on_small_disk(directory_, 256, [&] {
    {
      auto file = open();
      if (!succeeds(file) || !succeeds(file->save(objects(50), {}))) return false;
      auto saved = file->save(objects(20'000, 2), {});
      if (!fails_with(saved, "cannot save the daemon's state in " + path() + ": No space left on device; make room there"))
        return false;
      saved = file->save(objects(20'000, 2), {});
      if (saved) return false;
      if (!succeeds(file->save(objects(60, 3), {}))) return false;
    }
    auto again = open();
    return succeeds(again) && again->objects() == objects(60, 3) && notices_.empty();
  });
  if (status == kCannotMount) GTEST_SKIP() << "a file system can only be mounted by root";
  EXPECT_EQ(status, 0);
}

TEST_F(StateFileTest, AFullDiskDoesNotKeepAStateFromBeingRead) {
  int status = on_small_disk(directory_, 128, [&] {
    {
      auto file = open();
      if (!succeeds(file) || !succeeds(file->save(objects(50), {}))) return false;
    }
    {
      Fd fd(::open((directory_ + "/filler").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
      std::string block(4096, 'x');
      while (::write(fd.value(), block.data(), block.size()) > 0) continue;
    }
    auto again = open();
    if (!succeeds(again) || again->objects() != objects(50) || again->save(objects(51), {})) return false;
    return ::unlink((directory_ + "/filler").c_str()) == 0 && succeeds(again->save(objects(51), {}));
  });
  if (status == kCannotMount) GTEST_SKIP() << "a file system can only be mounted by root";
  EXPECT_EQ(status, 0);
}

TEST_F(StateFileTest, OnAReadOnlyDiskTheErrorSaysSo) {
  int status = on_small_disk(directory_, 256, [&] {
    {
      auto file = open();
      if (!succeeds(file) || !succeeds(file->save(objects(50), {}))) return false;
    }
    if (::mount("none", directory_.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) != 0) return false;
    auto again = open();
    return fails_with(again, "cannot open the lock " + directory_ +
                                 "/lock: Read-only file system; it has to be in a directory that can be written to");
  });
  if (status == kCannotMount) GTEST_SKIP() << "a file system can only be mounted by root";
  EXPECT_EQ(status, 0);
}

// The n-th save has n as every checksum and as the period.
void save_for_ever(StateFile& file, int progress) {
  for (u32 n = 1;; ++n) {
    // So many of them that a save takes a while, and another number each time.
    if (!file.save(objects(300 + n % 50, n), {.period_s = static_cast<double>(n)})) ::_exit(1);
    if (::write(progress, &n, sizeof n) != sizeof n) ::_exit(1);
  }
}

TEST_F(StateFileTest, KilledWhileItSavesItHasOneWholeStateAndNoneThatIsOlderThanTheLastThatWasSaved) {
  u32 least = 0;
  for (useconds_t wait_us = 0; wait_us < 20'000; wait_us += 700) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    Fd from(ends[0]);
    pid_t child = 0;
    {
      Fd to(ends[1]);
      child = ::fork();
      if (child == 0) {
        auto file = open();
        if (!file) ::_exit(1);
        save_for_ever(*file, to.value());
      }
    }
    u32 last = 0, n = 0;
    ASSERT_EQ(::read(from.value(), &last, sizeof last), static_cast<ssize_t>(sizeof last)) << "the child has ended by itself";
    ::usleep(wait_us);
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "it ended by itself, with status " << status;
    while (::read(from.value(), &n, sizeof n) == static_cast<ssize_t>(sizeof n)) last = n;

    StateFile file = opened();
    ASSERT_TRUE(file.settings());
    auto saved = static_cast<u32>(file.settings()->period_s);
    EXPECT_TRUE(saved == last || saved == last + 1) << saved << ", and " << last << " was the last that returned";
    EXPECT_TRUE(file.objects() == objects(300 + saved % 50, saved));
    least = std::max(least, last);
  }
  EXPECT_GT(least, 1U);
  EXPECT_TRUE(notices_.empty());
}

}  // namespace
}  // namespace orphan::serve
