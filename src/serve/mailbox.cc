// SPDX-License-Identifier: Apache-2.0
#include "serve/mailbox.h"

#include <sys/eventfd.h>

#include <cerrno>

namespace orphan::serve {

Result<Mailbox> Mailbox::create() {
  int descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (descriptor < 0) return system_error("eventfd", errno);
  return Mailbox(Fd(descriptor));
}

void Mailbox::put(std::function<void()> work) {
  {
    std::scoped_lock lock(mutex_);
    letters_.push_back(std::move(work));
  }
  // It fails only when the count is at its end, and then the descriptor is readable already.
  ::eventfd_write(descriptor_.value(), 1);
}

void Mailbox::empty() {
  eventfd_t count = 0;
  ::eventfd_read(descriptor_.value(), &count);
  std::vector<std::function<void()>> letters;
  {
    std::scoped_lock lock(mutex_);
    letters.swap(letters_);
  }
  for (const std::function<void()>& work : letters) work();
}

}  // namespace orphan::serve
