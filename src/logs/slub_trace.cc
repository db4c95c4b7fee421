// SPDX-License-Identifier: Apache-2.0
#include "logs/slub_trace.h"

#include <algorithm>
#include <charconv>

namespace orphan::logs {
namespace {

// Tasks come and go; what was begun by one that does not print any more is ended by that.
constexpr std::size_t kMaxPrinters = 4096;
constexpr std::size_t kMaxHosts = 10'000;
// A head whose stack is lost would get the next one's, the next one that of the one behind it, and so on. Heads that really
// wait beside each other have all got theirs now and then.
constexpr std::size_t kMostStacksWhileWaiting = 8;
constexpr std::size_t kMostWaiting = 1024;

bool starts_with_any_of(std::string_view message, std::string_view characters) {
  return !message.empty() && characters.find(message[0]) != std::string_view::npos;
}

}  // namespace

SlubTrace::Host& SlubTrace::host_of(std::string_view name) {
  if (last_host_ != nullptr && last_host_name_ == name) return *last_host_;
  if (hosts_.size() >= kMaxHosts) name = {};
  auto known = hosts_.find(name);
  if (known == hosts_.end()) {
    known = hosts_.try_emplace(std::string(name)).first;
    known->second.id = static_cast<u32>(hosts_.size());
  }
  last_host_name_ = name;
  last_host_ = &known->second;
  return *last_host_;
}

SlubTrace::Printer& SlubTrace::printer_of(const SlubLine& line) {
  Host& host = host_of(line.host);
  u64 key = (u64{host.id} << 40) ^ line.caller;
  if (last_printer_ != nullptr && last_printer_key_ == key) return *last_printer_;
  if (printers_.size() >= kMaxPrinters && !printers_.contains(key)) end_printers();
  Printer& printer = printers_[key];
  printer.host = &host;
  printer.is_one = line.caller != 0;
  counts_.has_callers |= line.caller != 0;
  last_printer_key_ = key;
  last_printer_ = &printer;
  return printer;
}

void SlubTrace::take(std::string_view text, u64 number) {
  line_ = number;
  ++counts_.lines;
  SlubLine line = split_slub_line(text);
  Printer& printer = printer_of(line);
  if (!line.prefix.empty() && line.prefix[0] >= '0' && line.prefix[0] <= '9') look_for_gap(*printer.host, line.prefix);
  std::string_view message = line.message;
  if (message.empty()) return;
  if (message[0] == 'T' && message.starts_with("TRACE ")) {
    take_head(line, printer);
    return;
  }
  // The contents of what is freed: most of a log.
  if (message[0] == 'O' && message.starts_with("Object ")) return;
  if (starts_with_any_of(message, " BCLMP*-_") && take_other(message, printer)) return;
  if (printer.is_in_stack || !printer.waiting.empty()) take_frames(message, printer);
}

void SlubTrace::look_for_gap(Host& host, std::string_view prefix) {
  auto sequence = sequence_of_prefix(prefix);
  if (!sequence) return;
  if (host.sequence && *sequence > *host.sequence + 1) counts_.lost_messages += *sequence - *host.sequence - 1;
  host.sequence = sequence;
}

void SlubTrace::take_head(const SlubLine& line, Printer& printer) {
  SlubHead head;
  HeadState state = read_slub_head(line.message, head);
  if (prints_one_by_one(printer)) {
    end_stack(printer);
    for (; !printer.waiting.empty(); printer.waiting.pop_front()) give_up(printer.waiting.front());
  }
  if (state != HeadState::Whole) {
    ++counts_.damaged;
    complain_(line_, "a TRACE record whose first line is cut or damaged");
    return;
  }
  ++(head.is_alloc ? counts_.allocs : counts_.frees);
  std::optional<double> time = seconds_of_prefix(line.prefix);
  HostTimes& times = printer.host->times;
  if (time && !times.first) times.first = time;
  if (time) times.last = time;
  u64 record = counts_.allocs + counts_.frees;
  SlubKey key{.address = head.address, .cache = caches_.id_of(head.cache), .host = printer.host->id};
  if (head.is_hidden) {
    ++counts_.hidden;
  } else if (head.is_alloc) {
    if (!objects_.allocate(key, record, time)) ++counts_.allocs_of_allocated;
  } else {
    ++(objects_.free(key) ? counts_.matched : counts_.frees_of_unknown);
  }
  if (printer.waiting.size() == kMostWaiting) {
    give_up(printer.waiting.front());
    printer.waiting.pop_front();
    if (printer.before_stack != 0) --printer.before_stack;
  }
  printer.waiting.push_back({.key = key, .record = record, .line = line_, .is_alloc = head.is_alloc});
}

// False: it may be a frame.
bool SlubTrace::take_other(std::string_view message, Printer& printer) {
  if (message[0] == ' ') {
    if (message.size() < 8 || message[1] != '<' || !message.starts_with(" </TASK>")) return false;
    end_stack(printer);
    return true;
  }
  if (is_stack_title(message)) {
    // Behind the line of its task.
    if (!printer.is_in_stack || !printer.stack.is_empty()) begin_stack(printer);
    return true;
  }
  if (TaskLine task; read_task_line(message, task)) {
    begin_stack(printer);
    printer.comm = comms_.id_of(task.comm);
    if (task.has_cpu) counts_.cpus = std::max(counts_.cpus, task.cpu + 1);
    return true;
  }
  if (message.starts_with("Linux version ") || message.starts_with("-- Boot ") || message.starts_with("-- Reboot --")) {
    end_boot(*printer.host);
    return true;
  }
  u64 lost = lost_messages(message);
  counts_.lost_messages += lost;
  return lost != 0;
}

void SlubTrace::take_frames(std::string_view message, Printer& printer) {
  // Nobody asks for the way to a free. If a head has come since, the frames may be of a stack whose title is lost.
  if (printer.is_in_stack && printer.is_of_free && printer.before_stack == printer.waiting.size()) return;
  FrameLine line = read_frame_line(message);
  if (line.count == 0) return;
  // The lines before it are lost.
  if (!printer.is_in_stack || printer.stack.is_begun_again_by(line.frames[0].name)) begin_stack(printer);
  bool is_known = line.is_pair && printer.stack.ends_in(line.frames[0].name);
  for (const FrameText& frame : line.all().subspan(is_known ? 1 : 0)) printer.stack.add(frame);
}

void SlubTrace::begin_stack(Printer& printer) {
  end_stack(printer);
  printer.is_in_stack = true;
  printer.before_stack = printer.waiting.size();
  printer.is_of_free = !printer.waiting.empty() && std::ranges::none_of(printer.waiting, &Waiting::is_alloc);
}

void SlubTrace::end_stack(Printer& printer) {
  if (!printer.is_in_stack) return;
  printer.is_in_stack = false;
  if (printer.is_of_free) {
    assign(printer, SlubStack::Kind::Free);
  } else if (!printer.stack.is_empty()) {
    auto kind = printer.stack.kind();
    if (kind != SlubStack::Kind::Foreign) assign(printer, kind);
  }
  printer.stack.clear();
  printer.comm = 0;
}

void SlubTrace::assign(Printer& printer, SlubStack::Kind kind) {
  using Kind = SlubStack::Kind;
  auto fits = [&](const Waiting& waiting) { return kind == Kind::Unknown || waiting.is_alloc == (kind == Kind::Alloc); };
  auto last = printer.waiting.begin() + static_cast<std::ptrdiff_t>(std::min(printer.before_stack, printer.waiting.size()));
  auto chosen = std::find_if(printer.waiting.begin(), last, fits);
  if (chosen == last) {
    if (printer.stack.is_of_slub()) {
      ++counts_.stacks_without_head;
      complain_(line_, "above here a stack of a TRACE record ends whose first line is missing");
    }
    return;
  }
  if (chosen->is_alloc && std::find_if(chosen + 1, last, fits) != last) ++counts_.unsure_stacks;
  if (chosen->is_alloc) {
    u32 stack = stacks_.id_of(printer.stack);
    objects_.describe(chosen->key, chosen->record, stack, printer.comm);
  }
  printer.waiting.erase(chosen);
  printer.stacks_while_waiting = printer.waiting.empty() ? 0 : printer.stacks_while_waiting + 1;
  if (printer.stacks_while_waiting <= kMostStacksWhileWaiting) return;
  give_up(printer.waiting.front());
  printer.waiting.pop_front();
  printer.stacks_while_waiting = 0;
}

void SlubTrace::give_up(const Waiting& waiting) {
  if (!waiting.is_alloc) return;
  ++counts_.without_stack;
  complain_(waiting.line, "an allocation whose stack is missing");
}

void SlubTrace::end_printers() {
  for (auto& [key, printer] : printers_) {
    end_stack(printer);
    for (const Waiting& waiting : printer.waiting) give_up(waiting);
  }
  printers_.clear();
  last_printer_ = nullptr;
}

void SlubTrace::end_file() {
  end_printers();
  for (auto& [name, host] : hosts_) host.sequence.reset();
}

void SlubTrace::end_boot(Host& host) {
  if (!host.times.first && counts_.allocs + counts_.frees == 0) return;
  end_printers();
  objects_.end_host(host.id, host.times);
  if (host.times.first && host.times.last) host.seconds_before += std::max(*host.times.last - *host.times.first, 0.0);
  host.times = {};
  host.sequence.reset();
  ++counts_.boots;
}

Leak SlubTrace::leak_of(const SlubObjects::Stayed& stayed) const {
  Leak leak{.kind = BlockKind::Slab,
            .cache = caches_.text(stayed.cache),
            .total = {.count = stayed.count},
            .stack = stacks_.frames(stayed.stack)};
  leak.was_seen = true;
  if (stayed.with_time != 0) leak.times = {.count = stayed.with_time, .first_s = stayed.oldest_s, .last_s = stayed.youngest_s};
  for (auto [comm, count] : stayed.comms) leak.comms.push_back({.text = comms_.text(comm), .count = count});
  std::ranges::stable_sort(leak.comms, std::ranges::greater(), &Counted::count);
  return leak;
}

SlubFindings SlubTrace::finish() {
  end_file();
  std::optional<double> seconds;
  for (auto& [name, host] : hosts_) {
    objects_.end_host(host.id, host.times);
    double here = host.seconds_before;
    if (host.times.first && host.times.last) here += std::max(*host.times.last - *host.times.first, 0.0);
    if (host.times.first || host.seconds_before > 0) seconds = std::max(seconds.value_or(0), here);
  }
  SlubFindings findings{.counts = counts_, .groups = {}};
  findings.counts.seconds = seconds;
  findings.counts.stacks_left_out = stacks_.left_out();
  for (const auto& [key, stayed] : objects_.stayed()) findings.groups.push_back(leak_of(stayed));
  return findings;
}

}  // namespace orphan::logs
