// SPDX-License-Identifier: Apache-2.0
// The watchman: a thread that scans now and then, does what the words of the control file say, and remembers. Everything that is
// asked of it stands in one queue, as behind kmemleak's mutex; what is only looked at (reports, figures) is there at any time.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "detector/command.h"
#include "serve/findings.h"
#include "serve/log.h"
#include "serve/scanner.h"
#include "serve/state_file.h"
#include "serve/status.h"

namespace orphan::serve {

// What was asked for comes to this: an errno, or 0; and a text, which may be empty.
struct Answer {
  int error = 0;
  std::string text = {};
};

class Watchman {
 public:
  struct Options {
    Settings settings = {};
    // These two of the settings hold, whatever was said to the daemon that ran before.
    bool is_period_fixed = false, is_min_age_fixed = false;
    double first_scan_s = 60;         // after the start
    std::string file = "the report";  // where people find it
  };
  // Called on the watchman's thread, or in cancel().
  using Done = std::function<void(Answer)>;
  // Called there after each scan and each command.
  using Listener = std::function<void(const Findings&, const Status&)>;

  // A request that was posted, for whom it was posted. Dropping it changes nothing.
  class Ticket {
   public:
    // Whoever asked does not wait any longer. What has not begun is answered with EINTR and not done; a scan ends without a
    // report.
    void cancel();

   private:
    friend Watchman;
    Watchman* watchman_ = nullptr;
    std::atomic<bool> is_cancelled_ = false;
  };

  // All must outlive this.
  Watchman(Scanner& scanner, StateFile& state, Log& log, Options options);
  ~Watchman();
  Watchman(const Watchman&) = delete;
  Watchman& operator=(const Watchman&) = delete;

  // Before start().
  void set_listener(Listener listener) { listener_ = std::move(listener); }
  void start();
  // Ends a scan that is running. What waits is answered with EINTR.
  void stop();

  // The words of one write.
  std::shared_ptr<Ticket> post(std::string words, Done done);
  // The text of the control file, when no scan runs.
  std::shared_ptr<Ticket> post_read(Done done);

  // As they are now; from any thread.
  std::string status_text() const;
  std::string leaks_json() const;
  // Their lengths; of the control file's text nothing, when it may be another one until it can be read.
  u64 leaks_json_bytes() const;
  std::optional<u64> text_bytes() const;

 private:
  struct Request {
    std::optional<std::string> words;  // nothing: the text of the file
    Done done;
    std::shared_ptr<Ticket> ticket;
  };

  using Clock = std::chrono::steady_clock;

  std::shared_ptr<Ticket> post(Request request);
  void cancel(Ticket& ticket);
  // --- on the thread ---
  void run();
  void answer(Request& request);
  Answer obey(std::string_view words, const Ticket& ticket);
  Answer act(const Command& command, const Ticket& ticket);
  Answer look_up(const Command& command, const Ticket& ticket);
  // `ticket`: of who asked for it; null: it was time for it.
  Answer scan(const Ticket* ticket);
  void say_what_is_new(u64 count);
  void set_automatic(bool is_on);
  void change(const std::function<void(Settings&)>& change);
  void restore();
  void save();
  void publish();
  bool goes_on(const Ticket* ticket) const;
  // Less when it does not go on.
  void wait(double seconds, const Ticket* ticket);

  Scanner& scanner_;
  StateFile& state_;
  Log& log_;
  Options options_;
  Listener listener_;

  // Of the thread alone.
  Findings findings_;
  Clock::time_point next_scan_;
  bool could_save_ = true;

  // Of both sides.
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Request> queue_;
  bool is_stopping_ = false;
  Status status_;
  std::shared_ptr<const Report> report_;
  u64 text_bytes_ = 0;
  mutable std::pair<std::shared_ptr<const Report>, u64> json_bytes_ = {};  // of this report

  std::thread thread_;
};

}  // namespace orphan::serve
