// SPDX-License-Identifier: Apache-2.0
// A series as a sum of parts and noise that remembers: a level, a line, and as far as the data want them, bends of the line, a
// warm-up, steps, and a daily cycle. The noise is AR(1): each deviation is a part (`memory`) of the one before, and something
// new.
//
// The parts are chosen by likelihood, one after the other, each time with the noise's memory fitted anew: a cycle that is not yet
// part of the model looks like noise with a long memory, and such noise would hide it. What is tested in the end is the slope of
// the line at the end of the series, by generalised least squares (Prais and Winsten, 1954). The memory is corrected for the bias
// that it has in short series, and is taken for 1, a random walk, where it cannot be told from that (Perron and Yabu, 2009): so
// that what wanders is not taken for what grows.
#pragma once
#include <optional>
#include <vector>

#include "base/types.h"
#include "watch/trend_grid.h"

namespace orphan::watch {

struct TrendPart {
  enum class Kind : u8 { Level, Line, Bend, WarmUp, Step, Cycle };
  Kind kind = Kind::Level;
  double at = 0;  // Bend, Step: hours since the start; WarmUp: hours until 1/e is left of it; Cycle: times a day

  bool operator==(const TrendPart&) const = default;
};

struct TrendAxis {
  double span_h = 0, step_h = 0;
};

// A least-squares fit of the parts to a grid.
struct TrendFit {
  TrendAxis axis;
  std::vector<TrendPart> parts;
  std::vector<double> factors;  // of the columns of the parts, in their order; a cycle has two
  double memory = 0;            // of the noise, from one point of the grid to the next: 0 to 1
  double noise = 0;             // the standard deviation of what is new in it
  std::size_t points = 0;
  // Of the line at the end of the series, an hour.
  double slope = 0, slope_error = 0;
  bool may_be_step = false;  // a step in the place of the line would fit as well

  // As many as independent points would have; of a walk, as many as its steps.
  double degrees_of_freedom() const;
  bool has(TrendPart::Kind kind) const;
};

// At least kFewestPoints in the grid, and not all of one value.
inline constexpr std::size_t kFewestPoints = 20;
TrendFit fit_trend(const Grid& grid);

// The grid's values without all parts that are neither level, line nor bend.
std::vector<double> straightened(const Grid& grid, const TrendFit& fit);
// What the parts are at a time.
double value_at(const TrendFit& fit, double time_h);

}  // namespace orphan::watch
