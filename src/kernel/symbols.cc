// SPDX-License-Identifier: Apache-2.0
#include "kernel/symbols.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include "base/fd.h"

namespace orphan::kernel {

namespace {

// Far above any kernel (6.12 has 154,000 symbols in 2 MiB), and small enough to allocate on a damaged target's word.
constexpr u32 kMaxSymbols = 4 << 20;
constexpr u64 kMaxNamesSize = 64 << 20;
constexpr u64 kMaxText = 256 << 20;  // of /proc/kallsyms
constexpr std::size_t kMaxLine = 1 << 18;
// The end of the names is known only when all have been walked: a smaller piece costs calls, a bigger one is read in vain.
constexpr u64 kPiece = 64 << 10;
constexpr u64 kPageSize = 4096;
constexpr u32 kMarkerStep = 256;

// Reads as much of `out` as is mapped from `at`, at least up to the end of the page: a table may end close to the end of
// what is mapped.
Result<u64> read_some(const Memory& memory, Addr at, std::span<std::byte> out) {
  u64 to_page_end = kPageSize - at.value % kPageSize;
  for (u64 size = out.size();; size = std::max(size / 2, to_page_end)) {
    auto done = memory.read(at, out.first(size));
    if (done) return size;
    if (done.error().code() != ErrorCode::NotMapped || size <= to_page_end) return std::move(done).error();
  }
}

Error unreadable(std::string_view what, Addr at) {
  return {ErrorCode::BadData, fmt::format("the kernel's symbol table: {} at {:#x} cannot be read", what, at.value)};
}

Error bad_table(std::string_view why) {
  return {ErrorCode::BadData, fmt::format("the kernel's symbol table does not add up: {}", why)};
}

Result<Addr> locate(const Vmcoreinfo& info, std::string_view symbol) {
  if (auto at = info.symbol(symbol)) return *at;
  return Error(ErrorCode::NotFound,
               fmt::format("VMCOREINFO has no SYMBOL({}): a kernel before 6.0, or without CONFIG_KALLSYMS", symbol));
}

bool is_text(char type) {
  return type == 't' || type == 'T' || type == 'w' || type == 'W';
}

// One entry of the compressed names: its size, in one or two bytes, and that many tokens. walk_names() checks that they are
// there, once.
struct Entry {
  const std::byte* tokens;
  u32 size;

  const std::byte* end() const { return tokens + size; }
};
constexpr u64 kLongestEntryHeader = 2;
inline Entry entry_at(const std::byte* at) {
  u32 size = static_cast<u32>(at[0]);
  ++at;
  // Two bytes of ULEB128 since 6.1 (73bbb94466fd); before, no name was that long.
  if ((size & 0x80) != 0) size = (size & 0x7f) | static_cast<u32>(*at++) << 7;
  return {at, size};
}

// The first characters of a name that a pass compares before it decodes the rest: as many as a u64 has beside the type.
constexpr u64 kKeyCharacters = 7;
u64 key_of(std::string_view name) {
  u64 key = 0;
  for (u64 i = 0; i < std::min<u64>(kKeyCharacters, name.size()); ++i) {
    key |= u64{static_cast<u8>(name[i])} << (8 * i);
  }
  return key;
}

// The wanted names of one pass, by hashes of their beginnings.
class Wanted {
 public:
  static constexpr u32 kNone = ~u32{0};

  explicit Wanted(std::span<const std::string_view> names) : names_(names), next_(names.size(), kNone) {
    first_.fill(kNone);
    for (u32 i = static_cast<u32>(names.size()); i-- > 0;) {
      u64 key = key_of(names[i]);
      u32& first = first_[slot_of(key)];
      next_[i] = first;
      first = i;
      for (u32 characters = 1; characters <= kKeyCharacters; ++characters) {
        begins_[slot_of(key & ((u64{1} << (8 * characters)) - 1))] |= bit_of(std::min<u64>(characters, names[i].size()));
      }
    }
  }
  // Whether a name may begin with the `characters` characters of this key (the others are zero), or is they.
  bool begins(u64 key, u32 characters) const { return (begins_[slot_of(key)] & bit_of(characters)) != 0; }
  // The names that may have this key: the first, and the next ones.
  u32 first(u64 key) const { return first_[slot_of(key)]; }
  u32 next(u32 index) const { return next_[index]; }
  std::string_view name(u32 index) const { return names_[index]; }

 private:
  static constexpr int kSlotBits = 12;
  static u64 slot_of(u64 key) { return (key * 0x9E37'79B9'7F4A'7C15) >> (64 - kSlotBits); }
  static u8 bit_of(u64 characters) { return static_cast<u8>(1U << characters); }

  std::span<const std::string_view> names_;
  std::array<u32, 1 << kSlotBits> first_;
  std::array<u8, 1 << kSlotBits> begins_{};
  std::vector<u32> next_;
};

}  // namespace

// --- Out of the kernel's memory ---

Result<Symbols> Symbols::from_memory(const Memory& memory, const Vmcoreinfo& info) {
  Addr names = TRY(locate(info, "kallsyms_names"));
  Addr count = TRY(locate(info, "kallsyms_num_syms"));
  Addr token_table = TRY(locate(info, "kallsyms_token_table"));
  Addr token_index = TRY(locate(info, "kallsyms_token_index"));
  Addr stext = TRY(locate(info, "_stext"));

  Symbols symbols;
  auto counted = read_value<u32>(memory, count);
  if (!counted) return unreadable("kallsyms_num_syms", count);
  if (*counted == 0 || *counted > kMaxSymbols) return bad_table(fmt::format("it has {} symbols", *counted));
  symbols.count_ = *counted;
  TRY(symbols.load_tokens(memory, token_table, token_index));
  TRY(symbols.load_names(memory, names));
  TRY(symbols.load_addresses(memory, info));
  symbols.set_image(stext);
  return symbols;
}

Result<void> Symbols::load_tokens(const Memory& memory, Addr table, Addr index) {
  std::array<u16, 256> starts;
  if (!memory.read(index, std::as_writable_bytes(std::span(starts)))) return unreadable("kallsyms_token_index", index);
  // The table has no length: its last token starts where the index says, and is shorter than a name.
  std::string text(*std::ranges::max_element(starts) + kMaxName, '\0');
  auto got = read_some(memory, table, std::as_writable_bytes(std::span(text)));
  if (!got) return unreadable("kallsyms_token_table", table);
  text.resize(*got);

  for (std::size_t i = 0; i < starts.size(); ++i) {
    std::size_t end = text.find('\0', starts[i]);
    if (end == std::string::npos || end - starts[i] >= kMaxName)
      return bad_table(fmt::format("token {} starts at {} and does not end", i, starts[i]));
    Token& token = tokens_[i];
    token.start = starts[i];
    token.size = static_cast<u16>(end - starts[i]);
    for (u64 c = 0; c < std::min<u64>(token.size, sizeof token.head); ++c) {
      token.head |= u64{static_cast<u8>(text[token.start + c])} << (8 * c);
    }
  }
  token_text_ = std::move(text);
  return {};
}

Result<void> Symbols::load_names(const Memory& memory, Addr names) {
  // Stock kernels have 12 to 14 bytes a name; room that is not used is not touched either.
  constexpr u64 kUsualNameSize = 16;
  names_.reserve(count_ * kUsualNameSize + kPiece);
  markers_.reserve(count_ / kMarkerStep + 1);
  u32 walked = 0;
  u64 position = 0;
  while (walked < count_) {
    u64 used = names_.size();
    if (used > kMaxNamesSize) return bad_table(fmt::format("{} names in more than {} bytes", count_, kMaxNamesSize));
    // Pieces end with a page, so that what is mapped ends with a piece.
    u64 piece = kPiece - (names + used).value % kPageSize;
    names_.resize(used + piece);
    auto got = read_some(memory, names + used, std::span(names_).subspan(used));
    if (!got) return unreadable("kallsyms_names", names + used);
    names_.resize(used + *got);
    TRY(walk_names(walked, position));
  }
  names_.resize(position);
  return {};
}

// Walks the whole entries from `position` on that are in names_, up to the last symbol.
Result<void> Symbols::walk_names(u32& walked, u64& position) {
  while (walked < count_ && position + kLongestEntryHeader <= names_.size()) {
    Entry entry = entry_at(names_.data() + position);
    if (entry.size == 0) return bad_table(fmt::format("symbol {} has no name", walked));
    auto tokens_at = static_cast<u64>(entry.tokens - names_.data());
    if (entry.size > names_.size() - tokens_at) break;
    if (walked % kMarkerStep == 0) markers_.push_back(static_cast<u32>(position));
    position = tokens_at + entry.size;
    ++walked;
  }
  return {};
}

Result<void> Symbols::load_addresses(const Memory& memory, const Vmcoreinfo& info) {
  Addr stext = TRY(locate(info, "_stext"));
  if (auto at = info.symbol("kallsyms_addresses")) {
    encoding_ = Encoding::Absolute;
    addresses_.resize(count_);
    if (!memory.read(*at, std::as_writable_bytes(std::span(addresses_)))) return unreadable("kallsyms_addresses", *at);
    if (encoding_fits(stext)) return {};
    return bad_table("its addresses do not have _stext where VMCOREINFO has it");
  }

  Addr offsets = TRY(locate(info, "kallsyms_offsets"));
  offsets_.resize(count_);
  if (!memory.read(offsets, std::as_writable_bytes(std::span(offsets_)))) return unreadable("kallsyms_offsets", offsets);
  // Nothing in the target tells the encoding, but only the right one gives _stext its address.
  if (auto base_at = info.symbol("kallsyms_relative_base")) {
    auto base = read_value<u64>(memory, *base_at);
    if (!base) return unreadable("kallsyms_relative_base", *base_at);
    base_ = *base;
    encoding_ = Encoding::AbsolutePercpu;
    if (encoding_fits(stext)) return {};
    encoding_ = Encoding::BaseRelative;
    if (encoding_fits(stext)) return {};
  }
  base_ = offsets.value;
  encoding_ = Encoding::PlaceRelative;
  if (encoding_fits(stext)) return {};
  return bad_table("no known encoding of its offsets has _stext where VMCOREINFO has it");
}

bool Symbols::encoding_fits(Addr stext) const {
  // So many names for one address are not to be expected; a damaged table may have all of its symbols there.
  constexpr u32 kMaxAliases = 64;
  Indices aliases = same_address(stext);
  for (u32 i = aliases.begin; i < std::min(aliases.end, aliases.begin + kMaxAliases); ++i) {
    if (address_of(i) == stext && name_at(i).view() == "_stext") return true;
  }
  return false;
}

void Symbols::set_image(Addr stext) {
  // _end is among the last symbols; only what a linker script puts behind it may follow.
  constexpr u32 kNearEnd = 1024;
  constexpr std::string_view kEnd = "_end";
  std::optional<Addr> end;
  auto note_end = [&](u32, u32 index, const Name&) { end = address_of(index); };
  u32 near = count_ > kNearEnd ? align_down(count_ - kNearEnd, kMarkerStep) & 0xffff'ffff : 0;
  for_each_named(std::span(&kEnd, 1), {near, count_}, note_end);
  if (!end) for_each_named(std::span(&kEnd, 1), {0, near}, note_end);
  // Without data symbols (no CONFIG_KALLSYMS_ALL) there is no _end.
  Addr last = end ? *end : address_of(count_ - 1) + 1;
  image_ = {stext, last > stext ? last - stext : 0};
}

// --- Out of /proc/kallsyms ---

void Symbols::use_plain_names() {
  token_text_.resize(tokens_.size());
  for (u32 i = 1; i < tokens_.size(); ++i) {
    token_text_[i] = static_cast<char>(i);
    tokens_[i] = {.head = i, .start = static_cast<u16>(i), .size = 1};
  }
}

// Appends the symbol of one line, "ffffffff81000000 T _stext". False: it is a module's, "… t name\t[module]"; those and other
// later additions follow the image's symbols.
Result<bool> Symbols::add_line(std::string_view line) {
  u64 address = 0;
  auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), address, 16);
  std::string_view rest = line.substr(static_cast<std::size_t>(end - line.data()));
  if (error != std::errc() || rest.size() < 4 || rest[0] != ' ' || rest[2] != ' ')
    return Error(ErrorCode::BadData, fmt::format("line {} is not a symbol", count_ + 1));
  std::string_view name = rest.substr(3);
  if (name.find('\t') != std::string_view::npos) return false;
  if (name.size() >= kMaxName || count_ == kMaxSymbols || names_.size() > kMaxNamesSize)
    return Error(ErrorCode::BadData, fmt::format("line {}: too long, or one too many", count_ + 1));

  if (count_ % kMarkerStep == 0) markers_.push_back(static_cast<u32>(names_.size()));
  u64 size = name.size() + 1;
  if (size < 0x80) {
    names_.push_back(static_cast<std::byte>(size));
  } else {
    names_.push_back(static_cast<std::byte>((size & 0x7f) | 0x80));
    names_.push_back(static_cast<std::byte>(size >> 7));
  }
  names_.push_back(static_cast<std::byte>(rest[1]));
  Bytes bytes = std::as_bytes(std::span(name));
  names_.insert(names_.end(), bytes.begin(), bytes.end());
  addresses_.push_back(address);
  ++count_;
  return true;
}

Result<Symbols> Symbols::from_proc(const std::string& path) {
  std::string text = TRY(read_proc(path));
  return from_text(text, path);
}

Result<std::string> Symbols::read_proc(const std::string& path) {
  auto opened = open_file(path, O_RDONLY);
  if (!opened) {
    Error error = std::move(opened).error();
    if (error.code() != ErrorCode::NotFound) return error;
    return Error(ErrorCode::NotFound, fmt::format("{}: no such file: this kernel was built without CONFIG_KALLSYMS", path));
  }
  std::string text;
  for (;;) {
    constexpr std::size_t kStep = 1 << 18;
    std::size_t used = text.size();
    text.resize(used + kStep);
    ssize_t got = ::read(opened->value(), text.data() + used, kStep);
    int error_number = errno;
    text.resize(used + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && error_number == EINTR) continue;
    if (got < 0) return system_error(path, error_number);
    // A tab is in the lines of modules.
    if (got == 0 || text.find('\t', used) != std::string::npos) return text;
    if (text.size() > kMaxText) return Error(ErrorCode::BadData, fmt::format("{}: longer than any symbol table", path));
  }
}

Result<Symbols> Symbols::from_text(std::string_view text, const std::string& name) {
  Symbols symbols;
  symbols.use_plain_names();
  bool more = true;
  for (std::size_t end; more && (end = text.find('\n')) != std::string_view::npos; text.remove_prefix(end + 1)) {
    auto added = symbols.add_line(text.substr(0, end));
    if (!added) return std::move(added).error().in(name);
    more = *added;
  }
  if (more && text.size() > kMaxLine) return Error(ErrorCode::BadData, fmt::format("{}: a line without an end", name));
  if (symbols.count_ == 0) return Error(ErrorCode::BadData, fmt::format("{}: has no symbols", name));
  if (std::ranges::all_of(symbols.addresses_, [](u64 address) { return address == 0; })) {
    return Error(ErrorCode::Permission,
                 fmt::format("{}: all addresses read as zero, kernel.kptr_restrict hides them: run as root with CAP_SYSLOG, "
                             "after sysctl kernel.kptr_restrict=1",
                             name));
  }
  auto stext = symbols.find("_stext");
  if (!stext) return Error(ErrorCode::BadData, fmt::format("{}: has no _stext", name));
  symbols.set_image(stext->address);
  return symbols;
}

// --- Names ---

Symbols::Name Symbols::decode(Bytes tokens) const {
  Name name;
  for (std::byte number : tokens) {
    const Token& token = tokens_[static_cast<u8>(number)];
    // Longer than any name: cut, as the kernel does.
    std::size_t part = std::min<std::size_t>(token.size, kMaxName - name.size);
    std::memcpy(name.text.data() + name.size, token_text_.data() + token.start, part);
    name.size += part;
  }
  return name;
}

Symbols::Name Symbols::name_at(u32 index) const {
  const std::byte* at = names_.data() + markers_[index / kMarkerStep];
  for (u32 skip = index % kMarkerStep; skip > 0; --skip) at = entry_at(at).end();
  Entry entry = entry_at(at);
  return decode({entry.tokens, entry.size});
}

// Calls found(index in names, index of the symbol, its Name) for every symbol in `where` with one of the names. `where` begins
// with a marker.
template <typename Found>
void Symbols::for_each_named(std::span<const std::string_view> names, Indices where, Found found) const {
  if (where.begin >= where.end) return;
  Wanted wanted(names);
  const std::byte* at = names_.data() + markers_[where.begin / kMarkerStep];
  for (u32 i = where.begin; i < where.end; ++i) {
    Entry entry = entry_at(at);
    at = entry.end();
    // The type and the beginning of the name. Two tokens tell most symbols from the wanted ones.
    const std::byte* number = entry.tokens;
    const Token& type_token = tokens_[static_cast<u8>(*number++)];
    u64 head = type_token.head;
    u32 filled = type_token.size;
    auto add_token = [&] {
      const Token& token = tokens_[static_cast<u8>(*number++)];
      head |= filled < sizeof head ? token.head << (8 * filled) : 0;
      filled += token.size;
    };
    if (number < at) add_token();
    if (!wanted.begins(head >> 8, std::min<u32>(filled - 1, kKeyCharacters))) [[likely]]
      continue;
    while (number < at && filled <= kKeyCharacters) add_token();
    u32 index = wanted.first(head >> 8);
    if (index == Wanted::kNone) [[likely]]
      continue;
    Name name = decode({entry.tokens, entry.size});
    for (; index != Wanted::kNone; index = wanted.next(index)) {
      if (name.view() == wanted.name(index)) found(index, i, name);
    }
  }
}

std::vector<std::optional<Symbol>> Symbols::find(std::span<const std::string_view> names) const {
  std::vector<std::optional<Symbol>> results(names.size());
  for_each_named(names, {0, count_}, [&](u32 index, u32 symbol, const Name& name) {
    std::optional<Symbol>& result = results[index];
    if (result && (!is_text(result->type) || is_text(name.type()))) return;
    result = Symbol{address_of(symbol), std::string(name.view()), name.type()};
  });
  return results;
}

std::optional<Symbol> Symbols::find(std::string_view name) const {
  return find(std::span(&name, 1)).front();
}

std::vector<Symbol> Symbols::find_all(std::string_view name) const {
  std::vector<Symbol> results;
  for_each_named(std::span(&name, 1), {0, count_}, [&](u32, u32 symbol, const Name& found) {
    results.push_back({address_of(symbol), std::string(found.view()), found.type()});
  });
  return results;
}

Symbol Symbols::at(u32 index) const {
  VERIFY(index < count_);
  Name name = name_at(index);
  return {address_of(index), std::string(name.view()), name.type()};
}

// --- Addresses ---

Addr Symbols::address_of(u32 index) const {
  auto sign_extended = [&] { return static_cast<u64>(i64{static_cast<i32>(offsets_[index])}); };
  switch (encoding_) {
    case Encoding::Absolute: return Addr{addresses_[index]};
    case Encoding::BaseRelative: return Addr{base_ + offsets_[index]};
    case Encoding::AbsolutePercpu:
      return Addr{static_cast<i32>(offsets_[index]) >= 0 ? offsets_[index] : base_ - 1 - sign_extended()};
    case Encoding::PlaceRelative: return Addr{base_ + u64{index} * sizeof(u32) + sign_extended()};
  }
  bug("no such encoding");
}

// The symbols with the highest address that is not above `at`; none: begin is end.
Symbols::Indices Symbols::same_address(Addr at) const {
  // The first index in [from, to) whose address is not below `limit`; addresses rise.
  auto first_not_below = [&](u32 from, u32 to, Addr limit) {
    while (from < to) {
      u32 middle = from + (to - from) / 2;
      if (address_of(middle) < limit) {
        from = middle + 1;
      } else {
        to = middle;
      }
    }
    return from;
  };
  u32 end = at.value == ~u64{0} ? count_ : first_not_below(0, count_, at + 1);
  if (end == 0) return {0, 0};
  return {first_not_below(0, end, address_of(end - 1)), end};
}

std::optional<SymbolAt> Symbols::lookup_in_image(Addr at) const {
  Indices aliases = same_address(at);
  if (aliases.begin == aliases.end) return std::nullopt;
  Addr start = address_of(aliases.begin);
  Addr next = aliases.end < count_ ? address_of(aliases.end) : image_.end();
  Name name = name_at(aliases.begin);
  return SymbolAt{
      .name = std::string(name.view()), .offset = at - start, .size = next - start, .module = {}, .type = name.type()};
}

std::optional<SymbolAt> Symbols::lookup(Addr at) const {
  if (image_.contains(at)) return lookup_in_image(at);
  const ModuleRange* where = find_module(at);
  if (where == nullptr) return std::nullopt;
  const Module& module = modules_[where->module];
  auto after = std::ranges::upper_bound(module.symbols, at.value, {}, &ModuleSymbol::address);
  if (after == module.symbols.begin()) return std::nullopt;
  // The first of those with the same address.
  auto symbol = std::ranges::lower_bound(module.symbols, std::prev(after)->address, {}, &ModuleSymbol::address);
  if (!where->range.contains(Addr{symbol->address})) return std::nullopt;
  return SymbolAt{.name = std::string(module.name_of(*symbol)),
                  .offset = at.value - symbol->address,
                  .size = symbol->size,
                  .module = module.name,
                  .type = symbol->type};
}

// --- Modules ---

namespace {

// A module's symbols keep their ELF type in core_kallsyms (since 5.2, 1c7651f43777; nm's letter has a table of its own), and
// ELF does not tell initialised data from bss.
char type_letter(const Elf64_Sym& symbol) {
  bool global = ELF64_ST_BIND(symbol.st_info) != STB_LOCAL;
  switch (ELF64_ST_TYPE(symbol.st_info)) {
    case STT_FUNC: return global ? 'T' : 't';
    case STT_OBJECT: return global ? 'D' : 'd';
  }
  return '?';
}

// An st_info that has this letter.
unsigned char info_of(char letter) {
  bool is_global = letter == 'T' || letter == 'D';
  int type = letter == 'T' || letter == 't' ? STT_FUNC : letter == 'D' || letter == 'd' ? STT_OBJECT : STT_NOTYPE;
  return static_cast<unsigned char>(ELF64_ST_INFO(is_global ? STB_GLOBAL : STB_LOCAL, type));
}

}  // namespace

void Symbols::add_module(std::string name, std::span<const Range> memory, Bytes symtab, Bytes strtab) {
  Module module;
  module.name = std::move(name);
  module.strings.resize(strtab.size());
  if (!strtab.empty()) std::memcpy(module.strings.data(), strtab.data(), strtab.size());
  for (u64 at = 0; auto symbol = load<Elf64_Sym>(symtab, at); at += sizeof(Elf64_Sym)) {
    if (symbol->st_shndx == SHN_UNDEF || symbol->st_name >= module.strings.size()) continue;
    // Assemblers mark arm64 code and data with $x and $d.
    char first = module.strings[symbol->st_name];
    if (first == '\0' || first == '$') continue;
    bool inside = std::ranges::any_of(memory, [&](Range range) { return range.contains(Addr{symbol->st_value}); });
    if (!inside) continue;
    auto size = static_cast<u32>(std::min<u64>(symbol->st_size, ~u32{0}));
    module.symbols.push_back({symbol->st_value, symbol->st_name, size, type_letter(*symbol)});
  }
  // Strings stand in the order of the array: of several symbols at one address the first in the array stays the first.
  std::ranges::sort(module.symbols, {}, [](const ModuleSymbol& symbol) { return std::pair(symbol.address, symbol.name); });
  module.symbols.shrink_to_fit();

  // The same one again, whose init section's symbols are gone by now; or one in the place of another that was unloaded.
  auto overlaps = [&](const ModuleRange& entry) {
    return std::ranges::any_of(memory,
                               [&](Range range) { return range.start < entry.range.end() && entry.range.start < range.end(); });
  };
  auto known = std::ranges::find_if(module_ranges_, overlaps);
  if (known != module_ranges_.end() && modules_[known->module].name == module.name &&
      modules_[known->module].symbols.size() >= module.symbols.size()) {
    return;
  }
  std::erase_if(module_ranges_, overlaps);
  auto number = static_cast<u32>(modules_.size());
  modules_.push_back(std::move(module));
  for (Range range : memory) {
    if (range.size_bytes != 0) module_ranges_.push_back({range, number});
  }
  std::ranges::sort(module_ranges_, {}, [](const ModuleRange& entry) { return entry.range.start; });
}

std::vector<Symbols::ModuleTable> Symbols::module_tables() const {
  std::vector<ModuleTable> tables;
  for (u32 number = 0; number < modules_.size(); ++number) {
    const Module& module = modules_[number];
    ModuleTable table{.name = module.name, .memory = {}, .symtab = {}, .strtab = {}};
    for (const ModuleRange& entry : module_ranges_) {
      if (entry.module == number) table.memory.push_back(entry.range);
    }
    if (table.memory.empty()) continue;  // another one has its place
    for (const ModuleSymbol& symbol : module.symbols) {
      Elf64_Sym entry{};
      entry.st_name = symbol.name;
      entry.st_value = symbol.address;
      entry.st_size = symbol.size;
      entry.st_shndx = SHN_ABS;
      entry.st_info = info_of(symbol.type);
      Bytes bytes = std::as_bytes(std::span(&entry, 1));
      table.symtab.insert(table.symtab.end(), bytes.begin(), bytes.end());
    }
    Bytes strings = std::as_bytes(std::span(module.strings));
    table.strtab.assign(strings.begin(), strings.end());
    tables.push_back(std::move(table));
  }
  return tables;
}

void Symbols::clear_modules() {
  modules_.clear();
  module_ranges_.clear();
}

const Symbols::ModuleRange* Symbols::find_module(Addr at) const {
  auto after = std::ranges::upper_bound(module_ranges_, at, {}, [](const ModuleRange& entry) { return entry.range.start; });
  if (after == module_ranges_.begin() || !std::prev(after)->range.contains(at)) return nullptr;
  return &*std::prev(after);
}

std::string_view Symbols::module_at(Addr at) const {
  const ModuleRange* where = find_module(at);
  return where != nullptr ? std::string_view(modules_[where->module].name) : std::string_view();
}

std::optional<Symbol> Symbols::find_in_module(std::string_view module, std::string_view name) const {
  for (const Module& candidate : modules_) {
    if (candidate.name != module) continue;
    for (const ModuleSymbol& symbol : candidate.symbols) {
      if (candidate.name_of(symbol) == name) return Symbol{Addr{symbol.address}, std::string(name), symbol.type};
    }
  }
  return std::nullopt;
}

}  // namespace orphan::kernel
