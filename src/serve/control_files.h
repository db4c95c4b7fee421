// SPDX-License-Identifier: Apache-2.0
// The file system with the control file. Nothing in it blocks this process: a request that has to wait, such as a write of
// `scan`, is posted to the watchman and answered when that is done; the kernel lets only the caller wait, and tells when it was
// interrupted.
//
//     kernel/kmemleak     read and written as /sys/kernel/debug/kmemleak
//     kernel/leaks.json   the last report
//     kernel/status       how the daemon does
//     kernel/log          what it has told
//
// A reader gets the text as it was when it read the beginning of the file, whatever happens meanwhile and however small its
// pieces are. One that goes back to the beginning gets a new one.
#pragma once
#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "serve/guard.h"
#include "serve/mailbox.h"
#include "serve/watchman.h"

struct fuse_session;
struct fuse_req;

namespace orphan::serve {

class ControlFiles {
 public:
  struct Options {
    std::string mount_point;
    std::optional<gid_t> group = {};  // whose members may use it as root may
  };

  // Where the control file will be.
  static std::string path_of_file(const std::string& mount_point) { return mount_point + "/kernel/kmemleak"; }

  // Mounts it. All must outlive it. Errors say what stands in the way, and what to do.
  static Result<std::unique_ptr<ControlFiles>> mount(const Options& options, Watchman& watchman, const Log& log, Mailbox& mailbox,
                                                     Guard& guard);
  ~ControlFiles();
  ControlFiles(const ControlFiles&) = delete;
  ControlFiles& operator=(const ControlFiles&) = delete;

  // Readable while there are requests.
  int descriptor() const;
  // Takes one request. False: somebody has unmounted it.
  bool take_request();

 private:
  struct Calls;  // of libfuse
  enum class File : u8;
  using Request = fuse_req*;

  // An open file.
  struct Reader {
    File file;
    std::optional<std::string> text;  // as it was at the beginning
    off_t end_of_write = 0;           // where the last write ended
    bool was_cut = false;             // it was as long as one request can be: there may be more of it
  };

  ControlFiles(const Options& options, Watchman& watchman, const Log& log, Mailbox& mailbox)
      : options_(options), watchman_(watchman), log_(log), mailbox_(mailbox) {}
  std::string text_of(File file) const;
  off_t size_of(File file) const;
  void read(Request request, u64 reader, std::size_t size, off_t offset);
  void write(Request request, u64 reader, std::string_view text, off_t offset);
  // Lets the watchman work for the request; `reply` is called when it has, on this thread.
  template <typename Post, typename Reply>
  void post(Request request, Post&& post, Reply&& reply);
  void answer_read(Request request, u64 reader, std::size_t size, off_t offset) const;

  Options options_;
  Watchman& watchman_;
  const Log& log_;
  Mailbox& mailbox_;
  fuse_session* session_ = nullptr;
  bool is_mounted_ = false;
  u64 next_reader_ = 1;
  std::map<u64, Reader> readers_;
  std::map<Request, std::shared_ptr<Watchman::Ticket>> waiting_;
  i64 start_unix_s_ = 0;
};

// Puts the control file over `place`, which must be a file: that of a kernel which has kmemleak built in. Error NotFound: there
// is none, and in debugfs none can be made.
Result<void> bind_over(const std::string& file, const std::string& place, Guard& guard);

}  // namespace orphan::serve
