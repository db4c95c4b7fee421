// SPDX-License-Identifier: Apache-2.0
#include "plot/terminal.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "report/format.h"
#include "report/print.h"

namespace orphan::plot {
namespace {

// Of the 256 that terminals have: readable on black and on white.
constexpr std::array<int, kColours> kCodes{33, 166, 36, 170, 172, 74, 130, 244};
constexpr std::size_t kFewestRows = 5, kMostRows = 20;
constexpr std::size_t kNoColour = kColours;
constexpr std::size_t kCharactersATick = 14, kRowsATick = 2, kFewestTicks = 3;

std::string in_colour(std::string_view text, std::size_t colour, bool has_colours) {
  if (!has_colours || colour == kNoColour) return std::string(text);
  return fmt::format("\x1b[38;5;{}m{}\x1b[0m", kCodes[colour % kColours], text);
}

char letter(std::size_t number) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  return kLetters[number % kLetters.size()];
}

// Dots, two by four in a character.
class Canvas {
 public:
  Canvas(std::size_t columns, std::size_t rows) : columns_(columns), rows_(rows), cells_(columns * rows) {}

  std::size_t dots_across() const { return 2 * columns_; }
  std::size_t dots_down() const { return 4 * rows_; }

  // From 0 at the left, and at the top.
  void dot(std::size_t x, std::size_t y, std::size_t colour) {
    constexpr std::array<std::array<u8, 2>, 4> kBits{{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}};
    VERIFY(x < dots_across() && y < dots_down());
    Cell& cell = cells_[y / 4 * columns_ + x / 2];
    cell.bits |= kBits[y % 4][x % 2];
    cell.colour = colour;
  }
  void line(double x0, double y0, double x1, double y1, std::size_t colour) {
    auto steps = static_cast<std::size_t>(std::ceil(std::max({std::abs(x1 - x0), std::abs(y1 - y0), 1.0})));
    for (std::size_t i = 0; i <= steps; ++i) {
      double part = static_cast<double>(i) / static_cast<double>(steps);
      dot(static_cast<std::size_t>(std::lround(x0 + part * (x1 - x0))),
          static_cast<std::size_t>(std::lround(y0 + part * (y1 - y0))), colour);
    }
  }
  std::string row(std::size_t number, bool has_colours) const {
    std::string text;
    for (std::size_t column = 0; column < columns_; ++column) {
      const Cell& cell = cells_[number * columns_ + column];
      if (cell.bits == 0) {
        text += ' ';
        continue;
      }
      // U+2800 and the bits, in UTF-8.
      std::string braille{'\xe2', static_cast<char>(0xa0 | (cell.bits >> 6)), static_cast<char>(0x80 | (cell.bits & 0x3f))};
      text += in_colour(braille, cell.colour, has_colours);
    }
    return text;
  }

 private:
  struct Cell {
    u8 bits = 0;
    std::size_t colour = kNoColour;
  };
  std::size_t columns_, rows_;
  std::vector<Cell> cells_;
};

struct Place {
  double x = 0, y = 0;  // dots
};

class PanelPrinter {
 public:
  PanelPrinter(const Chart& chart, const Panel& panel, std::size_t first_colour, TerminalSize size, bool has_colours)
      : chart_(chart),
        panel_(panel),
        first_colour_(first_colour),
        has_colours_(has_colours),
        scale_(scale_of(panel, std::max(kFewestTicks, size.rows / kRowsATick))),
        canvas_(1, 1),
        rows_(size.rows),
        ends_(size.rows, kNoEnd) {
    for (double tick : scale_.ticks) label_width_ = std::max(label_width_, scale_.label(tick).size());
    columns_ = std::max<std::size_t>(size.columns, label_width_ + 24) - label_width_ - 5;
    canvas_ = Canvas(columns_, rows_);
  }

  void print_to(std::string& out) {
    for (std::size_t i = 0; i < panel_.lines.size(); ++i) draw(i);
    print(out, "{}\n", panel_.title);
    for (std::size_t row = 0; row < rows_; ++row) {
      std::string label = label_of(row);
      std::string line =
          fmt::format("{:>{}} {}{}", label, label_width_, label.empty() ? "│" : "┤", canvas_.row(row, has_colours_));
      if (ends_[row] != kNoEnd)
        line += fmt::format(" {}", in_colour(std::string(1, letter(ends_[row])), ends_[row], has_colours_));
      out += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
    }
    print_time_axis(out);
  }

 private:
  static constexpr std::size_t kNoEnd = static_cast<std::size_t>(-1);

  double x_of(double time_s) const {
    double first = chart_.time_s.front(), last = chart_.time_s.back();
    return last > first ? (time_s - first) / (last - first) * static_cast<double>(canvas_.dots_across() - 1) : 0;
  }
  double y_of(double value) const {
    return (scale_.high - value) / (scale_.high - scale_.low) * static_cast<double>(canvas_.dots_down() - 1);
  }

  void draw(std::size_t number) {
    const Line& line = panel_.lines[number];
    std::size_t colour = first_colour_ + number;
    std::optional<Place> before;
    std::optional<double> last;
    for (std::size_t i = 0; i < line.values.size(); ++i) {
      if (std::isnan(line.values[i])) {
        before.reset();
        continue;
      }
      Place here{x_of(chart_.time_s[i]), y_of(line.values[i])};
      Place from = before.value_or(here);
      canvas_.line(from.x, from.y, here.x, here.y, colour % kColours);
      before = here;
      last = here.y;
    }
    if (last) put_end(static_cast<std::size_t>(*last) / 4, colour);
  }

  // At the row, or at the nearest where no other line ends.
  void put_end(std::size_t row, std::size_t number) {
    for (std::size_t distance = 0; distance < rows_; ++distance) {
      for (std::size_t at : {row - distance, row + distance}) {
        if (at >= rows_ || ends_[at] != kNoEnd) continue;
        ends_[at] = number;
        return;
      }
    }
  }

  std::string label_of(std::size_t row) const {
    for (double tick : scale_.ticks) {
      if (static_cast<std::size_t>(std::lround(y_of(tick))) / 4 == row) return scale_.label(tick);
    }
    return {};
  }

  void print_time_axis(std::string& out) const {
    std::vector<std::string> axis(columns_, "─");
    std::string labels(label_width_ + 2 + columns_ + 8, ' ');
    std::size_t free_from = 0;
    for (const TimeTick& tick : time_ticks(chart_.time_s.front(), chart_.time_s.back(), columns_ / kCharactersATick)) {
      auto column = static_cast<std::size_t>(x_of(tick.time_s)) / 2;
      axis[column] = "┬";
      std::size_t middle = label_width_ + 2 + column, at = middle - std::min(middle, tick.label.size() / 2);
      if (at < free_from || at + tick.label.size() > labels.size()) continue;
      labels.replace(at, tick.label.size(), tick.label);
      free_from = at + tick.label.size() + 1;
    }
    out += fmt::format("{:>{}} └{}\n", "", label_width_, fmt::join(axis, ""));
    out += labels.substr(0, labels.find_last_not_of(' ') + 1) + '\n';
  }

  const Chart& chart_;
  const Panel& panel_;
  std::size_t first_colour_;
  bool has_colours_;
  Scale scale_;
  Canvas canvas_;
  std::size_t rows_, columns_ = 0, label_width_ = 0;
  std::vector<std::size_t> ends_;  // the line that ends at a row
};

void add_legend(std::string& out, const Chart& chart, const watch::TrendReport& report, std::size_t columns, bool has_colours) {
  std::size_t number = 0, width = 0;
  for (const Panel& panel : chart.panels) {
    for (const Line& line : panel.lines) width = std::max(width, line.name.size());
  }
  for (const Panel& panel : chart.panels) {
    for (const Line& line : panel.lines) {
      const watch::TrendRow& row = report.rows[line.row];
      std::string text = fmt::format("{} {:<{}} {}", letter(number), line.name, width, word(row.trend.verdict));
      bool has_rate = row.trend.verdict == watch::Verdict::Growing || row.trend.verdict == watch::Verdict::Sawtooth;
      if (has_rate) text += fmt::format(" {}{}", row.is_free_memory ? "taken " : "", rate_text(row));
      if (text.size() > columns) text.resize(columns);
      print(out, "{}\n", in_colour(text, number, has_colours));
      ++number;
    }
  }
}

}  // namespace

std::string to_terminal(const Chart& chart, const watch::TrendReport& report, TerminalSize size, bool has_colours) {
  std::string out = title_of(report) + "\n\n";
  std::size_t lines = 0, panels = std::max<std::size_t>(chart.panels.size(), 1);
  for (const Panel& panel : chart.panels) lines += panel.lines.size();
  std::size_t others = 3 + lines + 3 * panels + 1;  // rows that are no canvas
  std::size_t rows = std::clamp((size.rows - std::min(size.rows, others)) / panels, kFewestRows, kMostRows);
  std::size_t first = 0;
  for (const Panel& panel : chart.panels) {
    PanelPrinter(chart, panel, first, {.columns = size.columns, .rows = rows}, has_colours).print_to(out);
    first += panel.lines.size();
  }
  out += '\n';
  add_legend(out, chart, report, size.columns, has_colours);
  return out;
}

}  // namespace orphan::plot
