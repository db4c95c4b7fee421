// SPDX-License-Identifier: Apache-2.0
#include "plot/png.h"

#include <cairo.h>
#include <fmt/format.h>
#include <librsvg/rsvg.h>

#include <cmath>
#include <memory>

namespace orphan::plot {
namespace {

struct Drop {
  void operator()(RsvgHandle* handle) const { g_object_unref(handle); }
  void operator()(GError* error) const { g_error_free(error); }
  void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
  void operator()(cairo_t* context) const { cairo_destroy(context); }
};
template <typename T>
using Owned = std::unique_ptr<T, Drop>;

Error failed(std::string_view why) {
  return Error(ErrorCode::Io, fmt::format("--png: the picture cannot be drawn: {}", why));
}

cairo_status_t append(void* out, const unsigned char* data, unsigned size) {
  static_cast<std::string*>(out)->append(reinterpret_cast<const char*>(data), size);
  return CAIRO_STATUS_SUCCESS;
}

}  // namespace

const bool kHasPng = true;

Result<std::string> to_png(const std::string& svg, double zoom) {
  GError* said = nullptr;
  Owned<RsvgHandle> handle(rsvg_handle_new_from_data(reinterpret_cast<const guint8*>(svg.data()), svg.size(), &said));
  Owned<GError> error(said);
  if (!handle) return failed(error->message);
  double width = 0, height = 0;
  if (rsvg_handle_get_intrinsic_size_in_pixels(handle.get(), &width, &height) == 0) return failed("it has no size");
  Owned<cairo_surface_t> surface(cairo_image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(std::ceil(width * zoom)),
                                                            static_cast<int>(std::ceil(height * zoom))));
  Owned<cairo_t> context(cairo_create(surface.get()));
  RsvgRectangle all{0, 0, width * zoom, height * zoom};
  bool is_drawn = rsvg_handle_render_document(handle.get(), context.get(), &all, &said) != 0;
  error.reset(said);
  if (!is_drawn) return failed(error->message);
  std::string png;
  cairo_status_t status = cairo_surface_write_to_png_stream(surface.get(), append, &png);
  if (status != CAIRO_STATUS_SUCCESS) return failed(cairo_status_to_string(status));
  return png;
}

}  // namespace orphan::plot
