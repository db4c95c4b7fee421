// SPDX-License-Identifier: Apache-2.0
#include "plot/terminal.h"

#include <gtest/gtest.h>

#include "plot/sample_chart.h"

namespace orphan::plot {
namespace {

constexpr i64 kMiB = 1 << 20;

TEST(Terminal, ALineThatRisesIsDrawnFromCornerToCorner) {
  SampleMachine machine(61);
  machine.add(watch::Kind::Slab, "a", "bytes", watch::Unit::Bytes,
              [](std::size_t i) { return static_cast<double>(i) * kMiB / 10; });
  watch::TrendReport report = machine.report();
  std::string text = to_terminal(machine.chart(report), report, {.columns = 36, .rows = 12}, false);
  EXPECT_EQ(text, R"(board, 2023-11-14 22:13:20 UTC to 2023-11-15 03:13:20 UTC

What grows
10 MiB ┤
       │                          a
 5 MiB ┤                ⢀⣀⡠⠤⠤⠒⠒⠉⠉
       │        ⣀⣀⠤⠤⠒⠒⠊⠉⠁
 0 MiB ┤⣀⡤⠤⠔⠒⠚⠉⠉
       └────────┬────────────────
              11-15

a slab a growing 1.2 MiB/h
)") << text;
}

TEST(Terminal, ColoursAreThereOnlyWhenWanted) {
  SampleMachine machine;
  machine.add_usual();
  watch::TrendReport report = machine.report();
  Chart chart = machine.chart(report);
  EXPECT_EQ(to_terminal(chart, report, {}, false).find('\x1b'), std::string::npos);
  EXPECT_NE(to_terminal(chart, report, {}, true).find("\x1b[38;5;33m"), std::string::npos);
}

TEST(Terminal, AnySizeWillDo_AndOneSample) {
  for (std::size_t samples : {1U, 2U, 576U}) {
    SampleMachine machine(samples);
    machine.add_usual();
    watch::TrendReport report = machine.report();
    Chart chart = machine.chart(report);
    for (std::size_t columns : {1U, 20U, 80U, 1000U}) {
      for (std::size_t rows : {1U, 24U, 500U})
        EXPECT_FALSE(to_terminal(chart, report, {.columns = columns, .rows = rows}, true).empty());
    }
  }
}

}  // namespace
}  // namespace orphan::plot
