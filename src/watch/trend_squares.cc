// SPDX-License-Identifier: Apache-2.0
#include "watch/trend_squares.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace orphan::watch {
namespace {

constexpr double kMadeUp = 1e-6;  // of a column's length that is its own

double product(const TrendColumn& a, const TrendColumn& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

void subtract(TrendColumn& from, double factor, const TrendColumn& column) {
  for (std::size_t i = 0; i < from.size(); ++i) from[i] -= factor * column[i];
}

}  // namespace

Whitener::Whitener(std::span<const std::size_t> gaps, double memory, First first)
    : is_first_kept_(first == First::Kept && memory < 1), decays_(gaps.size()), weights_(gaps.size()) {
  weights_[0] = is_first_kept_ ? std::sqrt(1 - memory * memory) : 0;
  for (std::size_t i = 1; i < gaps.size(); ++i) {
    auto gap = static_cast<double>(gaps[i]);
    decays_[i] = gaps[i] == 1 ? memory : std::pow(memory, gap);
    double variance = 1;
    if (gaps[i] != 1) variance = memory < 1 ? (1 - decays_[i] * decays_[i]) / (1 - memory * memory) : gap;
    weights_[i] = 1 / std::sqrt(variance);
    if (gaps[i] != 1) log_variances_ += std::log(variance);
  }
}

TrendColumn Whitener::operator()(const TrendColumn& column) const {
  TrendColumn result;
  result.reserve(column.size());
  if (is_first_kept_) result.push_back(column[0] * weights_[0]);
  for (std::size_t i = 1; i < column.size(); ++i) result.push_back((column[i] - decays_[i] * column[i - 1]) * weights_[i]);
  return result;
}

Squares::Squares(TrendColumn values) : residuals_(std::move(values)), rest_(product(residuals_, residuals_)) {}

bool Squares::make_orthogonal(TrendColumn& column, std::vector<double>& parts) const {
  double length = std::sqrt(product(column, column));
  for (const TrendColumn& unit : units_) {
    double part = unit.empty() ? 0 : product(unit, column);
    if (!unit.empty()) subtract(column, part, unit);
    parts.push_back(part);
  }
  double own = std::sqrt(product(column, column));
  if (own <= kMadeUp * length || own == 0) return false;
  parts.push_back(own);
  for (double& value : column) value /= own;
  return true;
}

void Squares::add(TrendColumn column) {
  std::vector<double> parts;
  if (!make_orthogonal(column, parts)) {
    column.clear();
    parts.push_back(0);
  }
  double along = column.empty() ? 0 : product(column, residuals_);
  if (!column.empty()) subtract(residuals_, along, column);
  rest_ = product(residuals_, residuals_);
  units_.push_back(std::move(column));
  upper_.push_back(std::move(parts));
  along_.push_back(along);
}

double Squares::rest_with(std::span<const TrendColumn> columns) const {
  double rest = rest_;
  std::vector<TrendColumn> own;
  for (TrendColumn column : columns) {
    std::vector<double> parts;
    double length = std::sqrt(product(column, column));
    if (!make_orthogonal(column, parts)) continue;
    for (const TrendColumn& other : own) subtract(column, product(other, column), other);
    double left = std::sqrt(product(column, column));
    if (left <= kMadeUp * length || left <= kMadeUp) continue;
    for (double& value : column) value /= left;
    double along = product(column, residuals_);
    rest -= along * along;
    own.push_back(std::move(column));
  }
  return std::max(rest, 0.0);
}

std::vector<double> Squares::factors() const {
  std::vector<double> result(units_.size());
  for (std::size_t i = units_.size(); i-- > 0;) {
    if (units_[i].empty()) continue;
    double value = along_[i];
    for (std::size_t j = i + 1; j < units_.size(); ++j) value -= upper_[j][i] * result[j];
    result[i] = value / upper_[i][i];
  }
  return result;
}

double Squares::variance_of(std::span<const double> weights) const {
  std::vector<double> solved(units_.size());
  double sum = 0;
  for (std::size_t i = 0; i < units_.size(); ++i) {
    if (units_[i].empty()) {
      if (weights[i] != 0) return std::numeric_limits<double>::infinity();
      continue;
    }
    double value = weights[i];
    for (std::size_t j = 0; j < i; ++j) value -= upper_[i][j] * solved[j];
    solved[i] = value / upper_[i][i];
    sum += solved[i] * solved[i];
  }
  return sum;
}

}  // namespace orphan::watch
