// SPDX-License-Identifier: Apache-2.0
#include "serve/kernel_scanner.h"

#include <malloc.h>
#include <sys/prctl.h>

#include "detector/checksum.h"
#include "kernel/who.h"
#include "track/coverage.h"

namespace orphan::serve {

Result<std::unique_ptr<KernelScanner>> KernelScanner::open(ScannerOptions options) {
  // While the kernel gathers pages of a process into a huge one, the copy looks like memory of its own, and is full of the
  // addresses that we hold.
  ::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  std::unique_ptr<KernelScanner> scanner(new KernelScanner(std::move(options)));
  TRY(scanner->open_target());
  scanner->start_tracking();
  return scanner;
}

// With one thread: a second one would have to be started anew whenever it is needed, and nobody waits for the daemon.
Result<void> KernelScanner::open_target() {
  return use(TRY(kernel::LiveSource::open({}, 1)));
}

Result<void> KernelScanner::use(std::unique_ptr<kernel::LiveSource> source) {
  const kernel::LiveSource* its = source.get();
  auto give = [&]() -> Result<std::unique_ptr<kernel::Source>> { return std::unique_ptr<kernel::Source>(std::move(source)); };
  auto target = TRY(kernel::Target::open(give, {}, {}));
  modules_.reset();
  target_ = std::move(target);
  source_ = its;
  modules_.emplace(target_->memory(), target_->layouts().module, target_->globals().modules, target_->symbols(),
                   [this](std::string_view name) { return target_->source().text(name); });
  modules_->look();
  return {};
}

Result<void> KernelScanner::renew_target() {
  if (!options_.renew_kcore) return {};
  options_.renew_kcore();
  auto source = TRY(source_->renewed());
  if (!source) return {};
  if (options_.notice) options_.notice("the machine's memory has changed: the kernel is looked at anew");
  return use(std::move(source));
}

void KernelScanner::start_tracking() {
  if (!options_.track) return;
  auto tracker = track::Tracker::start(*options_.track);
  if (tracker)
    tracker_ = std::move(*tracker);
  else
    why_not_tracking_ = tracker.error().text();
}

Result<Report> KernelScanner::scan(const ScanRequest& request) {
  TRY(renew_target());
  modules_->look();
  kernel::ScanOptions options = options_.scan;
  options.known = request.known;
  options.stacks = request.stacks;
  options.min_age_s = request.min_age_s;
  options.gone_modules = modules_->build_ids();
  if (tracker_) {
    track::add_loaded_modules(*tracker_, target_->symbols());
    options.records = &tracker_->records_so_far();
  }
  auto report = kernel::scan(*target_, options, request.hooks);
  if (report && tracker_) {
    for (Coverage& entry : track::coverage_of(*tracker_)) report->coverage.push_back(std::move(entry));
  }
  if (tracker_) tracker_->reclaim_stacks();
  // What a scan takes for a moment is not held until the next one.
  ::malloc_trim(0);
  return report;
}

Result<Who> KernelScanner::who(Addr address, const std::function<bool()>& keep_going) {
  kernel::WhoTarget target{.kernel = target_->kernel(),
                           .owners = target_->owners(),
                           .symbols = target_->symbols(),
                           .btf = target_->btf(),
                           .text_of = [this](std::string_view name) { return target_->source().text(name); },
                           .module_btf = target_->paths().module_btf,
                           .records = tracker_ ? &tracker_->records_so_far() : nullptr};
  auto answers = kernel::who(target, {.addresses = {address}}, {.keep_going = keep_going, .progress = {}});
  ::malloc_trim(0);
  if (!answers) return std::move(answers).error();
  VERIFY(answers->size() == 1);
  return std::move(answers->front());
}

std::optional<track::TrackCounts> KernelScanner::tracking() const {
  return tracker_ ? std::optional(tracker_->counts()) : std::nullopt;
}

std::optional<u32> KernelScanner::checksum(Addr start, u64 size_bytes) const {
  Checksummer checksummer(target_->memory(), {});
  checksummer.read_anew();
  auto sum = checksummer.of({start, size_bytes, false});
  return sum ? *sum : std::nullopt;
}

}  // namespace orphan::serve
