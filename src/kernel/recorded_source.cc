// SPDX-License-Identifier: Apache-2.0
#include "kernel/recorded_source.h"

namespace orphan::kernel {

RecordingSource::RecordingSource(std::unique_ptr<Source> inner, RecordingWriter& writer)
    : inner_(std::move(inner)), writer_(writer), memory_(inner_->memory(), writer) {
  writer_.begin_epoch("start");
}

Result<std::string> RecordingSource::text(std::string_view name) {
  Result<std::string> text = inner_->text(name);
  writer_.add_text(name, text);
  return text;
}

Result<void> RecordingSource::begin(std::string_view part) {
  TRY(inner_->begin(part));
  writer_.begin_epoch(part);
  return {};
}

}  // namespace orphan::kernel
