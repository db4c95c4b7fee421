// SPDX-License-Identifier: Apache-2.0
#include "serve/watchman.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "report/format.h"
#include "report/json.h"
#include "serve/dump.h"

namespace orphan::serve {
namespace {

constexpr auto kTick = std::chrono::seconds(1);  // between two looks at modules
constexpr u64 kMostAge = 1'000'000;              // seconds
constexpr int kNice = 10;

// It takes what nobody else wants of the processor and of the disks.
void lower_priority() {
  constexpr int kWhoIsOne = 1, kIdleClass = 3 << 13;  // IOPRIO_WHO_PROCESS; IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0)
  auto thread = static_cast<id_t>(::syscall(SYS_gettid));
  ::setpriority(PRIO_PROCESS, thread, kNice);
  ::syscall(SYS_ioprio_set, kWhoIsOne, thread, kIdleClass);
  ::prctl(PR_SET_NAME, "orphan-scan", 0, 0, 0);
}

i64 unix_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return i64{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::string json_of(const std::shared_ptr<const Report>& report) {
  return report ? to_json(*report) : std::string("null\n");
}

Answer told(std::string text) {
  return {.error = 0, .text = std::move(text)};
}

}  // namespace

void Watchman::Ticket::cancel() {
  watchman_->cancel(*this);
}

Watchman::Watchman(Scanner& scanner, StateFile& state, Log& log, Options options)
    : scanner_(scanner), state_(state), log_(log), options_(std::move(options)) {
  status_.settings = options_.settings;
  status_.target = "kernel " + scanner.release();
  status_.why_not_tracking = scanner.why_not_tracking();
  restore();
}

Watchman::~Watchman() {
  stop();
}

void Watchman::start() {
  auto first = std::chrono::duration<double>(options_.first_scan_s);
  next_scan_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(first);
  publish();
  thread_ = std::thread([this] { run(); });
}

void Watchman::stop() {
  if (!thread_.joinable()) return;
  {
    std::scoped_lock lock(mutex_);
    is_stopping_ = true;
    wake_.notify_all();
  }
  thread_.join();
}

// --- from other threads ---

std::shared_ptr<Watchman::Ticket> Watchman::post(std::string words, Done done) {
  return post({.words = std::move(words), .done = std::move(done), .ticket = {}});
}

std::shared_ptr<Watchman::Ticket> Watchman::post_read(Done done) {
  return post({.words = std::nullopt, .done = std::move(done), .ticket = {}});
}

std::shared_ptr<Watchman::Ticket> Watchman::post(Request request) {
  auto ticket = std::make_shared<Ticket>();
  ticket->watchman_ = this;
  request.ticket = ticket;
  std::scoped_lock lock(mutex_);
  queue_.push_back(std::move(request));
  wake_.notify_all();
  return ticket;
}

void Watchman::cancel(Ticket& ticket) {
  std::optional<Request> waiting;
  {
    std::scoped_lock lock(mutex_);
    ticket.is_cancelled_ = true;
    auto found = std::ranges::find(queue_, &ticket, [](const Request& request) { return request.ticket.get(); });
    if (found != queue_.end()) {
      waiting = std::move(*found);
      queue_.erase(found);
    }
    wake_.notify_all();
  }
  if (waiting) waiting->done({.error = EINTR});
}

std::string Watchman::status_text() const {
  std::scoped_lock lock(mutex_);
  return to_text(status_);
}

std::string Watchman::leaks_json() const {
  std::shared_ptr<const Report> report;
  {
    std::scoped_lock lock(mutex_);
    report = report_;
  }
  return json_of(report);
}

u64 Watchman::leaks_json_bytes() const {
  std::shared_ptr<const Report> report;
  {
    std::scoped_lock lock(mutex_);
    if (json_bytes_.second != 0 && json_bytes_.first == report_) return json_bytes_.second;
    report = report_;
  }
  u64 bytes = json_of(report).size();
  std::scoped_lock lock(mutex_);
  json_bytes_ = {std::move(report), bytes};
  return bytes;
}

std::optional<u64> Watchman::text_bytes() const {
  std::scoped_lock lock(mutex_);
  if (status_.is_scanning || !queue_.empty()) return std::nullopt;
  return text_bytes_;
}

// --- on the thread ---

void Watchman::run() {
  lower_priority();
  std::unique_lock lock(mutex_);
  while (!is_stopping_) {
    bool is_due = !status_.settings.is_off && status_.settings.has_automatic_scans && Clock::now() >= next_scan_;
    if (!queue_.empty()) {
      Request request = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      answer(request);
      lock.lock();
    } else if (is_due) {
      lock.unlock();
      scan(nullptr);
      lock.lock();
      next_scan_ = Clock::now() + std::chrono::milliseconds(status_.settings.period_ms);
    } else {
      auto until = Clock::now() + kTick;
      if (status_.settings.has_automatic_scans && !status_.settings.is_off) until = std::min(until, next_scan_);
      wake_.wait_until(lock, until, [this] { return is_stopping_ || !queue_.empty(); });
      lock.unlock();
      scanner_.look_at_modules();
      lock.lock();
    }
  }
  while (!queue_.empty()) {
    Request request = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    request.done({.error = EINTR});
    lock.lock();
  }
}

bool Watchman::goes_on(const Ticket* ticket) const {
  if (ticket != nullptr && ticket->is_cancelled_) return false;
  std::scoped_lock lock(mutex_);
  return !is_stopping_;
}

void Watchman::wait(double seconds, const Ticket* ticket) {
  auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  while (goes_on(ticket) && Clock::now() < end) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_until(lock, std::min(end, Clock::now() + kTick),
                       [&] { return is_stopping_ || (ticket != nullptr && ticket->is_cancelled_); });
    }
    // A recheck waits for a moment only, and often.
    if (seconds >= 1) scanner_.look_at_modules();
  }
}

void Watchman::answer(Request& request) {
  if (!request.words) return request.done(told(findings_.to_kmemleak()));
  Answer answer = obey(*request.words, *request.ticket);
  publish();
  request.done(std::move(answer));
}

Answer Watchman::obey(std::string_view words, const Ticket& ticket) {
  auto command = parse_command(words);
  // As kmemleak: when it is off, nothing else is even looked at.
  if (status_.settings.is_off && (!command || !is_allowed_when_off(command->kind))) return {.error = EPERM};
  if (!command) return {.error = command.error()};
  return act(*command, ticket);
}

Answer Watchman::act(const Command& command, const Ticket& ticket) {
  using enum Command::Kind;
  switch (command.kind) {
    case Clear: {
      if (u64 omitted = findings_.omitted(); omitted != 0) {
        log_.say(
            fmt::format("{} leaks were not cleared, since there is no room for them in the list: start the daemon with a larger "
                        "--max-objects",
                        omitted));
      }
      u64 count = findings_.clear();
      save();
      return told(fmt::format("{} objects cleared\n", count));
    }
    case Forget: {
      u64 count = findings_.forget();
      save();
      return told(fmt::format("{} cleared objects are looked for again\n", count));
    }
    case Off:
      change([](Settings& settings) { settings.is_off = true; });
      log_.say("Kernel memory leak detector disabled", Log::kDetector);
      return {};
    case On:
      if (!status_.settings.is_off) return {};
      change([](Settings& settings) { settings.is_off = false; });
      next_scan_ = Clock::now();
      log_.say("Kernel memory leak detector enabled", Log::kDetector);
      return {};
    case StackOn: return change([](Settings& settings) { settings.scans_stacks = true; }), Answer();
    case StackOff: return change([](Settings& settings) { settings.scans_stacks = false; }), Answer();
    case ScanOn: return set_automatic(true), Answer();
    case ScanOff: return set_automatic(false), Answer();
    case ScanPeriod: {
      auto period_ms = scan_period_ms(command.number);
      if (period_ms) change([&](Settings& settings) { settings.period_ms = *period_ms; });
      set_automatic(false);
      if (period_ms) set_automatic(true);
      return {};
    }
    case Scan: return scan(&ticket);
    case Age:
      if (command.number > kMostAge) return {.error = ERANGE};
      change([&](Settings& settings) { settings.min_age_s = static_cast<double>(command.number); });
      return {};
    case Status: return publish(), told(status_text());
    case Dump:
    case Why: return look_up(command, ticket);
  }
  bug("no such command");
}

Answer Watchman::look_up(const Command& command, const Ticket& ticket) {
  auto who = scanner_.who(Addr{command.number}, [&] { return goes_on(&ticket); });
  if (!who && who.error().code() == ErrorCode::Interrupted) return {.error = EINTR};
  if (!who) {
    log_.say("cannot look into the kernel: " + who.error().text());
    return {.error = EIO};
  }
  if (command.kind == Command::Kind::Why) {
    std::string text = to_text(*who);
    log_.keep(text);
    return told(std::move(text));
  }
  if (!who->block || who->block->state == BlockState::Free) {
    log_.say(fmt::format("Unknown object at {}", to_string(Addr{command.number})), Log::kDetector);
    return {.error = EINVAL};
  }
  const Object* known = findings_.find(space_of(who->block->kind), who->block->address);
  std::optional<u32> checksum = known != nullptr ? std::optional(known->checksum) : std::nullopt;
  if (!checksum && who->block->kind != BlockKind::PerCpu)
    checksum = scanner_.checksum(who->block->address, who->block->size_bytes);
  std::string text = to_dump(*who, known, checksum.value_or(0));
  log_.say(text, "");
  return told(std::move(text));
}

Answer Watchman::scan(const Ticket* ticket) {
  Settings settings = status_.settings;
  {
    std::scoped_lock lock(mutex_);
    status_.is_scanning = true;
  }
  std::vector<kernel::KnownBlock> known = findings_.known();
  i64 start = unix_ns();
  auto report = scanner_.scan({.known = known,
                               .stacks = settings.scans_stacks,
                               .min_age_s = settings.min_age_s,
                               .hooks = {.keep_going = [&] { return goes_on(ticket); },
                                         .wait = [&](double seconds) { wait(seconds, ticket); },
                                         .progress = {}}});
  bool is_whole = report && !report->interrupted;
  u64 count = is_whole ? findings_.take(std::move(*report), known, start) : 0;
  if (!report && report.error().code() != ErrorCode::Interrupted) log_.say("the scan failed: " + report.error().text());
  {
    std::scoped_lock lock(mutex_);
    status_.is_scanning = false;
    status_.last_error = report ? "" : report.error().text();
    if (is_whole) {
      ++status_.scans;
      status_.new_in_last = count;
      status_.new_in_all += count;
    }
  }
  if (is_whole) {
    if (count != 0) say_what_is_new(count);
    save();
  }
  publish();
  return {.error = !report && report.error().code() != ErrorCode::Interrupted ? EIO : 0};
}

void Watchman::say_what_is_new(u64 count) {
  log_.say(fmt::format("{} new suspected memory leaks (see {})", count, options_.file), Log::kDetector);
}

void Watchman::set_automatic(bool is_on) {
  if (status_.settings.has_automatic_scans == is_on) return;
  change([&](Settings& settings) { settings.has_automatic_scans = is_on; });
  log_.say(is_on ? "Automatic memory scanning thread started" : "Automatic memory scanning thread ended", Log::kDetector);
  if (is_on) next_scan_ = Clock::now();
}

void Watchman::change(const std::function<void(Settings&)>& change) {
  {
    std::scoped_lock lock(mutex_);
    change(status_.settings);
  }
  save();
}

// What was said to the daemon that ran before still holds.
void Watchman::restore() {
  findings_.restore(state_.objects());
  if (const auto& saved = state_.settings()) {
    status_.settings.is_off = saved->is_off;
    status_.settings.has_automatic_scans = saved->has_automatic_scans;
    status_.settings.scans_stacks = saved->scans_stacks;
    if (!options_.is_period_fixed) status_.settings.period_ms = static_cast<u32>(saved->period_s * 1000);
    if (!options_.is_min_age_fixed) status_.settings.min_age_s = saved->min_age_s;
  }
}

void Watchman::save() {
  const Settings& settings = status_.settings;
  auto saved = state_.save(findings_.saved(), {.is_off = settings.is_off,
                                               .has_automatic_scans = settings.has_automatic_scans,
                                               .scans_stacks = settings.scans_stacks,
                                               .period_s = settings.period_ms / 1000.0,
                                               .min_age_s = settings.min_age_s});
  if (!saved && could_save_) log_.say(saved.error().text());
  if (saved && !could_save_) log_.say(state_.path() + ": can be written again, and holds all there is");
  could_save_ = bool(saved);
}

void Watchman::publish() {
  u64 text_bytes = findings_.to_kmemleak().size();
  {
    std::scoped_lock lock(mutex_);
    report_ = findings_.report();
    text_bytes_ = text_bytes;
    status_.listed = findings_.listed();
    status_.omitted = findings_.omitted();
    status_.cleared = findings_.cleared();
    status_.tracking = scanner_.tracking();
    if (report_) {
      status_.last_scan_unix_s = report_->started_unix_s;
      status_.last_scan_s = report_->seconds;
      status_.examined = examined(*report_);
      status_.coverage = report_->coverage;
    }
  }
  if (listener_) listener_(findings_, status_);
}

}  // namespace orphan::serve
