// SPDX-License-Identifier: Apache-2.0
// Result<T>: a value or an Error. Expected failures travel as values; context is added once, where the thing's name is known.
#pragma once
#include <expected>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/types.h"
#include "base/verify.h"

namespace orphan {

enum class ErrorCode : u8 {
  NotMapped,    // nothing is mapped at that address: normal while reading a live target
  NotFound,     // a file, symbol, type or member that does not exist
  Io,           // the operating system refused or failed
  Permission,   // it would work with more rights
  BadData,      // bytes that do not add up
  Unsupported,  // a target or kernel that this build cannot read
  Interrupted,  // the user asked to stop
  Usage,        // the command line is wrong
  OutOfMemory,  // a limit of ours was reached
};

// What failed, on what, why, and what to do: one line, without a full stop at its end. NotMapped carries no text, so that
// it costs nothing.
class Error {
 public:
  Error(ErrorCode code) : code_(code) {}
  Error(ErrorCode code, std::string text) : code_(code), text_(std::move(text)) {}

  ErrorCode code() const { return code_; }
  const std::string& text() const { return text_; }
  Error in(std::string_view context) && {
    text_ = text_.empty() ? std::string(context) : std::string(context) + ": " + text_;
    return std::move(*this);
  }

 private:
  ErrorCode code_;
  std::string text_;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result()
    requires std::is_void_v<T>
  = default;
  template <typename U = T>
    requires(!std::is_void_v<T> && std::is_constructible_v<T, U &&> && !std::is_same_v<std::remove_cvref_t<U>, Result> &&
             !std::is_same_v<std::remove_cvref_t<U>, Error>)
  Result(U&& value) : value_(std::forward<U>(value)) {}
  Result(Error error) : value_(std::unexpect, std::move(error)) {}

  explicit operator bool() const { return value_.has_value(); }
  const Error& error() const& {
    VERIFY(!value_.has_value());
    return value_.error();
  }
  Error&& error() && {
    VERIFY(!value_.has_value());
    return std::move(value_).error();
  }
  decltype(auto) operator*() & {
    VERIFY(value_.has_value());
    return *value_;
  }
  decltype(auto) operator*() const& {
    VERIFY(value_.has_value());
    return *value_;
  }
  decltype(auto) operator*() && {
    VERIFY(value_.has_value());
    return *std::move(value_);
  }
  auto* operator->() {
    VERIFY(value_.has_value());
    return &*value_;
  }
  const auto* operator->() const {
    VERIFY(value_.has_value());
    return &*value_;
  }
  void take() &&
    requires std::is_void_v<T>
  {}
  T take() &&
    requires std::negation_v<std::is_void<T>>
  {
    VERIFY(value_.has_value());
    return *std::move(value_);
  }

 private:
  std::expected<T, Error> value_;
};

// TRY(expr): the value of a Result, or return its error from this function. Not among the initialisers of an aggregate, behind
// others: what these have made already g++ does not destroy when the function returns there.
#define TRY(expression)                                      \
  __extension__({                                            \
    auto try_result_ = (expression);                         \
    if (!try_result_) return std::move(try_result_).error(); \
    std::move(try_result_).take();                           \
  })

}  // namespace orphan
