// SPDX-License-Identifier: Apache-2.0
// A process that leaks at a rate that it is told, until it is ended: `drip BYTES_A_SECOND`. It prints how many bytes it has
// leaked each time it gets SIGUSR1.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace {

volatile std::sig_atomic_t is_asked = 0;

constexpr long kRoundsASecond = 4;

}  // namespace

int main(int argc, char** argv) {
  long bytes = argc == 2 ? std::atol(argv[1]) : 0;
  if (bytes < kRoundsASecond * 4096) {
    fmt::print(stderr, "usage: drip BYTES_A_SECOND, at least {}\n", kRoundsASecond * 4096);
    return 2;
  }
  std::signal(SIGUSR1, [](int) { is_asked = 1; });
  auto piece = static_cast<std::size_t>(bytes / kRoundsASecond);
  std::size_t leaked = 0;
  timespec next{};
  ::clock_gettime(CLOCK_MONOTONIC, &next);
  for (;;) {
    void* block = std::malloc(piece);
    if (block == nullptr) return 1;
    std::memset(block, 'd', piece);
    leaked += piece;
    next.tv_nsec += 1'000'000'000 / kRoundsASecond;
    if (next.tv_nsec >= 1'000'000'000) {
      next.tv_nsec -= 1'000'000'000;
      ++next.tv_sec;
    }
    do {
      if (is_asked == 0) continue;
      is_asked = 0;
      fmt::print("{}\n", leaked);
      std::fflush(stdout);
    } while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, nullptr) != 0);
  }
}
