// SPDX-License-Identifier: Apache-2.0
#include "plot/html.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "plot/sample_chart.h"

namespace orphan::plot {
namespace {

nlohmann::json data_of(const std::string& html) {
  constexpr std::string_view kStart = R"(id="data">)";
  std::size_t at = html.find(kStart) + kStart.size();
  return nlohmann::json::parse(html.substr(at, html.find("</script>", at) - at));
}

TEST(Html, ThePageHasTheSeriesAndTheVerdicts) {
  SampleMachine machine;
  machine.add_usual();
  watch::TrendReport report = machine.report();
  std::string html = to_html(machine.chart(report), report);
  nlohmann::json data = data_of(html);
  ASSERT_EQ(data["panels"].size(), 2U);
  EXPECT_EQ(data["time"].size(), 576U);
  EXPECT_EQ(data["panels"][1]["lines"][0]["name"], "slab kmalloc-4k");
  EXPECT_EQ(data["panels"][1]["lines"][0]["values"].size(), 576U);
  ASSERT_EQ(data["rows"].size(), 2U);
  EXPECT_EQ(data["rows"][1]["verdict"], "growing");
  EXPECT_EQ(data["rows"][1]["line"]["panel"], 1);
  EXPECT_EQ(data["others"], "Besides there is one series that is flat, or has too few samples.");
  EXPECT_NE(data["words"].get<std::string>().find("What grows most is slab kmalloc-4k"), std::string::npos);
}

TEST(Html, NothingIsFetched_AndTheLicenceOfWhatIsInItIsThere) {
  SampleMachine machine;
  machine.add_usual();
  watch::TrendReport report = machine.report();
  std::string html = to_html(machine.chart(report), report);
  EXPECT_NE(html.find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(html.find("<link"), std::string::npos);
  EXPECT_EQ(html.find(" src="), std::string::npos);
  EXPECT_NE(html.find("The MIT License"), std::string::npos);
}

TEST(Html, ANameEndsNoScript) {
  SampleMachine machine;
  machine.add_usual("</script><img src=x onerror=alert(1)> @data@ \xff 1 1");
  watch::TrendReport report = machine.report();
  std::string html = to_html(machine.chart(report, {.names = {"onerror"}}), report);
  EXPECT_EQ(html.find("<img"), std::string::npos);
  std::string name = data_of(html)["panels"][0]["lines"][0]["name"];
  EXPECT_TRUE(name.starts_with("process </script><img src=x onerror=alert(1)> @data@")) << name;
}

TEST(Html, AMonthOfSamplesIsThinned) {
  SampleMachine machine(20'000);
  machine.add_usual();
  watch::TrendReport report = machine.report();
  std::string html = to_html(machine.chart(report), report);
  EXPECT_LE(data_of(html)["time"].size(), 4010U);
  EXPECT_LT(html.size(), 400'000U);
}

}  // namespace
}  // namespace orphan::plot
