// SPDX-License-Identifier: Apache-2.0
// For tests of what changes, or ends, a process: the test's body in a child.
#pragma once
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

namespace orphan::serve {

// Runs `body`, with expectations of its own, in a child. The status is that of waitpid(2): 0 when all of them held.
template <typename Body>
int in_child(Body body) {
  std::fflush(nullptr);
  pid_t child = ::fork();
  if (child == 0) {
    body();
    std::fflush(nullptr);
    ::_exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = -1;
  if (child < 0 || ::waitpid(child, &status, 0) != child) return -1;
  return status;
}

}  // namespace orphan::serve
