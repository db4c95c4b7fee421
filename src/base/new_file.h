// SPDX-License-Identifier: Apache-2.0
// A file that appears whole or not at all: what is written goes to a file without a name (or, where the file system has no such
// thing, with a temporary one) in the same directory, is synced, and then takes the name. Its mode is 0600.
#pragma once
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/fd.h"

namespace orphan {

class NewFile {
 public:
  // `what` is for the errors: "cannot write the report to PATH: No space left on device; make room there …".
  static Result<NewFile> create(const std::string& path, std::string_view what);

  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&&) = delete;
  // Without commit() nothing is left behind.
  ~NewFile();

  Result<void> write(Bytes bytes);
  // Takes the place of what is at the path, a symbolic link itself. Once, at the end.
  Result<void> commit();

 private:
  NewFile(std::string path, std::string_view what) : path_(std::move(path)), what_(what) {}
  Error failed(int error_number) const;
  int name_it(const std::string& directory);

  std::string path_;
  std::string what_;
  std::string temporary_;  // empty: the file has no name
  Fd fd_;
};

// The error of a failed system call on something that was to be written, and what to do about it.
Error write_error(std::string_view what, std::string_view name, int error_number);

// "./" for a name without one.
std::string directory_of(const std::string& path);

}  // namespace orphan
