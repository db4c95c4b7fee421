// SPDX-License-Identifier: Apache-2.0
// What system calls that allocate kernel memory cost: for each loop a line with its name and the nanoseconds of one round.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace {

void must(bool condition, const char* what) {
  if (condition) return;
  std::perror(what);
  std::exit(1);
}

void open_close() {
  int file = ::open("/dev/null", O_RDONLY);
  must(file >= 0 && ::close(file) == 0, "/dev/null");
}

void close_both(const std::array<int, 2>& ends) {
  for (int end : ends) must(::close(end) == 0, "close");
}

void make_pipe() {
  std::array<int, 2> ends{};
  must(::pipe(ends.data()) == 0, "pipe");
  close_both(ends);
}

void make_sockets() {
  std::array<int, 2> ends{};
  must(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0, "socketpair");
  close_both(ends);
}

void fork_and_wait() {
  pid_t child = ::fork();
  must(child >= 0, "fork");
  if (child == 0) ::_exit(0);
  must(::waitpid(child, nullptr, 0) == child, "waitpid");
}

void measure(const char* name, void (*round)(), int rounds) {
  round();
  auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < rounds; ++i) round();
  std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
  std::printf("%s %.0f\n", name, took.count() / rounds);
}

}  // namespace

int main() {
  measure("open", open_close, 20000);
  measure("pipe", make_pipe, 10000);
  measure("socketpair", make_sockets, 5000);
  measure("fork", fork_and_wait, 500);
}
