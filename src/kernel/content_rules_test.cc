// SPDX-License-Identifier: Apache-2.0
// The rules about static per-CPU memory and about the pages of kfree_rcu(); those about blocks are tested where the blocks
// are: vmalloc_test.cc, tasks_test.cc, slub_test.cc, percpu_test.cc.
#include "kernel/content_rules.h"

#include <gtest/gtest.h>

#include <set>

#include "kernel/fake_kernel.h"

namespace orphan::kernel {
namespace {

constexpr Verdict H = Verdict::Held, L = Verdict::Leaked;

class ContentRulesTest : public testing::TestWithParam<FakeVersion> {
 protected:
  FakeKernel kernel_{GetParam()};
  Addr target_ = kernel_.kmalloc(64);

  Verdict with_pointer_at(Addr at) {
    u64 was = kernel_.word(at);
    kernel_.point(at, target_);
    Verdict verdict = kernel_.verdict(target_);
    kernel_.put_word(at, was);
    return verdict;
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, ContentRulesTest, testing::ValuesIn(kVersions), version_name);

TEST_P(ContentRulesTest, SlotsOfTheSkbCacheCountBelowItsCount_StaleOnesDoNot) {
  constexpr u32 kSlots = 8;
  for (u32 cpu = 0; cpu < FakeKernel::kCpus; ++cpu) {
    Addr cache = *kernel_.globals.napi_alloc_cache + kernel_.cpu_offset(cpu);
    Addr slots = kernel_.member(cache, "napi_alloc_cache", "skb_cache");
    for (u32 count : {0U, 1U, 3U, kSlots, kSlots + 1, ~0U}) {
      kernel_.put(cache, "napi_alloc_cache", "skb_count", count);
      for (u32 slot : {0U, 2U, 3U, kSlots - 1}) {
        EXPECT_EQ(with_pointer_at(slots + slot * 8), slot < count ? H : L) << "slot " << slot << " of " << count;
      }
      EXPECT_EQ(with_pointer_at(slots - 16), H) << "before the slots";
      EXPECT_EQ(with_pointer_at(slots + kSlots * 8), H) << "behind the slots";
    }
  }
}

TEST_P(ContentRulesTest, TheLastOwnerOfACpusFloatingPointRegistersDoesNotCount) {
  Addr variable = kernel_.percpu_variable(0x4000);
  Addr copy = variable + kernel_.cpu_offset(1);
  EXPECT_EQ(with_pointer_at(copy), H);
  kernel_.globals.fpregs_owner = variable;
  EXPECT_EQ(with_pointer_at(copy), L);
  EXPECT_EQ(with_pointer_at(copy + 8), H);
}

TEST_P(ContentRulesTest, AnSkbThatIsKeptForReuseIsHeldAndHoldsNothing_OneElsewhereDoes) {
  Addr skb = kernel_.kmalloc(256), other = kernel_.kmalloc(256);
  kernel_.add_root_to(other);
  EXPECT_EQ(with_pointer_at(other + 200), H);
  Addr cache = *kernel_.globals.napi_alloc_cache + kernel_.cpu_offset(1);
  kernel_.point(kernel_.member(cache, "napi_alloc_cache", "skb_cache") + 8, skb);
  kernel_.put(cache, "napi_alloc_cache", "skb_count", 2);
  EXPECT_EQ(kernel_.verdict(skb), H);
  EXPECT_EQ(with_pointer_at(skb + 200), L);
  kernel_.add_root_to(skb);
  kernel_.put(cache, "napi_alloc_cache", "skb_count", 1);  // it was handed out
  EXPECT_EQ(with_pointer_at(skb + 200), H);
}

TEST_P(ContentRulesTest, AVariableThatIsKnownToGoStaleDoesNotCount_ItsNeighboursDo) {
  Addr variable = kernel_.add_global(24) + 8;
  EXPECT_EQ(with_pointer_at(variable), H);
  kernel_.globals.ext4_lazyinit_task = variable;
  EXPECT_EQ(with_pointer_at(variable), L);
  EXPECT_EQ(with_pointer_at(variable - 8), H);
  EXPECT_EQ(with_pointer_at(variable + 8), H);
}

TEST_P(ContentRulesTest, TheLastReaderOfAnIdleSemaphoreDoesNotCount_AWriterOrAWordLikeItDoes) {
  Addr global = kernel_.add_global(40), object = kernel_.kmalloc(256);
  kernel_.add_root_to(object);
  for (Addr semaphore : {global, object + 64}) {
    Addr owner = kernel_.member(semaphore, "rw_semaphore", "owner"),
         list = kernel_.member(semaphore, "rw_semaphore", "wait_list");
    auto verdict = [&](u64 flags) {
      kernel_.put_word(owner, target_.value | flags);
      return kernel_.verdict(target_);
    };
    EXPECT_EQ(verdict(1), H) << "no semaphore: no list behind it";
    kernel_.link(list, {});
    EXPECT_EQ(verdict(1), L);
    EXPECT_EQ(verdict(3), L) << "and not to be spun on";
    EXPECT_EQ(verdict(0), H) << "a writer holds it";
    kernel_.put(semaphore, "rw_semaphore", "wait_lock", 1);
    EXPECT_EQ(verdict(1), H) << "in use";
    kernel_.put(semaphore, "rw_semaphore", "wait_lock", 0);
    kernel_.point(list + 8, list + 8);
    EXPECT_EQ(verdict(1), H) << "somebody waits, or it is no list";
    kernel_.put_word(owner, 0);
    kernel_.link(list, {});
  }
}

TEST_P(ContentRulesTest, StacksInPerCpuMemoryDoNotCount_WithoutTheirNameTheyAreMemoryLikeOther) {
  struct Case {
    std::optional<Addr>& variable;
    const char* type;
  };
  for (const Case& c :
       {Case{kernel_.globals.irq_stack_backing_store, "irq_stack"}, Case{kernel_.globals.exception_stacks, "exception_stacks"},
        Case{kernel_.globals.entry_stack_storage, "entry_stack_page"}}) {
    Addr first = *c.variable + kernel_.cpu_offset(1);
    Addr last = first + kernel_.types().size(c.type) - 8;
    EXPECT_EQ(with_pointer_at(first), L) << c.type;
    EXPECT_EQ(with_pointer_at(last), L) << c.type;
    EXPECT_EQ(with_pointer_at(first - 8), H) << c.type;
    EXPECT_EQ(with_pointer_at(last + 8), H) << c.type;
    c.variable.reset();
    EXPECT_EQ(with_pointer_at(first), H) << c.type;
    EXPECT_EQ(with_pointer_at(last), H) << c.type;
  }
}

TEST_P(ContentRulesTest, NumbersInAnXarrayNodeDoNotCount_PointersDo) {
  u32 size = kernel_.types().size("xa_node");
  Addr node = kernel_.allocate(kernel_.add_cache({.name = "radix_tree_node", .object_bytes = size}));
  Addr other = kernel_.allocate(kernel_.add_cache({.name = "other_node", .object_bytes = size}));
  for (Addr holder : {node, other}) kernel_.add_root_to(holder);
  auto marks = [&](Addr holder) { return kernel_.member(holder, "xa_node", "marks"); };
  auto slots = [&](Addr holder) { return kernel_.member(holder, "xa_node", "slots"); };
  EXPECT_EQ(with_pointer_at(slots(node) + 63 * 8), H);
  EXPECT_EQ(with_pointer_at(kernel_.member(node, "xa_node", "parent")), H);
  EXPECT_EQ(with_pointer_at(node), L) << "counters";
  EXPECT_EQ(with_pointer_at(marks(node)), L);
  EXPECT_EQ(with_pointer_at(marks(node) + 16), L);
  EXPECT_EQ(with_pointer_at(marks(other)), H) << "another cache";
  // A value entry that looks like the cookie of a per-CPU area.
  Addr area = kernel_.add_percpu(64);
  bool is_number = static_cast<i64>(area.value) > 0;
  kernel_.put_word(slots(node), area.value | 1);
  EXPECT_EQ(kernel_.verdict(area), is_number ? L : H);
  kernel_.put_word(slots(node), 0);
  kernel_.put_word(slots(other), area.value | 1);
  EXPECT_EQ(kernel_.verdict(area), H);
}

TEST_P(ContentRulesTest, FlagsOfACacheThatLookLikeACookieDoNotCount_TheSameWordElsewhereDoes) {
  Addr area = kernel_.add_percpu(64);
  Addr cache = kernel_.cache(kernel_.add_cache({.name = "other", .object_bytes = 64})).address;
  Addr flags = kernel_.member(cache, "kmem_cache", "flags");
  u64 was = kernel_.word(flags);
  kernel_.put_word(flags, area.value);
  EXPECT_EQ(kernel_.verdict(area), L);
  kernel_.put_word(flags, was);
  Addr holder = kernel_.kmalloc(64);
  kernel_.add_root_to(holder);
  kernel_.put_word(holder, area.value);
  EXPECT_EQ(kernel_.verdict(area), H);
}

// A page of kfree_rcu() on one of the places where it keeps them.
class RcuPagesTest : public ContentRulesTest {
 protected:
  bool is_new() const { return GetParam().is_typed; }
  Addr state(u32 cpu) { return *kernel_.globals.krc + kernel_.cpu_offset(cpu); }
  Addr used_list(u32 cpu, u64 number) {
    Addr lists = kernel_.member(state(cpu), "kfree_rcu_cpu", is_new() ? "bulk_head" : "bkvhead");
    return lists + number * (is_new() ? 16 : 8);
  }
  Addr waiting_list(u32 cpu, u64 work, u64 number) {
    Addr works = kernel_.member(state(cpu), "kfree_rcu_cpu", "krw_arr") + work * kernel_.types().size("kfree_rcu_cpu_work");
    return kernel_.member(works, "kfree_rcu_cpu_work", is_new() ? "bulk_head_free" : "bkvhead_free") +
           number * (is_new() ? 16 : 8);
  }
  Addr put_on(Addr list) {
    Addr page = kernel_.page(kernel_.add_plain_pages());
    kernel_.put(page, "kvfree_rcu_bulk_data", "nr_records", 2);
    if (is_new())
      kernel_.link(list, std::array{kernel_.member(page, "kvfree_rcu_bulk_data", "list")});
    else
      kernel_.point(list, page);
    return page;
  }
  Addr record(Addr page, u64 number) { return kernel_.member(page, "kvfree_rcu_bulk_data", "records") + number * 8; }
};
INSTANTIATE_TEST_SUITE_P(Versions, RcuPagesTest, testing::Values(kLike6_1, kLike6_12), version_name);

TEST_P(RcuPagesTest, RecordsInUseCount_ThoseBeyondTheCountDoNot) {
  for (Addr list : {used_list(0, 0), used_list(1, 1), waiting_list(0, 0, 1), waiting_list(1, 1, 0)}) {
    Addr page = put_on(list);
    EXPECT_EQ(with_pointer_at(record(page, 0)), H);
    EXPECT_EQ(with_pointer_at(record(page, 1)), H);
    EXPECT_EQ(with_pointer_at(record(page, 2)), L);
    EXPECT_EQ(with_pointer_at(page + kPageBytes - 8), L);
    kernel_.put(page, "kvfree_rcu_bulk_data", "nr_records", 3);
    EXPECT_EQ(with_pointer_at(record(page, 2)), H);
    kernel_.put_word(list, 0);
    EXPECT_EQ(with_pointer_at(page + kPageBytes - 8), H) << "a page like others";
  }
}

TEST_P(RcuPagesTest, APageKeptForReuseDoesNotCount) {
  Addr page = kernel_.page(kernel_.add_plain_pages());
  EXPECT_EQ(with_pointer_at(page + 64), H);
  kernel_.point(kernel_.member(state(1), "kfree_rcu_cpu", "bkvcache"), page);
  EXPECT_EQ(with_pointer_at(page + 64), L);
}

TEST_P(RcuPagesTest, DamagedListsEnd_AndAnAbsurdCountLeavesThePageAsItIs) {
  Addr page = put_on(used_list(0, 0));
  kernel_.put(page, "kvfree_rcu_bulk_data", "nr_records", u64{1} << 40);
  EXPECT_EQ(with_pointer_at(page + kPageBytes - 8), H);
  kernel_.point(kernel_.member(page, "kvfree_rcu_bulk_data", is_new() ? "list" : "next"), page);
  EXPECT_EQ(kernel_.verdict(target_), L);
  for (u64 wild : {u64{8}, ~u64{0}, page.value + 8, u64{0xdead'0000'0000'1000}}) {
    kernel_.put_word(used_list(0, 0), wild);
    EXPECT_EQ(kernel_.verdict(target_), L) << wild;
  }
}

TEST(ContentRules, EveryRuleHasAPlaceAndAReason_AndStandsInTheTableOnce) {
  std::set<Rule> seen;
  for (const RuleText& rule : rules()) {
    EXPECT_TRUE(seen.insert(rule.rule).second) << rule.where;
    EXPECT_FALSE(rule.where.empty());
    EXPECT_FALSE(rule.reason.empty());
  }
}

}  // namespace
}  // namespace orphan::kernel
