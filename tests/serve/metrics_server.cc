// SPDX-License-Identifier: Apache-2.0
// Serves figures that it is told, as the daemon serves its own: in the sandbox. For prometheus_test.
//
// It prints the port, then does each line of its input and prints `done`; it ends with its input.
//     cache NAME OBJECTS BYTES     stack FUNCTION,FUNCTION,... OBJECTS BYTES     scans NUMBER     publish
// `publish` makes what came since the last one the figures. %XX in a name is a byte.
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>

#include "metrics/endpoint.h"
#include "serve/metrics.h"
#include "serve/sandbox.h"

namespace orphan::serve {
namespace {

std::string decoded(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size() && std::from_chars(&text[i + 1], &text[i + 3], value, 16).ptr == &text[i + 3]) {
      result += static_cast<char>(value);
      i += 2;
    } else {
      result += text[i];
    }
  }
  return result;
}

std::string label_of_stack(const std::string& functions) {
  std::vector<std::string> names;
  std::istringstream words(functions);
  for (std::string name; std::getline(words, name, ',');) names.push_back(decoded(name));
  return stack_label(names);
}

// False: the line is none of those above.
bool obey(const std::string& line, MetricsFigures& figures, metrics::Endpoint& endpoint) {
  std::istringstream words(line);
  std::string verb, name;
  words >> verb;
  LeakedAmount amount;
  if (verb == "cache" && words >> name >> amount.objects >> amount.bytes) {
    amount.label = decoded(name);
    figures.caches.push_back(amount);
  } else if (verb == "stack" && words >> name >> amount.objects >> amount.bytes) {
    amount.label = label_of_stack(name);
    figures.stacks.push_back(amount);
  } else if (verb == "scans" && words >> figures.scans_total) {
    figures.last_scan = MetricsFigures::Scan{.end_unix_s = 1'700'000'000, .duration_s = 1.5};
    figures.tracker = MetricsFigures::Tracker();
  } else if (verb == "publish") {
    endpoint.update(metrics_of(figures));
    figures = {};
  } else {
    return false;
  }
  return true;
}

int run() {
  auto endpoint = metrics::Endpoint::open({.port = 0});
  if (!endpoint) {
    fmt::print(stderr, "metrics_server: {}\n", endpoint.error().text());
    return 1;
  }
  if (auto entered = enter_sandbox({}); !entered) {
    fmt::print(stderr, "metrics_server: {}\n", entered.error().text());
    return 1;
  }
  fmt::print("{}\n", endpoint->port());
  std::fflush(stdout);
  MetricsFigures figures;
  for (std::string line; std::getline(std::cin, line);) {
    if (!obey(line, figures, *endpoint)) {
      fmt::print(stderr, "metrics_server: '{}': what is that?\n", line);
      return 1;
    }
    fmt::print("done\n");
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace
}  // namespace orphan::serve

int main() {
  return orphan::serve::run();
}
