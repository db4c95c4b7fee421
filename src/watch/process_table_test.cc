// SPDX-License-Identifier: Apache-2.0
#include "watch/process_table.h"

#include <gtest/gtest.h>

namespace orphan::watch {
namespace {

ProcessTable::Process parse(const char* heading, const char* line) {
  auto table = ProcessTable::parse_heading(heading);
  EXPECT_TRUE(table) << heading;
  auto process = table ? table->parse(line) : std::nullopt;
  EXPECT_TRUE(process) << line;
  return process.value_or(ProcessTable::Process());
}

TEST(ProcessTable, ColumnsAreFoundByTheirNames) {
  auto aux = parse("USER         PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND",
                   "root         123  0.0  0.1  16000  5432 ?        Ss   Nov26   0:01 /usr/sbin/sshd -D -p 22");
  EXPECT_EQ(aux.pid, 123);
  EXPECT_EQ(aux.comm, "sshd");
  EXPECT_EQ(aux.rss_kb, 5432);
  EXPECT_EQ(aux.virtual_kb, 16000);
  auto chosen = parse("  PID   RSS NLWP COMMAND", "    7  1000   12 my server");
  EXPECT_EQ(chosen.comm, "my");
  EXPECT_EQ(chosen.threads, 12);
  auto full = parse("UID          PID    PPID  C STIME TTY          TIME CMD", "root 1 0 0 06:00 ? 00:00:01 /sbin/init");
  EXPECT_EQ(full.comm, "init");
  EXPECT_FALSE(full.rss_kb);
}

TEST(ProcessTable, BusyBoxHasSizesWithLetters) {
  auto process = parse("PID   USER     VSZ  STAT COMMAND", "  812 root      12m S    {script} /bin/sh /etc/x");
  EXPECT_EQ(process.virtual_kb, 12 * 1024);
  EXPECT_EQ(parse("  PID  Uid     VmSize Stat Command", "    1 root        484 S   init").virtual_kb, 484);
}

TEST(ProcessTable, OtherLinesAreNeitherHeadingNorProcess) {
  for (const char* line : {"", "PID", "MemFree: 5 kB", "A COMMAND without numbers", "the PID of it"})
    EXPECT_FALSE(ProcessTable::parse_heading(line)) << line;
  auto table = ProcessTable::parse_heading("PID RSS CMD");
  for (const char* line : {"", "x 5 y", "5", "5 6", "-5 6 x"}) EXPECT_FALSE(table->parse(line)) << line;
  EXPECT_TRUE(table->parse("5 6 x"));
}

}  // namespace
}  // namespace orphan::watch
