// SPDX-License-Identifier: Apache-2.0
#include "kernel/type_guess.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace orphan::kernel {
namespace {

constexpr std::size_t kMostHolders = 64;
constexpr std::size_t kMostNamed = 3;  // more types that fit are as good as none
constexpr std::string_view kStruct = "struct ";

// How variables are called that are tables of these types. Where the type's own name is the end of the variable's no entry is
// needed.
struct TableName {
  std::string_view ending, type;
};
constexpr std::array kTableNames{TableName{"fops", "file_operations"},
                                 TableName{"file_ops", "file_operations"},
                                 TableName{"netdev_ops", "net_device_ops"},
                                 TableName{"inode_ops", "inode_operations"},
                                 TableName{"dentry_ops", "dentry_operations"},
                                 TableName{"vm_ops", "vm_operations_struct"},
                                 TableName{"aops", "address_space_operations"},
                                 TableName{"super_ops", "super_operations"},
                                 TableName{"sops", "super_operations"},
                                 TableName{"seq_ops", "seq_operations"},
                                 TableName{"ktype", "kobj_type"}};

bool ends_with_word(std::string_view name, std::string_view ending) {
  if (!name.ends_with(ending)) return false;
  return name.size() == ending.size() || name[name.size() - ending.size() - 1] == '_';
}

// The size of the next smaller kmalloc cache: what fits there would not have been put into this one.
u64 smaller_class(u64 size) {
  constexpr std::array<u64, 13> kSizes{8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192};  // since v2.6
  u64 smaller = 0;
  for (u64 candidate : kSizes) {
    if (candidate < size) smaller = candidate;
  }
  return smaller;
}

}  // namespace

const Btf* TypeGuess::module(const std::string& name) const {
  auto [known, is_new] = modules_.try_emplace(name);
  if (!is_new) return known->second.get();
  auto text = text_of_(module_folder_ + name);
  if (!text) return nullptr;  // built without, or gone
  auto types = Btf::parse(*text, name, &kernel_);
  if (types) known->second = std::make_unique<Btf>(std::move(*types));
  return known->second.get();
}

// The type of a table of functions, by the name of the variable: the longest struct's name that it ends with.
std::string TypeGuess::table_type(std::string_view symbol, const Btf* module) const {
  auto has = [&](std::string_view type) { return kernel_.has(type) || (module != nullptr && module->has(type)); };
  for (std::size_t at = 0; at != std::string_view::npos && at < symbol.size();) {
    std::string_view ending = symbol.substr(at);
    if (ending.find('_') != std::string_view::npos && has(ending)) return std::string(ending);
    std::size_t next = symbol.find('_', at);
    at = next == std::string_view::npos ? next : next + 1;
  }
  for (const TableName& name : kTableNames) {
    if (ends_with_word(symbol, name.ending) && has(name.type)) return std::string(name.type);
  }
  return {};
}

// What stands in most objects of the group says what they are.
std::vector<TypeGuess::Table> TypeGuess::tables_in(const Leak& leak) const {
  std::vector<Table> tables;
  u64 most = 0;
  for (const Evidence& evidence : leak.evidence) most = std::max(most, evidence.count);
  for (const Evidence& evidence : leak.evidence) {
    if (evidence.kind != Evidence::Kind::Symbol || evidence.count * 2 <= most) continue;
    std::string_view text = evidence.text;
    Table table;
    table.symbol = text.substr(0, text.find(' '));
    table.offset_bytes = evidence.offset_bytes;
    if (table.symbol.find('+') != std::string::npos) continue;  // into the middle of it
    if (std::size_t bracket = text.find('['); bracket != std::string_view::npos && text.ends_with(']'))
      table.module = text.substr(bracket + 1, text.size() - bracket - 2);
    table.type = table_type(table.symbol, table.module.empty() ? nullptr : module(table.module));
    if (!table.type.empty()) tables.push_back(std::move(table));
  }
  return tables;
}

std::vector<Btf::Holder> TypeGuess::holders(const Leak& leak, const Table& table) const {
  bool is_class = leak.cache.starts_with("kmalloc-") && smaller_class(leak.object_size_bytes + 1) == leak.object_size_bytes;
  u64 smallest = is_class ? smaller_class(leak.object_size_bytes) + 1 : leak.object_size_bytes;
  Btf::HolderQuery query{table.type, table.offset_bytes, smallest, leak.object_size_bytes, kMostHolders};
  std::vector<Btf::Holder> found = kernel_.holders(query);
  const Btf* types = table.module.empty() ? nullptr : module(table.module);
  if (types == nullptr) return found;
  for (Btf::Holder& holder : types->holders(query)) found.push_back(std::move(holder));
  return found;
}

void TypeGuess::guess(Leak& leak) const {
  if (!leak.type.empty() || leak.kind != BlockKind::Slab) return;
  std::vector<Btf::Holder> fitting;
  std::string reason;
  bool may_be_unknown = false;  // a type of a module that does not tell its types
  std::size_t agreeing = 0;
  for (const Table& table : tables_in(leak)) {
    std::vector<Btf::Holder> found = holders(leak, table);
    if (!reason.empty()) {
      // All tables have to fit the same type.
      std::erase_if(found, [&](const Btf::Holder& holder) {
        return std::ranges::find(fitting, holder.type, &Btf::Holder::type) == fitting.end();
      });
    }
    if (found.empty()) continue;
    fitting = std::move(found);
    ++agreeing;
    may_be_unknown |= !table.module.empty() && module(table.module) == nullptr;
    reason += fmt::format("{}{} (struct {}) is where its member {} is", reason.empty() ? "" : ", ", table.symbol, table.type,
                          fitting[0].member);
  }
  if (fitting.empty() || fitting.size() > kMostNamed || (may_be_unknown && agreeing < 2)) return;
  leak.type = std::string(kStruct) + fitting[0].type;
  leak.type_reason = reason + ", and its size fits";
  for (std::size_t i = 1; i < fitting.size(); ++i) leak.type_reason += fmt::format("; or struct {}", fitting[i].type);
}

const Btf* TypeGuess::btf_with(std::string_view type) const {
  if (kernel_.has(type)) return &kernel_;
  for (const auto& [name, types] : modules_) {
    if (types && types->has(type)) return types.get();
  }
  auto folder = text_of_(module_folder_);
  if (!folder) return nullptr;
  for (const Entry& entry : parse_directory(*folder)) {
    if (entry.name == "vmlinux") continue;
    const Btf* types = module(std::string(entry.name));
    if (types != nullptr && types->has(type)) return types;
  }
  return nullptr;
}

void TypeGuess::name_fields(Leak& leak) const {
  if (!leak.type.starts_with(kStruct) || leak.type_reason.find("; or ") != std::string::npos) return;
  std::string_view type = std::string_view(leak.type).substr(kStruct.size());
  const Btf* types = btf_with(type);
  if (types == nullptr) return;
  for (Evidence& evidence : leak.evidence) evidence.field = types->member_at(type, evidence.offset_bytes);
}

}  // namespace orphan::kernel
