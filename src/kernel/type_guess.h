// SPDX-License-Identifier: Apache-2.0
// What type a block is likely to have, told by the tables of functions that it points to: of all structs of its size few have a
// pointer to a struct file_operations just there. And the names of the members where something was found.
#pragma once
#include <map>
#include <memory>

#include "kernel/btf.h"
#include "kernel/source.h"
#include "report/report.h"

namespace orphan::kernel {

class TypeGuess {
 public:
  // `kernel` must outlive this. `module_folder` has a file of BTF for each module.
  TypeGuess(const Btf& kernel, TextOf text_of, std::string module_folder)
      : kernel_(kernel), text_of_(std::move(text_of)), module_folder_(std::move(module_folder)) {}

  // Gives the group a likely type where it has none and its evidence tells one, with the reason.
  void guess(Leak& leak) const;
  // Names the member at each piece of evidence, where the type is known or likely.
  void name_fields(Leak& leak) const;

 private:
  struct Table {
    std::string type;    // of the table: "file_operations"
    std::string symbol;  // "ext4_file_operations"
    std::string module;
    u32 offset_bytes = 0;
  };
  std::vector<Table> tables_in(const Leak& leak) const;
  std::string table_type(std::string_view symbol, const Btf* module) const;
  std::vector<Btf::Holder> holders(const Leak& leak, const Table& table) const;
  const Btf* module(const std::string& name) const;
  const Btf* btf_with(std::string_view type) const;

  const Btf& kernel_;
  TextOf text_of_;
  std::string module_folder_;
  mutable std::map<std::string, std::unique_ptr<Btf>, std::less<>> modules_;  // null: there is none
};

}  // namespace orphan::kernel
