// SPDX-License-Identifier: Apache-2.0
// `orphan plot`: the samples of one boot, drawn in the terminal or into files.
#include "cli/plot.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

#include "cli/session.h"
#include "plot/html.h"
#include "plot/png.h"
#include "plot/svg.h"
#include "plot/terminal.h"

namespace orphan::cli {
namespace {

constexpr double kPngZoom = 2;  // for screens with small pixels, and for print

plot::TerminalSize terminal_size() {
  winsize size{};
  plot::TerminalSize result{.columns = 100, .rows = 40};  // of a pipe
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col != 0 && size.ws_row != 0)
    result = {.columns = size.ws_col, .rows = size.ws_row};
  return result;
}

bool has_colours() {
  const char* no_colour = std::getenv("NO_COLOR");  // NOLINT(concurrency-mt-unsafe): nobody changes it
  return ::isatty(STDOUT_FILENO) != 0 && (no_colour == nullptr || *no_colour == '\0');
}

struct Drawing {
  watch::TrendReport report;
  plot::Chart chart;
};

Result<Drawing> draw(const PlotCommand& command, Session& session) {
  if (!command.png.empty() && !plot::kHasPng) return plot::to_png("", 1).error();
  for (const std::string* path : {&command.svg, &command.png, &command.html}) {
    if (!path->empty()) TRY(session.check(*path));
  }
  session.step("reading samples");
  const watch::TrendSamples samples = TRY(watch::read_trend_samples(command.store, command.since_h));
  session.step("looking for trends");
  Drawing drawing;
  drawing.report = watch::judge(samples, {.min_bytes_a_day = static_cast<double>(command.min_bytes_a_day)}, ORPHAN_VERSION);
  drawing.chart = TRY(plot::make_chart(samples, drawing.report, {.top = command.top, .names = command.series}));
  return drawing;
}

Result<void> write_files(const PlotCommand& command, const Drawing& drawing) {
  if (!command.html.empty()) TRY(write_output(command.html, plot::to_html(drawing.chart, drawing.report)));
  if (command.svg.empty() && command.png.empty()) return {};
  std::string svg = plot::to_svg(drawing.chart, drawing.report);
  if (!command.svg.empty()) TRY(write_output(command.svg, svg));
  if (command.png.empty()) return {};
  std::string png = TRY(plot::to_png(svg, kPngZoom));
  return write_output(command.png, png);
}

}  // namespace

int run_plot(const PlotCommand& command) {
  Session session;
  Result<Drawing> drawing = draw(command, session);
  if (!drawing) return session.fail(drawing.error());
  if (command.svg.empty() && command.png.empty() && command.html.empty())
    return session.finish("", plot::to_terminal(drawing->chart, drawing->report, terminal_size(), has_colours()), kClean);
  Result<void> written = write_files(command, *drawing);
  if (!written) return session.fail(written.error());
  session.finish("", "", kClean);
  return kClean;
}

}  // namespace orphan::cli
