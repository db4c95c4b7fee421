// SPDX-License-Identifier: Apache-2.0
// Gives the frames of stacks their lines of source, and the functions that were inlined there frames of their own.
//
// Each image's debug information is looked for once, by build-id, when the first frame in it comes by.
#pragma once
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "debuginfo/debug_file.h"
#include "debuginfo/search.h"
#include "report/report.h"

namespace orphan::debuginfo {

// How it went with one image.
struct ImageLines {
  Image image;
  std::string path = {};        // of the file that is used; empty: none
  std::string reason = {};      // why there is none
  u64 frames = 0;               // that lie in the image, inlined ones not counted
  u64 frames_without_line = 0;  // of these
};

class Lines {
 public:
  Lines(std::vector<Image> images, Options options);

  // Frames get file and line where they are known. Before a frame go those that were inlined at its place, innermost first: they
  // have its address, no offset, and is_inlined. A frame that has a line already, or was inlined itself, stays as it is.
  void add_to(std::vector<Frame>& stack);

  // So far; only images that frames were in, the kernel's own first, then by name.
  std::vector<ImageLines> results() const;

 private:
  struct Opened {
    ImageLines result;
    std::optional<DebugFile> file = {};
    std::unordered_map<std::string, std::vector<Place>> places = {};  // by symbol, its size, and offset
  };
  Opened& image_of(const Frame& frame);
  static bool use(Opened& image, const std::string& path, Result<DebugFile> file);
  void open(Opened& image);
  const std::vector<Place>& places_of(Opened& image, const Frame& frame);

  std::vector<Image> images_;
  std::map<std::string, std::string> files_;  // Options::files
  Search search_;
  std::map<std::string, Opened> opened_;  // by module
};

// All stacks of the report: of its leaks, of what is weakly referenced, and of pages.
std::vector<ImageLines> add_lines(Report& report, const Options& options);

// One stack, whose frames lie in `images`.
std::vector<ImageLines> add_lines(std::vector<Frame>& stack, const std::vector<Image>& images, const Options& options);

}  // namespace orphan::debuginfo
