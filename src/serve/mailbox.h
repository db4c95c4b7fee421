// SPDX-License-Identifier: Apache-2.0
// Work for the thread that waits on descriptors, left there by other threads.
#pragma once
#include <functional>
#include <mutex>
#include <vector>

#include "base/fd.h"

namespace orphan::serve {

class Mailbox {
 public:
  static Result<Mailbox> create();
  Mailbox(Mailbox&& other) noexcept : descriptor_(std::move(other.descriptor_)), letters_(std::move(other.letters_)) {}

  // Readable while there is work.
  int descriptor() const { return descriptor_.value(); }
  // From any thread.
  void put(std::function<void()> work);
  // Does what is there.
  void empty();

 private:
  explicit Mailbox(Fd descriptor) : descriptor_(std::move(descriptor)) {}

  Fd descriptor_;
  std::mutex mutex_;
  std::vector<std::function<void()>> letters_;
};

}  // namespace orphan::serve
