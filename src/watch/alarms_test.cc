// SPDX-License-Identifier: Apache-2.0
#include "watch/alarms.h"

#include <gtest/gtest.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "watch/temporary_directory.h"

namespace orphan::watch {
namespace {

class Rig {
 public:
  // Each alarm that is taken is a line of the file.
  explicit Rig(const std::string& before = "")
      : alarms(before + "cat >> " + files.path("taken") + "; echo >> " + files.path("taken"), 10,
               [this](const std::string& text) { notices.push_back(text); }) {}

  // Until the command has nothing to do, or waits to be tried again.
  void settle() {
    alarms.poll(now_ms);
    timespec nap{0, 1'000'000};
    for (int i = 0; i < 5000 && alarms.is_running(); ++i) {
      ::nanosleep(&nap, nullptr);
      alarms.poll(now_ms);
    }
    ASSERT_FALSE(alarms.is_running());
  }
  std::string taken() const {
    std::ifstream file(files.path("taken"));
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }

  TemporaryDirectory files;
  std::vector<std::string> notices;
  i64 now_ms = 1'000;
  Alarms alarms;
};

TEST(Alarms, EachIsHandedToTheCommandInOrder) {
  Rig rig;
  rig.alarms.add("one 'quoted' $(not run)");
  rig.alarms.add("two");
  rig.settle();
  EXPECT_EQ(rig.taken(), "one 'quoted' $(not run)\ntwo\n");
  EXPECT_EQ(rig.alarms.waiting(), 0U);
  EXPECT_TRUE(rig.notices.empty());
}

TEST(Alarms, ALargeOneArrivesWhole) {
  Rig rig;
  std::string large(300'000, 'x');
  rig.alarms.add(large);
  rig.settle();
  EXPECT_EQ(rig.taken(), large + "\n");
}

TEST(Alarms, OneThatIsNotTakenIsTriedAgain_LaterEachTime_AndSaidOnce) {
  Rig rig("test -e " + std::string("$GATE") + " || exit 7; ");
  ::setenv("GATE", rig.files.path("gate").c_str(), 1);
  rig.alarms.add("one");
  rig.settle();
  EXPECT_EQ(rig.alarms.waiting(), 1U);
  ASSERT_EQ(rig.notices.size(), 1U);
  EXPECT_EQ(rig.notices[0], "alarm: the command failed (exit status 7): it is tried again, in 10 s for the first time");
  rig.now_ms += 10'000;
  rig.settle();
  EXPECT_EQ(rig.notices.size(), 1U);
  rig.files.write("gate", "");
  rig.now_ms += 19'000;  // the second time it waits for 20 s
  rig.settle();
  EXPECT_EQ(rig.taken(), "");
  rig.now_ms += 1'000;
  rig.settle();
  EXPECT_EQ(rig.taken(), "one\n");
  ASSERT_EQ(rig.notices.size(), 2U);
  EXPECT_EQ(rig.notices[1], "alarm: the command works again, and no alarm is lost");
}

TEST(Alarms, BeyondTheLimitTheOldestAreLostAndCounted) {
  Rig rig("test -e " + std::string("$GATE") + " || exit 7; ");
  ::setenv("GATE", rig.files.path("gate").c_str(), 1);
  for (std::size_t i = 0; i < Alarms::kMostWaiting + 2; ++i) rig.alarms.add(std::to_string(i));
  EXPECT_EQ(rig.alarms.waiting(), Alarms::kMostWaiting);
  rig.settle();
  rig.files.write("gate", "");
  rig.now_ms += 10'000;
  rig.alarms.poll(rig.now_ms);
  rig.settle();
  EXPECT_TRUE(rig.taken().starts_with("2\n3\n"));
  EXPECT_EQ(rig.notices.back(), "alarm: the command works again; 2 alarms are lost");
}

TEST(Alarms, ACommandThatHangsIsEnded) {
  Rig rig("sleep 1000; ");
  rig.alarms.add("one");
  rig.alarms.poll(rig.now_ms);
  ASSERT_TRUE(rig.alarms.is_running());
  rig.now_ms += 60'001;
  rig.alarms.poll(rig.now_ms);
  EXPECT_FALSE(rig.alarms.is_running());
  ASSERT_EQ(rig.notices.size(), 1U);
  EXPECT_TRUE(rig.notices[0].starts_with("alarm: the command failed (it took more than a minute)")) << rig.notices[0];
}

}  // namespace
}  // namespace orphan::watch
