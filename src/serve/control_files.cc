// SPDX-License-Identifier: Apache-2.0
#include "serve/control_files.h"

#define FUSE_USE_VERSION 35
#include <fmt/format.h>
#include <fuse3/fuse_lowlevel.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <thread>

namespace orphan::serve {

enum class ControlFiles::File : u8 { Root = FUSE_ROOT_ID, Kernel, Kmemleak, Leaks, Status, Log };

namespace {

constexpr long kFuseMagic = 0x65735546;  // FUSE_SUPER_MAGIC
// The kernel sends up to 1 MiB in one request, less where that does not begin with a page; a longer write comes in several.
constexpr std::size_t kLongWrite = (1 << 20) - (64 << 10);

// Said to be the size of a text that is not known yet. A program without O_LARGEFILE cannot open a file of 2 GiB.
constexpr off_t kUnknownSize = 1 << 30;

constexpr fuse_ino_t kKernel = 2, kKmemleak = 3, kFirstFile = kKmemleak;
struct Name {
  fuse_ino_t number;
  const char* name;
};
constexpr std::array<Name, 4> kFiles{{{kKmemleak, "kmemleak"}, {4, "leaks.json"}, {5, "status"}, {6, "log"}}};

bool is_directory(fuse_ino_t number) {
  return number < kFirstFile;
}

// Where it is ours that is dead, it goes; what lives there is not ours to touch. The guard of a daemon that was killed a moment
// ago is about to do the same, and gets the time for it: it must not meet our mount there when it has just seen the dead one.
Result<void> make_room(const std::string& place) {
  constexpr int kLooks = 200;
  constexpr auto kPause = std::chrono::milliseconds(10);
  for (int look = 0; look < kLooks && is_dead_mount(place); ++look) std::this_thread::sleep_for(kPause);
  while (is_dead_mount(place)) {
    if (::umount2(place.c_str(), MNT_DETACH) != 0)
      return system_error(fmt::format("{}: a dead mount is there, and cannot be unmounted", place), errno);
  }
  return {};
}

Result<void> make_mount_point(const std::string& place) {
  TRY(make_room(place));
  std::error_code error;
  std::filesystem::create_directories(place, error);
  if (error) return system_error(place, error.value());
  struct statfs status{};
  if (::statfs(place.c_str(), &status) != 0) return system_error(place, errno);
  if (status.f_type == kFuseMagic) {
    return Error(ErrorCode::Usage,
                 fmt::format("{}: something is mounted there already: is another orphan serve running? End it, or "
                             "give another place with --mount",
                             place));
  }
  return {};
}

Error cannot_mount(const std::string& place, int error) {
  if (::access("/dev/fuse", F_OK) != 0) {
    return {ErrorCode::Unsupported,
            fmt::format("{}: cannot be mounted: there is no /dev/fuse: load the module with `modprobe fuse`", place)};
  }
  return system_error(fmt::format("{}: cannot be mounted", place), error);
}

void ignore_log(enum fuse_log_level, const char*, va_list) {}

}  // namespace

// What libfuse calls. All of it on the thread of take_request().
struct ControlFiles::Calls {
  static ControlFiles& files(fuse_req_t request) { return *static_cast<ControlFiles*>(fuse_req_userdata(request)); }

  static struct stat attributes(const ControlFiles& files, fuse_ino_t number) {
    struct stat status{};
    status.st_ino = number;
    bool has_group = files.options_.group.has_value();
    if (is_directory(number))
      status.st_mode = S_IFDIR | (has_group ? 0750 : 0700);
    else if (number == kKmemleak)
      status.st_mode = S_IFREG | (has_group ? 0660 : 0600);
    else
      status.st_mode = S_IFREG | (has_group ? 0440 : 0400);
    status.st_nlink = is_directory(number) ? 2 : 1;
    status.st_size = files.size_of(static_cast<File>(number));
    status.st_gid = files.options_.group.value_or(0);
    status.st_atim.tv_sec = status.st_mtim.tv_sec = status.st_ctim.tv_sec = files.start_unix_s_;
    return status;
  }

  // Else a shell's `>` would make the size 0 on its own, and readers at that moment would be cut short; now it asks setattr().
  static void init(void*, fuse_conn_info* connection) { connection->want &= ~static_cast<unsigned>(FUSE_CAP_ATOMIC_O_TRUNC); }

  static void lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
    fuse_entry_param entry{};
    if (parent == FUSE_ROOT_ID && std::strcmp(name, "kernel") == 0) entry.ino = kKernel;
    for (const Name& file : kFiles) {
      if (parent == kKernel && std::strcmp(name, file.name) == 0) entry.ino = file.number;
    }
    if (entry.ino == 0) {
      fuse_reply_err(request, ENOENT);
      return;
    }
    // Nothing is kept by the kernel: what uses the files of a daemon that is gone is to fail, not to be served out of a cache.
    entry.attr = attributes(files(request), entry.ino);
    fuse_reply_entry(request, &entry);
  }

  static void getattr(fuse_req_t request, fuse_ino_t number, fuse_file_info*) {
    struct stat status = attributes(files(request), number);
    fuse_reply_attr(request, &status, 0);
  }

  // A shell's `>` empties the file first; there is nothing to empty.
  static void setattr(fuse_req_t request, fuse_ino_t number, struct stat*, int what, fuse_file_info*) {
    if ((what & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) != 0) {
      fuse_reply_err(request, EPERM);
      return;
    }
    struct stat status = attributes(files(request), number);
    fuse_reply_attr(request, &status, 0);
  }

  static void opendir(fuse_req_t request, fuse_ino_t, fuse_file_info* info) { fuse_reply_open(request, info); }

  static void readdir(fuse_req_t request, fuse_ino_t number, std::size_t size, off_t offset, fuse_file_info*) {
    std::vector<Name> names{{number, "."}, {FUSE_ROOT_ID, ".."}};
    if (number == FUSE_ROOT_ID) names.push_back({kKernel, "kernel"});
    if (number == kKernel) names.insert(names.end(), kFiles.begin(), kFiles.end());
    std::string out(size, '\0');
    std::size_t used = 0;
    for (auto i = static_cast<std::size_t>(offset); i < names.size(); ++i) {
      struct stat status = attributes(files(request), names[i].number);
      std::size_t needed =
          fuse_add_direntry(request, out.data() + used, size - used, names[i].name, &status, static_cast<off_t>(i + 1));
      if (needed > size - used) break;
      used += needed;
    }
    fuse_reply_buf(request, out.data(), used);
  }

  static void open(fuse_req_t request, fuse_ino_t number, fuse_file_info* info) {
    ControlFiles& files = Calls::files(request);
    if (is_directory(number)) {
      fuse_reply_err(request, EISDIR);
      return;
    }
    info->fh = files.next_reader_++;
    // Its size is not known beforehand: the kernel is to ask.
    info->direct_io = 1;
    files.readers_.emplace(info->fh, Reader{.file = static_cast<File>(number), .text = {}});
    // Whoever asked may be gone.
    if (fuse_reply_open(request, info) != 0) files.readers_.erase(info->fh);
  }

  static void release(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
    files(request).readers_.erase(info->fh);
    fuse_reply_err(request, 0);
  }

  static void read(fuse_req_t request, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* info) {
    files(request).read(request, info->fh, size, offset);
  }
  static void write(fuse_req_t request, fuse_ino_t, const char* text, std::size_t size, off_t offset, fuse_file_info* info) {
    files(request).write(request, info->fh, {text, size}, offset);
  }
  static void flush(fuse_req_t request, fuse_ino_t, fuse_file_info*) { fuse_reply_err(request, 0); }
  static void fsync(fuse_req_t request, fuse_ino_t, int, fuse_file_info*) { fuse_reply_err(request, 0); }

  static void interrupt(fuse_req_t, void* ticket) { static_cast<Watchman::Ticket*>(ticket)->cancel(); }

  static fuse_lowlevel_ops all() {
    fuse_lowlevel_ops calls{};
    calls.init = init;
    calls.lookup = lookup;
    calls.getattr = getattr;
    calls.setattr = setattr;
    calls.opendir = opendir;
    calls.readdir = readdir;
    calls.open = open;
    calls.release = release;
    calls.read = read;
    calls.write = write;
    calls.flush = flush;
    calls.fsync = fsync;
    return calls;
  }
};

Result<std::unique_ptr<ControlFiles>> ControlFiles::mount(const Options& options, Watchman& watchman, const Log& log,
                                                          Mailbox& mailbox, Guard& guard) {
  TRY(make_mount_point(options.mount_point));
  std::unique_ptr<ControlFiles> files(new ControlFiles(options, watchman, log, mailbox));
  files->start_unix_s_ = std::time(nullptr);
  fuse_set_log_func(ignore_log);  // what it complains about is in our own error
  std::string mode = "fsname=orphan,subtype=orphan,default_permissions,nosuid,nodev,noexec";
  if (options.group) mode += ",allow_other";
  std::array<char*, 3> words{const_cast<char*>("orphan"), const_cast<char*>("-o"), mode.data()};
  fuse_args arguments = FUSE_ARGS_INIT(static_cast<int>(words.size()), words.data());
  fuse_lowlevel_ops calls = Calls::all();
  files->session_ = fuse_session_new(&arguments, &calls, sizeof calls, files.get());
  fuse_opt_free_args(&arguments);
  if (files->session_ == nullptr) return Error(ErrorCode::Unsupported, "libfuse refuses the options of the mount");
  errno = 0;
  if (fuse_session_mount(files->session_, options.mount_point.c_str()) != 0) return cannot_mount(options.mount_point, errno);
  files->is_mounted_ = true;
  TRY(guard.watch(options.mount_point));
  int flags = ::fcntl(files->descriptor(), F_GETFL);
  if (flags < 0 || ::fcntl(files->descriptor(), F_SETFL, flags | O_NONBLOCK) != 0) return system_error("/dev/fuse", errno);
  return files;
}

ControlFiles::~ControlFiles() {
  // The guard unmounts, since this process may not be able to; it does when the file system is dead.
  if (session_ != nullptr) fuse_session_destroy(session_);
}

int ControlFiles::descriptor() const {
  return fuse_session_fd(session_);
}

bool ControlFiles::take_request() {
  fuse_buf buffer{};
  int size = fuse_session_receive_buf(session_, &buffer);
  if (size > 0) fuse_session_process_buf(session_, &buffer);
  std::free(buffer.mem);
  if (size == -EINTR || size == -EAGAIN) return true;
  return size > 0 && fuse_session_exited(session_) == 0;
}

std::string ControlFiles::text_of(File file) const {
  switch (file) {
    case File::Leaks: return watchman_.leaks_json();
    case File::Status: return watchman_.status_text();
    case File::Log: return log_.text();
    case File::Root:
    case File::Kernel:
    case File::Kmemleak: break;
  }
  bug("no such file");
}

// read() asks for as much as there is. But a program that copies with sendfile() or splice() (busybox's cat, Python's shutil)
// gets from Linux 6.5 on no more than the size says, though the text does not come out of the page cache. What is too much does
// no harm there.
off_t ControlFiles::size_of(File file) const {
  switch (file) {
    case File::Kmemleak: {
      auto bytes = watchman_.text_bytes();
      return bytes ? static_cast<off_t>(*bytes) : kUnknownSize;
    }
    case File::Leaks: return static_cast<off_t>(watchman_.leaks_json_bytes());
    case File::Status:
    case File::Log: return static_cast<off_t>(text_of(file).size());
    case File::Root:
    case File::Kernel: break;
  }
  return 0;
}

template <typename Post, typename Reply>
void ControlFiles::post(Request request, Post&& post, Reply&& reply) {
  auto ticket = post([this, request, reply](Answer answer) {
    mailbox_.put([this, request, reply, answer = std::move(answer)] {
      // A letter that is read after the last answer finds nobody.
      auto waits = waiting_.extract(request);
      if (!waits.empty()) reply(answer);
    });
  });
  waiting_.emplace(request, ticket);
  fuse_req_interrupt_func(request, Calls::interrupt, ticket.get());
}

void ControlFiles::read(Request request, u64 reader, std::size_t size, off_t offset) {
  auto found = readers_.find(reader);
  if (found == readers_.end()) {
    fuse_reply_err(request, EBADF);
    return;
  }
  bool is_new = offset == 0 || !found->second.text;
  if (!is_new) return answer_read(request, reader, size, offset);
  if (found->second.file != File::Kmemleak) {
    found->second.text = text_of(found->second.file);
    return answer_read(request, reader, size, offset);
  }
  post(
      request, [this](Watchman::Done done) { return watchman_.post_read(std::move(done)); },
      [this, request, reader, size, offset](const Answer& answer) {
        auto still = readers_.find(reader);
        if (answer.error != 0 || still == readers_.end()) {
          fuse_reply_err(request, answer.error != 0 ? answer.error : EBADF);
          return;
        }
        still->second.text = answer.text;
        answer_read(request, reader, size, offset);
      });
}

void ControlFiles::answer_read(Request request, u64 reader, std::size_t size, off_t offset) const {
  const std::string& text = *readers_.at(reader).text;
  std::size_t from = std::min(static_cast<std::size_t>(offset), text.size());
  fuse_reply_buf(request, text.data() + from, std::min(size, text.size() - from));
}

void ControlFiles::write(Request request, u64 reader, std::string_view text, off_t offset) {
  auto found = readers_.find(reader);
  if (found == readers_.end() || found->second.file != File::Kmemleak) {
    fuse_reply_err(request, EBADF);
    return;
  }
  Reader& writer = found->second;
  // A long write is one command, and only its beginning counts.
  bool is_rest = writer.was_cut && offset == writer.end_of_write;
  writer.was_cut = text.size() >= kLongWrite;
  writer.end_of_write = offset + static_cast<off_t>(text.size());
  std::size_t size = text.size();
  if (is_rest) {
    fuse_reply_write(request, size);
    return;
  }
  std::string words(text.substr(0, kCommandBytes + 1));
  post(
      request, [&](Watchman::Done done) { return watchman_.post(std::move(words), std::move(done)); },
      [request, size](const Answer& answer) {
        if (answer.error != 0)
          fuse_reply_err(request, answer.error);
        else
          fuse_reply_write(request, size);
      });
}

Result<void> bind_over(const std::string& file, const std::string& place, Guard& guard) {
  TRY(make_room(place));
  struct stat status{};
  if (::stat(place.c_str(), &status) != 0) {
    if (errno != ENOENT) return system_error(place, errno);
    return Error(
        ErrorCode::NotFound,
        fmt::format("{}: this kernel has no such file, and none can be made there: give scripts {} in its place", place, file));
  }
  if (!S_ISREG(status.st_mode)) return Error(ErrorCode::Usage, fmt::format("{}: is no file that ours could cover", place));
  if (::mount(file.c_str(), place.c_str(), nullptr, MS_BIND, nullptr) != 0)
    return system_error(fmt::format("{}: {} cannot be put over it", place, file), errno);
  return guard.watch(place);
}

}  // namespace orphan::serve
