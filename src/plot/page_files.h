// SPDX-License-Identifier: Apache-2.0
// The files of which the page is made, as they were when the program was built.
#pragma once
#include <string_view>

namespace orphan::plot {

extern const std::string_view kPageHtml, kPageCss, kPageJs, kUplotJs, kUplotCss, kUplotLicense;

}  // namespace orphan::plot
