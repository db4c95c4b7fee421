// SPDX-License-Identifier: Apache-2.0
#include "watch/trend_teeth.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>
#include <vector>

namespace orphan::watch {
namespace {

constexpr double kLeastDrop = 0.3;     // of the range
constexpr double kDropDeviations = 8;  // of what neighbours differ
constexpr double kLeastScore = 6;      // of the rises, all together
constexpr double kLeastMadeUp = 0.5;   // of the drops, by the rises
constexpr std::size_t kFewestDrops = 2, kFewestUnequalDrops = 3;
constexpr double kMostLeft = 0.3;  // of all that rose, from the first stretch to the last
constexpr double kEqual = 0.85;    // the smaller of two drops, as a share of the larger
constexpr std::size_t kFewestInTooth = 4;

struct Stretch {
  std::size_t begin = 0, end = 0;
};

// A drop that is in the midst of a bin takes two steps of the grid, and one after a value that happened to be low three.
std::vector<Stretch> between_drops(const Grid& grid, double drop) {
  constexpr double kStillFalling = 0.1;  // of what makes a drop
  constexpr std::size_t kMostSteps = 3;
  std::vector<Stretch> result;
  std::size_t begin = 0;
  for (std::size_t i = 1; i < grid.size(); ++i) {
    double now = grid.values[i] - grid.values[i - 1];
    double next = i + 1 < grid.size() ? grid.values[i + 1] - grid.values[i] : 0;
    if (now >= 0 || now + std::min(next, 0.0) > -drop) continue;
    result.push_back({begin, i});
    for (begin = i; begin + 1 < grid.size() && begin + 1 < i + kMostSteps; ++begin) {
      if (grid.values[begin + 1] - grid.values[begin] > -kStillFalling * drop) break;
    }
    i = begin;
  }
  result.push_back({begin, grid.size()});
  return result;
}

double drop_size(const Grid& grid) {
  std::vector<double> sorted = grid.values;
  double range = quantile(sorted, 0.98) - quantile(sorted, 0.02);
  std::vector<double> differences;
  for (std::size_t i = 1; i < grid.size(); ++i) differences.push_back(grid.values[i] - grid.values[i - 1]);
  std::vector<double> copy = differences;
  double middle = quantile(copy, 0.5);
  for (double& difference : differences) difference -= middle;
  return std::max(kLeastDrop * range, kDropDeviations * robust_deviation(differences));
}

// One slope for all stretches, a level for each.
struct Rise {
  double slope = 0, error = 0, length_h = 0;
};

std::optional<Rise> fit_rise(const Grid& grid, std::span<const Stretch> stretches) {
  double tt = 0, ty = 0, yy = 0, points = 0, levels = 0, length_h = 0;
  for (const Stretch& stretch : stretches) {
    std::size_t size = stretch.end - stretch.begin;
    if (size < kFewestInTooth) continue;
    double t_mean = 0, y_mean = 0;
    for (std::size_t i = stretch.begin; i < stretch.end; ++i) {
      t_mean += grid.time_h[i] / static_cast<double>(size);
      y_mean += grid.values[i] / static_cast<double>(size);
    }
    for (std::size_t i = stretch.begin; i < stretch.end; ++i) {
      double t = grid.time_h[i] - t_mean, y = grid.values[i] - y_mean;
      tt += t * t;
      ty += t * y;
      yy += y * y;
    }
    points += static_cast<double>(size);
    levels += 1;
    length_h += grid.time_h[stretch.end - 1] - grid.time_h[stretch.begin];
  }
  if (levels < 2 || tt <= 0 || points - levels < 4) return std::nullopt;
  double slope = ty / tt;
  double error = std::sqrt(std::max(yy - slope * ty, 0.0) / (points - levels - 1) / tt);
  return Rise{.slope = slope, .error = error, .length_h = length_h};
}

// What drops take back, all together and at the least and the most.
struct Drops {
  double all = 0, least = 0, most = 0;
};

Drops measure_drops(const Grid& grid, std::span<const Stretch> stretches) {
  Drops drops;
  for (std::size_t i = 1; i < stretches.size(); ++i) {
    double drop = grid.values[stretches[i - 1].end - 1] - grid.values[stretches[i].begin];
    drops.all += drop;
    drops.least = i == 1 ? drop : std::min(drops.least, drop);
    drops.most = std::max(drops.most, drop);
  }
  return drops;
}

}  // namespace

std::optional<Teeth> find_teeth(const Grid& grid) {
  double drop = drop_size(grid);
  if (drop <= 0) return std::nullopt;
  const std::vector<Stretch> stretches = between_drops(grid, drop);
  std::size_t count = stretches.size() - 1;
  if (count < kFewestDrops) return std::nullopt;
  std::optional<Rise> rise = fit_rise(grid, stretches);
  if (!rise || rise->slope <= kLeastScore * rise->error) return std::nullopt;
  Drops drops = measure_drops(grid, stretches);
  // Two drops of different sizes are two steps.
  if (count < kFewestUnequalDrops && drops.least < kEqual * drops.most) return std::nullopt;
  double risen = rise->slope * rise->length_h;
  // What is taken back is what rose; else it is a leak that also has steps, or steps alone.
  if (risen < kLeastMadeUp * drops.all || risen - drops.all > kMostLeft * risen + drops.most) return std::nullopt;
  return Teeth{.drops = count, .rate = rise->slope, .rate_error = rise->error};
}

}  // namespace orphan::watch
