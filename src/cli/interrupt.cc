// SPDX-License-Identifier: Apache-2.0
#include "cli/interrupt.h"

#include <cmath>
#include <csignal>
#include <ctime>
#include <initializer_list>

namespace orphan::cli {
namespace {

// A signal handler reaches nothing but globals.
volatile std::sig_atomic_t interrupted = 0;

void note(int signal) {
  interrupted = signal;
}

}  // namespace

void catch_interrupts() {
  struct sigaction action = {};
  action.sa_handler = note;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before = {};
    ::sigaction(signal, nullptr, &before);
    // As nohup and shells' background jobs want it.
    if (before.sa_handler != SIG_IGN) ::sigaction(signal, &action, nullptr);
  }
}

bool is_interrupted() {
  return interrupted != 0;
}

int interrupting_signal() {
  return interrupted;
}

void take_interrupt() {
  interrupted = 0;
  catch_interrupts();
}

void wait_seconds(double seconds) {
  double whole = 0;
  double part = std::modf(seconds, &whole);
  timespec left{static_cast<time_t>(whole), static_cast<long>(part * 1e9)};
  // A signal that came just before the call would not end it: short naps bound the delay.
  while (!is_interrupted() && (left.tv_sec > 0 || left.tv_nsec > 0)) {
    constexpr long kNapNs = 200'000'000;
    timespec nap{0, left.tv_sec > 0 ? kNapNs : std::min(kNapNs, left.tv_nsec)};
    ::clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, nullptr);
    left.tv_nsec -= nap.tv_nsec;
    if (left.tv_nsec < 0) left.tv_nsec += 1'000'000'000, left.tv_sec -= 1;
  }
}

}  // namespace orphan::cli
