// SPDX-License-Identifier: Apache-2.0
#include "plot/svg.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "report/format.h"
#include "report/print.h"

namespace orphan::plot {
namespace {

// Pixels.
constexpr double kLeft = 90, kRight = 20, kTop = 50, kPanelTitle = 24, kPanelHeight = 200, kAxis = 34, kLegendRow = 18;
constexpr std::size_t kValueTicks = 6, kTimeTicks = 10;
constexpr std::size_t kMostTimes = 2000;

// Numbers of a path: a hundredth of a pixel is enough.
std::string number(double value) {
  return fmt::format("{:.2f}", value);
}

class PanelDrawer {
 public:
  PanelDrawer(std::string& out, const Chart& chart, const watch::TrendReport& report, double top)
      : out_(out), chart_(chart), report_(report), top_(top) {}

  // Where it ends.
  double draw(const Panel& panel, std::size_t first_colour) {
    scale_ = scale_of(panel, kValueTicks);
    print(out_, R"(<text x="{}" y="{}" class="title">{}</text>)", kLeft, number(top_ + 14), escaped(panel.title));
    out_ += '\n';
    top_ += kPanelTitle;
    draw_axes();
    for (std::size_t i = 0; i < panel.lines.size(); ++i) {
      print(out_, R"(<path d="{}" stroke="{}"/>)", path(panel.lines[i]), colour(first_colour + i));
      out_ += '\n';
    }
    top_ += kPanelHeight + kAxis;
    for (std::size_t i = 0; i < panel.lines.size(); ++i) draw_legend(panel.lines[i], first_colour + i);
    return top_ + kLegendRow;
  }

 private:
  double x_of(double time_s) const {
    double first = chart_.time_s.front(), last = chart_.time_s.back();
    return kLeft + (last > first ? (time_s - first) / (last - first) : 0) * (kWidth - kLeft - kRight);
  }
  double y_of(double value) const { return top_ + (scale_.high - value) / (scale_.high - scale_.low) * kPanelHeight; }

  void draw_axes() {
    for (double tick : scale_.ticks) {
      print(out_, R"(<line x1="{}" x2="{}" y1="{}" y2="{}"/><text x="{}" y="{}" class="value">{}</text>)", kLeft, kWidth - kRight,
            number(y_of(tick)), number(y_of(tick)), kLeft - 8, number(y_of(tick) + 4), scale_.label(tick));
      out_ += '\n';
    }
    double bottom = top_ + kPanelHeight;
    for (const TimeTick& tick : time_ticks(chart_.time_s.front(), chart_.time_s.back(), kTimeTicks)) {
      std::string x = number(x_of(tick.time_s));
      print(out_, R"(<line x1="{}" x2="{}" y1="{}" y2="{}"/><text x="{}" y="{}" class="time">{}</text>)", x, x, number(top_),
            number(bottom + 5), x, number(bottom + 20), tick.label);
      out_ += '\n';
    }
  }

  std::string path(const Line& line) const {
    std::string path;
    bool is_drawing = false;
    for (std::size_t i = 0; i < line.values.size(); ++i) {
      if (std::isnan(line.values[i])) {
        is_drawing = false;
        continue;
      }
      // A point alone is a line that goes nowhere: its round ends are seen.
      std::string x = number(x_of(chart_.time_s[i])), y = number(y_of(line.values[i]));
      path += is_drawing ? fmt::format("L{} {}", x, y) : fmt::format("M{} {}h0", x, y);
      is_drawing = true;
    }
    return path;
  }

  void draw_legend(const Line& line, std::size_t number_of_line) {
    const watch::TrendRow& row = report_.rows[line.row];
    std::string text = fmt::format("{}: {}", line.name, word(row.trend.verdict));
    if (row.trend.verdict == watch::Verdict::Growing)
      text += fmt::format(", {}{} ({})", row.is_free_memory ? "taken by " : "by ", rate_text(row), interval_text(row));
    print(out_, R"(<path d="M{} {}h20" stroke="{}"/><text x="{}" y="{}">{}</text>)", kLeft, number(top_ + 8),
          colour(number_of_line), kLeft + 28, number(top_ + 12), escaped(text));
    out_ += '\n';
    top_ += kLegendRow;
  }

  std::string& out_;
  const Chart& chart_;
  const watch::TrendReport& report_;
  double top_;
  Scale scale_;
};

}  // namespace

std::string_view colour(std::size_t number) {
  constexpr std::array<std::string_view, kColours> kAll{"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                        "#e69f00", "#56b4e9", "#8c564b", "#7f7f7f"};
  return kAll[number % kColours];
}

std::string escaped(std::string_view text) {
  std::string result;
  for (char c : text) {
    switch (c) {
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '&': result += "&amp;"; break;
      case '"': result += "&quot;"; break;
      case '\'': result += "&#39;"; break;
      default: result += c < ' ' || c > '~' ? '?' : c;
    }
  }
  return result;
}

std::string to_svg(const Chart& whole, const watch::TrendReport& report) {
  Chart chart = thinned(whole, kMostTimes);
  std::string body;
  double top = kTop;
  std::size_t first = 0;
  for (const Panel& panel : chart.panels) {
    top = PanelDrawer(body, chart, report, top).draw(panel, first);
    first += panel.lines.size();
  }
  std::string title = title_of(report);
  std::string out = fmt::format(
      R"(<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="img">
<title>{2}</title>
<style>
text {{ font: 12px sans-serif; fill: black; }}
.heading {{ font-size: 16px; }}
.title {{ font-weight: bold; }}
.value {{ text-anchor: end; }}
.time {{ text-anchor: middle; }}
line {{ stroke: #ddd; stroke-width: 1; }}
path {{ fill: none; stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round; }}
</style>
<rect width="100%" height="100%" fill="#fff"/>
<text x="{3}" y="28" class="heading">{2}</text>
)",
      kWidth, number(top), escaped(title), kLeft);
  return out + body + "</svg>\n";
}

}  // namespace orphan::plot
