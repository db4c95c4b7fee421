// SPDX-License-Identifier: Apache-2.0
// Least squares by orthogonal columns (modified Gram-Schmidt), and the change of scale that takes the memory out of AR(1) noise,
// so that least squares are right for it.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

namespace orphan::watch {

using TrendColumn = std::vector<double>;

// Turns a column of points into one in which noise with this memory is independent and of one size.
class Whitener {
 public:
  // The first point has nothing before it: it is kept with the weight of all that it stands for, or left out, and always if the
  // memory is 1, for then it says nothing.
  enum class First { Kept, Left };
  Whitener(std::span<const std::size_t> gaps, double memory, First first);

  TrendColumn operator()(const TrendColumn& column) const;
  std::size_t points() const { return is_first_kept_ ? decays_.size() : decays_.size() - 1; }
  // The sum of the logarithms of the variances that the points had.
  double log_variances() const { return log_variances_; }

 private:
  bool is_first_kept_;
  std::vector<double> decays_;   // how much of a deviation is left at the next point
  std::vector<double> weights_;  // one over the deviation of what is new there
  double log_variances_ = 0;
};

class Squares {
 public:
  explicit Squares(TrendColumn values);
  // A column that the ones before it can make up gets the factor 0.
  void add(TrendColumn column);

  double rest() const { return rest_; }  // the sum of squares that is left over
  const TrendColumn& residuals() const { return residuals_; }
  // What rest() would be with these columns, too.
  double rest_with(std::span<const TrendColumn> columns) const;
  std::vector<double> factors() const;
  // The variance of a weighted sum of factors, for noise of variance 1; infinite if a column with a weight was made up.
  double variance_of(std::span<const double> weights) const;

 private:
  bool make_orthogonal(TrendColumn& column, std::vector<double>& parts) const;

  TrendColumn residuals_;
  double rest_ = 0;
  std::vector<TrendColumn> units_;          // orthogonal, of length 1; empty for a column that was made up
  std::vector<std::vector<double>> upper_;  // of each column: its parts along the units, its own last
  std::vector<double> along_;               // the values along the units
};

}  // namespace orphan::watch
