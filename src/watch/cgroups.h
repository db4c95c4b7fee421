// SPDX-License-Identifier: Apache-2.0
// What memory cgroups are charged for, in version 2 and in version 1, which have other files and the same meaning. Of every group
// the charge is read; those that are large or grow get series.
#pragma once
#include <string>
#include <vector>

#include "base/result.h"
#include "watch/choice.h"
#include "watch/series.h"

namespace orphan::watch {

class Cgroups {
 public:
  // `root`: where cgroup file systems are mounted.
  Cgroups(std::string root, std::size_t top);
  // NotFound: there is no memory controller.
  Result<void> sample(Sink& sink);

 private:
  struct Group {
    std::string path;  // below the hierarchy; "/" is its root
    i64 bytes = 0;
  };
  enum class Version : u8 { None, One, Two };

  void find_hierarchy();
  void look(const std::string& path, int depth, std::vector<Group>& groups) const;
  void add_details(Sink& sink, const Group& group) const;

  std::string root_, hierarchy_;
  std::size_t top_;
  Version version_ = Version::None;
  Choice choice_;
};

}  // namespace orphan::watch
