// SPDX-License-Identifier: Apache-2.0
// Each kind of page appears in its row, and in no other; whatever happens, the rows are all page frames.
#include "kernel/account.h"

#include <gtest/gtest.h>

#include <map>

#include "kernel/fake_kernel.h"
#include "kernel/fake_symbols.h"

namespace orphan::kernel {
namespace {

using Rows = std::map<std::string, i64>;

class AccountTest : public testing::TestWithParam<FakeVersion> {
 protected:
  FakeKernel kernel_{GetParam()};
  Symbols symbols_ = fake_symbols({{FakeKernel::kText.value + 12 * kPageBytes, "fruit_table"}});
  OwnTexts before_, after_;
  bool has_read_ = false;

  AccountTest() { kernel_.globals.image_end = FakeKernel::kText + FakeKernel::kImagePages * kPageBytes; }

  Result<Account> try_take(const std::function<bool()>& keep_going = {}) {
    has_read_ = false;
    auto texts = [&] { return std::exchange(has_read_, true) ? after_ : before_; };
    Owners owners;
    return take_account(kernel_.kernel(), owners, symbols_, {.keep_going = keep_going, .progress = {}, .own_texts = texts});
  }
  Account take() {
    auto account = try_take();
    if (!account) bug(account.error().text().c_str());
    return std::move(*account);
  }
  static u64 outside(const Account& account) {
    u64 pages = 0;
    for (const AccountRow& row : account.rows) pages += row.section == AccountRow::Section::Outside ? row.pages : 0;
    return pages;
  }
  void say_total(u64 pages) { before_.meminfo = after_.meminfo = fmt::format("MemTotal: {} kB\n", pages * 4); }
  static const AccountRow& row(const Account& account, std::string_view id) {
    auto found = std::ranges::find(account.rows, id, &AccountRow::id);
    VERIFY(found != account.rows.end());
    return *found;
  }
  // What has changed, by row.
  static Rows change(const Account& before, const Account& after) {
    Rows rows;
    for (const AccountRow& each : after.rows) rows[each.id] += static_cast<i64>(each.pages);
    for (const AccountRow& each : before.rows) rows[each.id] -= static_cast<i64>(each.pages);
    std::erase_if(rows, [](const auto& each) { return each.second == 0; });
    return rows;
  }
  void compound(u64 frame, u8 order) {
    kernel_.set_flag(frame, "PG_head");
    for (u64 i = 1; i < u64{1} << order; ++i) {
      put(frame + i, "compound_head", kernel_.descriptor(frame).value | 1);
      put(frame + i, "_refcount", 0);
    }
    if (GetParam().is_typed)
      kernel_.put_word(kernel_.descriptor(frame) + kernel_.types().member("folio", "_flags_1").offset_bytes, order);
    else
      put(frame + 1, "compound_order", order);
  }
  void put(u64 frame, std::string_view path, u64 value) { kernel_.put(kernel_.descriptor(frame), "page", path, value); }
  void make_hugetlb(u64 frame) {
    if (GetParam().is_typed)
      kernel_.set_type(frame, "PGTY_hugetlb", 0);
    else
      put(frame + 1, "compound_dtor", 2);
  }
  u64 swap_backed(u64 frame) {
    kernel_.set_flag(frame, "PG_swapbacked");
    return frame;
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, AccountTest, testing::ValuesIn(kVersions), version_name);

TEST_P(AccountTest, TheRowsAreAllPageFrames) {
  kernel_.add_user_page();
  kernel_.add_free_block(3);
  kernel_.add_large_kmalloc(2);
  kernel_.add_task(7);
  kernel_.add_module("fruit");
  Account account = take();
  EXPECT_EQ(account.ram_pages, 2048U);
  EXPECT_EQ(accounted_pages(account) + outside(account), 2048U);
}

TEST_P(AccountTest, EachKindOfPageHasItsRow) {
  struct Case {
    const char* row;
    i64 pages;
    std::function<void(u64 frame)> make;  // out of 16 plain pages, aligned
  };
  const char* kmalloc = GetParam().has_kmalloc ? "kernel.large_kmalloc" : "unaccounted.compound";
  std::vector<Case> cases{
      {"free.buddy", 8, [&](u64 f) { kernel_.set_type(f, "PGTY_buddy", 0x80), put(f, "private", 3); }},
      {"moving.in_transit", 1, [&](u64 f) { put(f, "_refcount", 0); }},
      {"moving.changed", 1, [&](u64 f) { put(f, "compound_head", kernel_.descriptor(f - 1).value | 1); }},
      {"outside.not_online", 1, [&](u64 f) { put(f, "flags", ~u64{0}), put(f, "compound_head", ~u64{0}); }},
      {"outside.boot", 1, [&](u64 f) { kernel_.set_flag(f, "PG_reserved"); }},
      {"user.anonymous", 1, [&](u64 f) { kernel_.set_flag(f, "PG_lru"), put(f, "mapping", 0x1001), swap_backed(f); }},
      {"user.anonymous", 8, [&](u64 f) { compound(f, 3), put(f, "mapping", 0x1001); }},
      {"user.file", 1, [&](u64 f) { kernel_.set_flag(f, "PG_lru"), put(f, "mapping", 0x1000); }},
      {"user.shmem", 1, [&](u64 f) { put(f, "mapping", 0x1000), swap_backed(f); }},
      {"user.detached", 1, [&](u64 f) { kernel_.set_flag(f, "PG_lru"); }},
      {"user.hugetlb", 8, [&](u64 f) { compound(f, 3), make_hugetlb(f), put(f, "mapping", 0x1000); }},
      {"user.hugetlb", 8, [&](u64 f) { compound(f, 3), make_hugetlb(f), put(f, "_refcount", 0); }},
      {"kernel.zsmalloc", 1, [&](u64 f) { put(f, "mapping", 0x1002); }},
      {"kernel.page_tables", 1, [&](u64 f) { kernel_.set_type(f, "PGTY_table", 0x200); }},
      {"kernel.guard", 1, [&](u64 f) { kernel_.set_type(f, "PGTY_guard", 0x400); }},
      {"kernel.balloon", 1, [&](u64 f) { kernel_.set_type(f, "PGTY_offline", 0x100); }},
      {"unaccounted.compound", 8, [&](u64 f) { compound(f, 3); }},
      {kmalloc, 8, [&](u64 f) {
         compound(f, 3);
         if (GetParam().has_kmalloc) kernel_.set_type(f, "PGTY_large_kmalloc", 0), put(f, "_refcount", 0);
       }}};
  if (kernel_.layouts().page.page_pool_magic) {  // since 5.14
    cases.push_back({"kernel.page_pool", 1, [&](u64 f) { put(f, "pp_magic", 0xdead'0000'0000'0040); }});
    cases.push_back({"kernel.page_pool", 8, [&](u64 f) { compound(f, 3), put(f, "pp_magic", 0xdead'0000'0000'0042); }});
  }
  if (GetParam().is_typed) cases.push_back({"kernel.zsmalloc", 1, [&](u64 f) { kernel_.set_type(f, "PGTY_zsmalloc", 0); }});
  for (const Case& c : cases) {
    u64 frame = kernel_.add_plain_pages(16);
    Account before = take();
    c.make(frame);
    Account after = take();
    EXPECT_EQ(change(before, after), (Rows{{c.row, c.pages}, {"unaccounted.plain", -c.pages}}));
    EXPECT_EQ(accounted_pages(after) + outside(after), 2048U) << c.row;
  }
}

TEST_P(AccountTest, AHugePageOfAnonymousMemoryIsToldFromASmallerOne) {
  Account before = take();
  u64 frame = kernel_.add_compound(9);
  put(frame, "mapping", 0x1001);
  EXPECT_EQ(change(before, take())["user.anonymous_huge"], 512);
}

TEST_P(AccountTest, LaterPagesOfABlockBelongToIt_UnusedOnesElsewhereDoNot) {
  u64 block = kernel_.add_plain_pages(8), odd = kernel_.add_plain_pages(8);
  Account before = take();
  for (u64 i = 1; i < 8; ++i) put(block + i, "_refcount", 0);
  put(odd + 2, "_refcount", 0);  // in front of it is a page that no block of two begins with
  Account after = take();
  EXPECT_EQ(change(before, after), (Rows{{"moving.in_transit", 1}, {"unaccounted.plain", -1}}));
  auto owner = std::ranges::find(after.owners, 8U, &AccountOwner::block_pages);
  ASSERT_NE(owner, after.owners.end());
  EXPECT_EQ(owner->pages, 8U);
}

TEST_P(AccountTest, PagesOnACpusListsAreFree_OthersWithoutReferencesMove) {
  u64 frame = kernel_.add_plain_pages(16);
  for (u64 i = 0; i < 16; ++i) put(frame + i, "_refcount", 0);
  auto size = [&](std::string_view type) { return kernel_.types().size(type); };
  Addr node = kernel_.add_global(size("pglist_data"));
  Addr cookie = kernel_.add_percpu(size("per_cpu_pages"));
  kernel_.globals.only_node = node;
  for (u64 zone = 0; zone < 4; ++zone) {
    Addr at = kernel_.member(node, "pglist_data", "node_zones") + zone * size("zone");
    kernel_.point(kernel_.member(at, "zone", "per_cpu_pageset"), zone == 2 ? cookie : kernel_.add_percpu(size("per_cpu_pages")));
  }
  Account before = take();
  ASSERT_EQ(row(before, "free.cpu_lists").pages, 0U);
  Addr lists = cookie + kernel_.cpu_offset(1);
  kernel_.put(lists, "per_cpu_pages", "count", 9);
  auto link = [&](u64 list, u64 f) {
    std::array<Addr, 1> nodes{kernel_.member(kernel_.descriptor(f), "page", "lru")};
    kernel_.link(kernel_.member(lists, "per_cpu_pages", "lists") + list * 16, nodes);
  };
  link(1, frame + 2);   // order 0
  link(11, frame + 8);  // order 3
  Account after = take();
  EXPECT_EQ(change(before, after), (Rows{{"free.cpu_lists", 9}, {"moving.in_transit", -9}}));
}

TEST_P(AccountTest, MappedPagesBelongToWhoMappedThem) {
  Account before = take();
  kernel_.add_area(5, FakeKernel::kText + 0x40);
  FakeArea mapped = kernel_.add_area(3, FakeKernel::kText + 0x60, 4);  // VM_MAP
  kernel_.add_task(9);
  kernel_.add_module("fruit");
  Account after = take();
  Rows rows = change(before, after);
  EXPECT_EQ(rows["kernel.vmalloc"], 5);
  EXPECT_EQ(rows["kernel.vmap"], 3);
  EXPECT_EQ(rows["kernel.stacks"], 4);
  EXPECT_EQ(rows["kernel.modules"], 4);
  ASSERT_EQ(after.callers.size(), 2U);
  EXPECT_EQ(after.callers[0].pages, 5U);
  EXPECT_EQ(after.callers[0].caller.address, FakeKernel::kText + 0x40);
  EXPECT_TRUE(after.callers[1].is_vmap);
  kernel_.remove_area(mapped);
  EXPECT_EQ(change(after, take()), (Rows{{"kernel.vmap", -3}, {"unaccounted.plain", 3}}));
}

TEST_P(AccountTest, ACallersPagesStandBesideThoseOfVmallocinfo_WhateverSizeItSays) {
  kernel_.add_area(5, FakeKernel::kText + 12 * kPageBytes + 0x40);
  kernel_.add_area(3, FakeKernel::kText + 12 * kPageBytes + 0x50);
  after_.vmallocinfo = "0x1-0x2 24576 fruit_table+0x40/0x77 pages=5 vmalloc\n";
  Account account = take();
  ASSERT_EQ(account.callers.size(), 2U);
  EXPECT_EQ(account.callers[0].kernel_pages, 5U);
  EXPECT_FALSE(account.callers[1].kernel_pages);
}

TEST_P(AccountTest, PerCpuMemoryIsBothInMemTotalAndOutside) {
  Account account = take();
  EXPECT_EQ(row(account, "kernel.percpu").pages, 8U) << "the far chunk: four pages for each of two CPUs";
  EXPECT_EQ(row(account, "outside.percpu").pages, 2 * FakeKernel::kUnitBytes / kPageBytes);
  EXPECT_EQ(row(account, "outside.image").pages, FakeKernel::kImagePages);
  EXPECT_EQ(row(account, "outside.memory_map").pages, 2048 * kernel_.types().size("page") / kPageBytes)
      << "holes have no descriptors that count";
  EXPECT_GT(row(account, "outside.page_tables").pages, 3U);
}

TEST_P(AccountTest, UpperPageTablesOfAProcessAreFoundWithTheirTwin) {
  u64 top = kernel_.add_plain_pages(2), upper = kernel_.add_plain_pages(), lowest = kernel_.add_plain_pages();
  put(top + 1, "_refcount", 0);
  kernel_.put_word(kernel_.page(top) + 8, upper * kPageBytes | 0x67);
  Addr last = kernel_.page(upper);
  if (GetParam().levels == 5) {
    u64 more = kernel_.add_plain_pages();
    kernel_.put_word(last, more * kPageBytes | 0x67);
    last = kernel_.page(more);
  }
  kernel_.put_word(last, lowest * kPageBytes | 0x67);  // a level that the kernel marks
  Addr task = kernel_.add_task(5), mm = kernel_.kmalloc(kernel_.types().size("mm_struct"));
  Account before = take();
  kernel_.put(mm, "mm_struct", "pgd", kernel_.page(top));
  kernel_.put(task, "task_struct", "mm", mm);
  i64 pages = GetParam().levels == 5 ? 4 : 3;
  EXPECT_EQ(change(before, take()), (Rows{{"kernel.upper_tables", pages}, {"unaccounted.plain", -pages}}));
}

TEST_P(AccountTest, ASlabsBytesAreLiveFreeOrWasted) {
  u32 number = kernel_.add_cache({.name = "fruit", .object_bytes = 1000, .size_bytes = 1008, .order = 1});
  Addr object = kernel_.allocate(number);
  kernel_.allocate(number);
  kernel_.allocate(number);
  kernel_.free(object);
  after_.slabinfo = "slabinfo - version: 2.1\nfruit 2 8 1008 8 2 : tunables 0 0 0 : slabdata 1 1 0\n";
  Account account = take();
  auto cache = std::ranges::find(account.caches, "fruit", &AccountCache::name);
  ASSERT_NE(cache, account.caches.end());
  EXPECT_EQ(cache->pages, 2U);
  EXPECT_EQ(cache->live, 2U);
  EXPECT_EQ(cache->live_bytes, 2000U);
  EXPECT_EQ(cache->free_bytes, 6 * 1008U);
  EXPECT_EQ(cache->waste_bytes, 8192 - 2000U - 6 * 1008);
  ASSERT_TRUE(cache->kernel);
  EXPECT_EQ(cache->kernel->pages, 2U);
  u64 pages = 0;
  for (const AccountCache& each : account.caches) {
    pages += each.pages;
    EXPECT_EQ(each.live_bytes + each.free_bytes + each.waste_bytes, each.pages * kPageBytes) << each.name;
  }
  EXPECT_EQ(pages, row(account, "kernel.slab").pages);
}

// --- MemTotal ---

TEST_P(AccountTest, TheSumIsMemTotal_AndWhatIsMissingIsSaid) {
  u64 inside = accounted_pages(take());
  for (i64 missing : {0, 3, -2}) {
    say_total(static_cast<u64>(static_cast<i64>(inside) + missing));
    Account account = take();
    EXPECT_TRUE(account.has_total);
    EXPECT_EQ(account.missing_pages, missing);
    EXPECT_EQ(static_cast<i64>(accounted_pages(account)) + account.missing_pages, static_cast<i64>(account.total_pages));
    EXPECT_EQ(std::ranges::any_of(account.coverage, &Coverage::incomplete), missing != 0);
  }
  before_.meminfo = after_.meminfo = "";
  Account account = take();
  EXPECT_FALSE(account.has_total);
  EXPECT_TRUE(std::ranges::any_of(account.coverage, &Coverage::incomplete));
}

TEST_P(AccountTest, APageOfABalloonIsInMemTotalOrNot_AsMemTotalSays) {
  u64 inside = accounted_pages(take());
  u64 frame = kernel_.add_plain_pages(4);
  for (u64 i = 0; i < 4; ++i) kernel_.set_type(frame + i, "PGTY_offline", 0x100);
  u64 with = accounted_pages(take());
  ASSERT_EQ(with, inside);  // the fake kernel's frames were free before
  for (u64 outside : {0U, 3U, 4U}) {
    say_total(with - outside);
    Account account = take();
    EXPECT_EQ(row(account, "kernel.balloon").pages, 4 - outside);
    EXPECT_EQ(row(account, "outside.balloon").pages, outside);
    EXPECT_EQ(account.missing_pages, 0);
  }
}

TEST_P(AccountTest, TheKernelsFigureStandsBesideOurs) {
  u64 pages = row(take(), "free.buddy").pages;
  kernel_.add_free_block(2);
  before_.meminfo = fmt::format("MemTotal: 8192 kB\nMemFree: {} kB\n", pages * 4 + 16);
  after_.meminfo = fmt::format("MemTotal: 8192 kB\nMemFree: {} kB\n", pages * 4 + 8);
  Account account = take();
  const AccountRow& free = row(account, "free.buddy");
  ASSERT_TRUE(free.kernel);
  EXPECT_EQ(free.kernel->before_bytes - free.kernel->bytes, 8192);
  EXPECT_EQ(difference_bytes(free, kPageBytes), 0) << "between the two readings";
  before_.meminfo = after_.meminfo;
  EXPECT_EQ(difference_bytes(row(take(), "free.buddy"), kPageBytes), 8192);
}

// --- who has pages that nobody accounts for ---

class PageOwnersTest : public AccountTest {
 protected:
  // A plain page that is not next to another one.
  u64 add_apart() {
    u64 frame = kernel_.add_plain_pages();
    kernel_.add_user_page();
    return frame;
  }
  static AccountOwner owner_of(const Account& account, Addr page) {
    for (const AccountOwner& owner : account.owners) {
      if (std::ranges::find(owner.examples, page) != owner.examples.end()) return owner;
    }
    return {};
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, PageOwnersTest, testing::ValuesIn(kVersions), version_name);

TEST_P(PageOwnersTest, AnOwnerIsNamedByWhatPointsAtThePageOrItsDescriptor) {
  u64 by_slab = add_apart(), by_static = add_apart(), by_nobody = add_apart(), by_freed = add_apart();
  Addr holder = kernel_.kmalloc(128), freed = kernel_.kmalloc(256);
  kernel_.point(holder + 24, kernel_.descriptor(by_slab));
  kernel_.point(freed + 24, kernel_.page(by_freed));
  kernel_.free(freed);
  kernel_.point(FakeKernel::kText + 20 * kPageBytes + 64, kernel_.page(by_static) + 8);
  Account account = take();
  EXPECT_EQ(owner_of(account, kernel_.page(by_slab)).referrer, "kmalloc-128+0x18");
  EXPECT_EQ(owner_of(account, kernel_.page(by_static)).referrer, "fruit_table");
  EXPECT_EQ(owner_of(account, kernel_.page(by_freed)).referrer, "");
  u64 nobodys = 0;
  for (const AccountOwner& owner : account.owners) nobodys += owner.referrer.empty() ? owner.looked_into : 0;
  kernel_.point(holder + 32, kernel_.page(by_nobody));
  u64 left = 0;
  for (const AccountOwner& owner : take().owners) left += owner.referrer.empty() ? owner.looked_into : 0;
  EXPECT_EQ(left + 1, nobodys);
  // A page that the image gave back holds what its new owner writes.
  u64 given_back = kernel_.frame(kernel_.memory().space().linear(FakeKernel::kImagePhysical)) + 20;
  put(given_back, "flags", 0);
  put(given_back, "mapping", 0x1001);
  EXPECT_EQ(owner_of(take(), kernel_.page(by_static)).referrer, "");
}

TEST_P(PageOwnersTest, PagesBehindThoseOfAnOwnerMayBeItsToo_OnesElsewhereAreNot) {
  u64 first = kernel_.add_plain_pages(3);
  u64 apart = add_apart();
  kernel_.point(FakeKernel::kText + 20 * kPageBytes, kernel_.page(first));
  u64 user = kernel_.add_user_page();
  ASSERT_EQ(user, apart + 2);
  auto behind = [&] {
    u64 blocks = 0;
    for (const AccountOwner& owner : take().owners)
      blocks += owner.referrer.starts_with("pages in front") ? owner.looked_into : 0;
    return blocks;
  };
  u64 all = behind();
  EXPECT_GE(all, 2U);
  kernel_.put(kernel_.descriptor(first + 1), "page", "mapping", 0x1000);
  EXPECT_LE(behind(), all - 2) << "the third is not next to the first any more";
}

TEST_P(PageOwnersTest, WhatIsInsideIsSaid) {
  u64 frame = kernel_.add_plain_pages();
  std::string text = "banana split";
  kernel_.ram().write(kernel_.page(frame) + 64, std::as_bytes(std::span(text.c_str(), text.size() + 1)));
  kernel_.put_word(kernel_.page(frame) + 128, FakeKernel::kText.value + 12 * kPageBytes);
  AccountOwner owner = owner_of(take(), kernel_.page(frame));
  ASSERT_EQ(owner.evidence.size(), 2U);
  EXPECT_EQ(owner.evidence[0].text, "fruit_table");
  EXPECT_EQ(owner.evidence[1].text, "banana split");
}

TEST_P(PageOwnersTest, TheOwnersPagesAreThoseOfTheirRows) {
  for (int i = 0; i < 40; ++i) kernel_.add_plain_pages();
  kernel_.add_compound(2);
  Account account = take();
  std::map<std::string, u64> pages;
  for (const AccountOwner& owner : account.owners) pages[owner.id] += owner.pages;
  EXPECT_EQ(pages["unaccounted.plain"], row(account, "unaccounted.plain").pages);
  EXPECT_EQ(pages["unaccounted.compound"], row(account, "unaccounted.compound").pages);
  EXPECT_TRUE(std::ranges::is_sorted(account.owners, std::greater<>(), &AccountOwner::pages));
}

TEST_P(PageOwnersTest, ACompoundPageThatClaimsMoreThanThereIsOfMemoryIsCutShort) {
  u64 last = 10 * FakeKernel::kMiB / kPageBytes - 2;
  for (u64 i = 0; i < 2; ++i) put(last + i, "_refcount", 1);
  compound(last, 1);
  if (GetParam().is_typed)
    kernel_.put_word(kernel_.descriptor(last) + kernel_.types().member("folio", "_flags_1").offset_bytes, 12);
  else
    put(last + 1, "compound_order", 12);
  Account account = take();
  EXPECT_EQ(row(account, "unaccounted.compound").pages, 2U);
  EXPECT_EQ(owner_of(account, kernel_.page(last)).pages, 2U);
}

// --- when reading fails ---

TEST_P(AccountTest, WhateverReadFails_TheRowsAreAllPageFrames) {
  u64 start = kernel_.ram().reads();
  take();
  u64 reads = kernel_.ram().reads() - start, given = 0;
  for (u64 n = 1; n <= reads; n += 3) {
    kernel_.ram().fail_read(n);
    auto account = try_take();
    if (!account) continue;
    ++given;
    EXPECT_EQ(accounted_pages(*account) + outside(*account), 2048U) << n;
  }
  EXPECT_GT(given, 10U);
}

TEST_P(AccountTest, StopsWhenItIsTold_AtEveryStep) {
  u64 asked = 0;
  ASSERT_TRUE(try_take([&] { return ++asked != 0; }));
  for (u64 n = 1; n <= asked; ++n) {
    u64 left = n;
    auto account = try_take([&] { return --left != 0; });
    ASSERT_FALSE(account) << n;
    EXPECT_EQ(account.error().code(), ErrorCode::Interrupted);
  }
}

}  // namespace
}  // namespace orphan::kernel
