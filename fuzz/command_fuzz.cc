// SPDX-License-Identifier: Apache-2.0
// What is written to the control file: any bytes. A number that is accepted is the one that the C library reads; and of
// kmemleak's words nothing behind the 63rd byte matters.
#include <cerrno>
#include <cstdlib>

#include "detector/command.h"
#include "input.h"

using namespace orphan;

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  std::string_view text = fuzz::text_of(fuzz::Input(data, size).rest());
  auto command = parse_command(text);
  if (!command) {
    VERIFY(command.error() == EINVAL || command.error() == ERANGE);
    return 0;
  }
  std::string start(text.substr(0, kCommandBytes));
  VERIFY(parse_command(start) == command);
  switch (command->kind) {
    case Command::Kind::ScanPeriod:
    case Command::Kind::Dump:
    case Command::Kind::Age:
    case Command::Kind::Why: {
      std::size_t equals = start.find('=');
      VERIFY(equals != std::string::npos);
      VERIFY(command->number == std::strtoull(start.c_str() + equals + 1, nullptr, 0));
      return 0;
    }
    case Command::Kind::Clear:
    case Command::Kind::Off:
    case Command::Kind::On:
    case Command::Kind::StackOn:
    case Command::Kind::StackOff:
    case Command::Kind::ScanOn:
    case Command::Kind::ScanOff:
    case Command::Kind::Scan:
    case Command::Kind::Status:
    case Command::Kind::Forget: VERIFY(command->number == 0); return 0;
  }
  bug("no such command");
}
