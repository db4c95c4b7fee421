// SPDX-License-Identifier: Apache-2.0
// The account as text: one table with a sum, then caches, callers and owners, the largest first.
#include "report/account.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/verify.h"
#include "report/format.h"
#include "report/print.h"

namespace orphan {
namespace {

constexpr std::size_t kMaxEvidence = 3;
constexpr std::size_t kMaxStringBytes = 48;
constexpr int kNameWidth = 42;

std::string human(i64 bytes) {
  return bytes < 0 ? "-" + human_bytes(static_cast<u64>(-bytes)) : human_bytes(static_cast<u64>(bytes));
}

std::string signed_human(i64 bytes) {
  return bytes == 0 ? "0" : bytes > 0 ? "+" + human(bytes) : human(bytes);
}

const char* title_of(AccountRow::Section section) {
  switch (section) {
    case AccountRow::Section::Free: return "FREE";
    case AccountRow::Section::User: return "USER";
    case AccountRow::Section::Kernel: return "KERNEL";
    case AccountRow::Section::Unaccounted: return "NOT ACCOUNTED FOR IN /proc";
    case AccountRow::Section::Moving: return "MOVING";
    case AccountRow::Section::Outside: return "NOT IN MemTotal";
  }
  bug("no such section");
}

std::string line(std::string_view name, u64 pages, u64 page_bytes) {
  return fmt::format("  {:<{}}{:>14}{:>12}", name, kNameWidth, with_commas(pages), human_bytes(pages * page_bytes));
}

std::string row_line(const AccountRow& row, u64 page_bytes) {
  std::string out = line(row.name, row.pages, page_bytes);
  if (row.kernel) {
    print(out, "{:>13}{:>13}  {}", human(row.kernel->bytes), signed_human(difference_bytes(row, page_bytes)), row.kernel->source);
  }
  return out + '\n';
}

bool is_shown(const AccountRow& row) {
  return row.pages != 0 || (row.kernel && row.kernel->bytes != 0);
}

std::string section(const Account& account, AccountRow::Section section) {
  std::string rows;
  u64 pages = 0;
  for (const AccountRow& row : account.rows) {
    if (row.section != section) continue;
    pages += row.pages;
    if (is_shown(row)) rows += row_line(row, account.page_bytes);
  }
  if (rows.empty()) return {};
  std::string title = line(title_of(section), pages, account.page_bytes);
  return title.substr(2) + '\n' + rows;  // a title begins two columns further left
}

// The title's columns stand where those of rows do.
std::string table(const Account& account) {
  std::string out =
      fmt::format("{:<{}}{:>14}{:>12}{:>13}{:>13}  {}\n", "", kNameWidth + 2, "PAGES", "SIZE", "KERNEL SAYS", "DIFFERENCE", "BY");
  using Section = AccountRow::Section;
  for (Section each : {Section::Free, Section::User, Section::Kernel, Section::Unaccounted, Section::Moving}) {
    out += section(account, each);
  }
  if (account.missing_pages != 0) {
    print(out, "{:<{}}{:>14}{:>12}\n", "NOT UNDERSTOOD", kNameWidth + 2, account.missing_pages,
          human(account.missing_pages * static_cast<i64>(account.page_bytes)));
  }
  print(out, "{:<{}}{:>14}{:>12}\n\n", account.has_total ? "SUM = MemTotal" : "SUM", kNameWidth + 2,
        with_commas(account.total_pages), human_bytes(account.total_pages * account.page_bytes));
  return out + section(account, Section::Outside);
}

std::string explanations(const Account& account) {
  std::string out;
  for (const AccountRow& row : account.rows) {
    if (!row.kernel || row.why.empty() || difference_bytes(row, account.page_bytes) == 0) continue;
    print(out, "  {}: {}\n", row.name, row.why);
  }
  return out.empty() ? out : "\nWHY THE KERNEL'S FIGURE DIFFERS\n" + out;
}

std::string caches(const Account& account, u64 top) {
  if (account.caches.empty()) return {};
  std::string out = fmt::format("\n{:<28}{:>10}{:>12}{:>12}{:>12}{:>12}{:>12}\n", "SLAB CACHES", "PAGES", "SIZE", "LIVE",
                                "OF LIVE", "FREE SLOTS", "WASTE");
  auto add = [&](const AccountCache& cache, std::string_view name) {
    print(out, "  {:<26}{:>10}{:>12}{:>12}{:>12}{:>12}{:>12}\n", name, with_commas(cache.pages),
          human_bytes(cache.pages * account.page_bytes), with_commas(cache.live), human_bytes(cache.live_bytes),
          human_bytes(cache.free_bytes), human_bytes(cache.waste_bytes));
  };
  AccountCache rest, sum;
  for (std::size_t i = 0; i < account.caches.size(); ++i) {
    const AccountCache& cache = account.caches[i];
    if (i < top) add(cache, printable(cache.name));
    for (AccountCache* to : {&rest, &sum}) {
      if (to == &rest && i < top) continue;
      to->pages += cache.pages;
      to->live += cache.live;
      to->live_bytes += cache.live_bytes;
      to->free_bytes += cache.free_bytes;
      to->waste_bytes += cache.waste_bytes;
    }
  }
  if (account.caches.size() > top) add(rest, fmt::format("+{} more", account.caches.size() - top));
  add(sum, "all");
  return out;
}

std::string callers(const Account& account, u64 top) {
  if (account.callers.empty()) return {};
  std::string out = fmt::format("\n{:<12}{:>10}{:>12}{:>14}  {}\n", "VMALLOC", "PAGES", "SIZE", "KERNEL SAYS", "CALLER");
  u64 pages = 0;
  for (std::size_t i = 0; i < account.callers.size(); ++i) {
    const AccountCaller& caller = account.callers[i];
    if (i >= top) {
      pages += caller.pages;
      continue;
    }
    print(out, "  {:<10}{:>10}{:>12}{:>14}  {}\n", caller.is_vmap ? "vmap" : "vmalloc", with_commas(caller.pages),
          human_bytes(caller.pages * account.page_bytes), caller.kernel_pages ? with_commas(*caller.kernel_pages) : "-",
          to_string(caller.caller));
  }
  if (account.callers.size() > top) {
    print(out, "  {:<10}{:>10}{:>12}{:>14}  +{} more\n", "", with_commas(pages), human_bytes(pages * account.page_bytes), "",
          account.callers.size() - top);
  }
  return out;
}

std::string owner_lines(const AccountOwner& owner, const Account& account) {
  bool is_compound = owner.id == "unaccounted.compound";
  std::string out =
      fmt::format("  {:>12}{:>12}  {} of {}, {}\n", with_commas(owner.pages), human_bytes(owner.pages * account.page_bytes),
                  is_compound              ? "compound"
                  : owner.block_pages == 1 ? "plain"
                                           : "plain blocks",
                  counted(owner.block_pages, "page"), printable(owner.looks_like));
  print(out, "{:28}{}\n", "",
        owner.referrer.empty() ? "nothing was found that points at them" : "pointed at by " + printable(owner.referrer));
  for (std::size_t i = 0; i < std::min(owner.evidence.size(), kMaxEvidence); ++i) {
    const Evidence& evidence = owner.evidence[i];
    std::string_view text = std::string_view(evidence.text).substr(0, kMaxStringBytes);
    print(out, "{:28}inside: {} at +0x{:x}, in {} of {}\n", "",
          evidence.kind == Evidence::Kind::String ? in_quotes(text) : printable(evidence.text), evidence.offset_bytes,
          with_commas(evidence.count), with_commas(std::min<u64>(owner.looked_into, 64)));
  }
  if (!owner.examples.empty()) print(out, "{:28}at {}\n", "", to_string(owner.examples.front()));
  return out;
}

std::string owners(const Account& account, u64 top) {
  if (account.owners.empty()) return {};
  std::string out = "\nWHO MAY HAVE WHAT IS NOT ACCOUNTED FOR";
  if (account.looked_into_blocks != account.owner_blocks) {
    print(out, " (pages estimated: {} of {} blocks looked into)", with_commas(account.looked_into_blocks),
          with_commas(account.owner_blocks));
  }
  out += '\n';
  u64 pages = 0;
  for (std::size_t i = 0; i < account.owners.size(); ++i) {
    if (i < top)
      out += owner_lines(account.owners[i], account);
    else
      pages += account.owners[i].pages;
  }
  if (account.owners.size() > top) {
    print(out, "  {:>12}{:>12}  +{} more\n", with_commas(pages), human_bytes(pages * account.page_bytes),
          account.owners.size() - top);
  }
  return out;
}

std::string notes(const Account& account) {
  std::string out;
  if (account.not_searched_bytes != 0) {
    print(out, "  who points at pages was searched for in {}, {} were not looked at\n", human_bytes(account.searched_bytes),
          human_bytes(account.not_searched_bytes));
  }
  for (const Coverage& coverage : account.coverage) {
    print(out, "  {}{} ({}): {}\n", coverage.incomplete ? "NOT SEEN: " : "", printable(coverage.what),
          with_commas(coverage.count), printable(coverage.why));
  }
  return out.empty() ? out : "\nNOTES\n" + out;
}

}  // namespace

const char* to_string(AccountRow::Section section) {
  switch (section) {
    case AccountRow::Section::Free: return "free";
    case AccountRow::Section::User: return "user";
    case AccountRow::Section::Kernel: return "kernel";
    case AccountRow::Section::Unaccounted: return "unaccounted";
    case AccountRow::Section::Moving: return "moving";
    case AccountRow::Section::Outside: return "outside";
  }
  bug("no such section");
}

i64 difference_bytes(const AccountRow& row, u64 page_bytes) {
  if (!row.kernel) return 0;
  i64 ours = static_cast<i64>(row.compared_pages * page_bytes);
  auto [least, most] = std::minmax(row.kernel->before_bytes, row.kernel->bytes);
  return ours - std::clamp(ours, least, most);
}

u64 accounted_pages(const Account& account) {
  u64 pages = 0;
  for (const AccountRow& row : account.rows) pages += row.section == AccountRow::Section::Outside ? 0 : row.pages;
  return pages;
}

std::string to_text(const Account& account, u64 top) {
  std::string head = fmt::format("{}, {}, orphan {}: {} in {:.1f} s\n\n", printable(account.target), utc(account.started_unix_s),
                                 printable(account.version), counted(account.ram_pages, "page frame"), account.seconds);
  return head + table(account) + explanations(account) + caches(account, top) + callers(account, top) + owners(account, top) +
         notes(account);
}

}  // namespace orphan
