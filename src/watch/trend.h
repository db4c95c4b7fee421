// SPDX-License-Identifier: Apache-2.0
// What a series of samples does: does it grow, and how fast, or does it only look so? Pure mathematics: no files, no clock.
// docs/trend.md says in plain words what is done, and how often it is right.
#pragma once
#include <optional>
#include <span>
#include <string_view>

#include "base/types.h"

namespace orphan::watch {

enum class Verdict : u8 {
  Growing,
  Flat,      // it does not grow, as far as the interval of its slope goes
  Sawtooth,  // it grows and is taken back, again and again
  Step,      // it went up or down at once, and stayed
  TooShort,  // not enough data
};
std::string_view word(Verdict verdict);

struct TrendOptions {
  // So many standard errors the slope has to be from 0. 3.5: one series in 4,000 that is noise alone.
  double threshold = 3.5;
  // Slower growth is none, an hour.
  double min_rate = 0;
};

struct Trend {
  Verdict verdict = Verdict::TooShort;
  double rate = 0;                     // an hour; of a sawtooth: while it rises
  double rate_low = 0, rate_high = 0;  // 95 of 100 such intervals have the true one
  double score = 0;                    // the slope in standard errors, as a normal distribution has them
  double r2 = 0;                       // what the line explains, of all that is left when cycle, steps and warm-up are taken out
  double kendall = 0;                  // of pairs of points: those that rise less those that fall, as a share
  double memory = 0;                   // of the noise, from one point to the next
  double noise = 0;                    // what is new in it at each point, a standard deviation
  double span_h = 0;
  double first = 0, last = 0;  // the line, or the values where there is none, at the start and at the end
  double step = 0;             // the sum of all steps
  double step_h = 0;           // when the largest was, since the start
  std::size_t drops = 0;       // of a sawtooth
  double warm_up_h = 0;        // until it was over; 0: there was none
  double since_h = 0;          // since when it grows like this, from the start: 0 unless the line is bent
  bool has_daily_cycle = false;
  bool may_be_cycle = false;   // it grows, in less than two days: a daily cycle would look like this
  bool is_warming_up = false;  // not enough data for this reason
};

// `time_h`: hours on any axis, ascending, within one boot. Growth is upwards: for what shrinks when it is used up, give the
// values with a minus.
Trend find_trend(std::span<const double> time_h, std::span<const double> values, const TrendOptions& options = {});

// The slope of all samples alike: since it is linear in the values, slopes of parts add up to that of their sum.
double plain_slope(std::span<const double> time_h, std::span<const double> values);

}  // namespace orphan::watch
