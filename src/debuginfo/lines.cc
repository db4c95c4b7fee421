// SPDX-License-Identifier: Apache-2.0
#include "debuginfo/lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace orphan::debuginfo {

Lines::Lines(std::vector<Image> images, Options options)
    : images_(std::move(images)), files_(options.files), search_(std::move(options)) {}

bool Lines::use(Opened& image, const std::string& path, Result<DebugFile> file) {
  if (!file) {
    // What is wrong with the first file that is there tells most.
    if (file.error().code() != ErrorCode::NotFound && image.result.reason.empty()) image.result.reason = file.error().text();
    return false;
  }
  image.file = std::move(file).take();
  image.result.path = path;
  image.result.reason.clear();
  return true;
}

void Lines::open(Opened& image) {
  auto named = files_.find(image.result.image.module);
  if (named != files_.end() && use(image, named->second, DebugFile::open_any(named->second))) return;
  if (!image.result.reason.empty()) return;
  if (image.result.image.build_id.empty()) {
    image.result.reason = "its build-id is not known";
    return;
  }
  for (const std::string& path : search_.files_for(image.result.image)) {
    if (use(image, path, DebugFile::open(path, image.result.image.build_id))) return;
  }
  if (image.result.reason.empty()) image.result.reason = "no file of it was found";
}

Lines::Opened& Lines::image_of(const Frame& frame) {
  auto [entry, is_new] = opened_.try_emplace(frame.module);
  if (is_new) {
    auto known = std::ranges::find(images_, frame.module, &Image::module);
    entry->second.result.image = known == images_.end() ? Image{.module = frame.module} : *known;
    open(entry->second);
  }
  return entry->second;
}

const std::vector<Place>& Lines::places_of(Opened& image, const Frame& frame) {
  std::string key = fmt::format("{:x} {:x} {}", frame.offset, frame.symbol_size, frame.symbol);
  auto [entry, is_new] = image.places.try_emplace(std::move(key));
  if (is_new) entry->second = image.file->places_of(frame);
  return entry->second;
}

void Lines::add_to(std::vector<Frame>& stack) {
  std::vector<Frame> all;
  for (Frame& frame : stack) {
    if (frame.is_inlined || frame.symbol.empty() || !frame.file.empty()) {
      all.push_back(std::move(frame));
      continue;
    }
    Opened& image = image_of(frame);
    static const std::vector<Place> none;
    const std::vector<Place>& places = image.file ? places_of(image, frame) : none;
    ++image.result.frames;
    if (places.empty() || places.back().file.empty()) ++image.result.frames_without_line;
    for (const Place& place : places) {
      if (&place == &places.back()) {
        frame.file = place.file;
        frame.line = place.line;
      } else {
        all.push_back({.address = frame.address,
                       .symbol = place.function,
                       .module = frame.module,
                       .file = place.file,
                       .line = place.line,
                       .is_inlined = true});
      }
    }
    all.push_back(std::move(frame));
  }
  stack = std::move(all);
}

std::vector<ImageLines> Lines::results() const {
  std::vector<ImageLines> results;
  for (const auto& [module, image] : opened_) results.push_back(image.result);
  return results;
}

std::vector<ImageLines> add_lines(Report& report, const Options& options) {
  Lines lines(report.images, options);
  for (Leak& group : report.leaks) lines.add_to(group.stack);
  for (Leak& group : report.weak) lines.add_to(group.stack);
  if (report.pages) {
    for (Leak& group : report.pages->groups) lines.add_to(group.stack);
  }
  return lines.results();
}

std::vector<ImageLines> add_lines(std::vector<Frame>& stack, const std::vector<Image>& images, const Options& options) {
  Lines lines(images, options);
  lines.add_to(stack);
  return lines.results();
}

}  // namespace orphan::debuginfo
