// SPDX-License-Identifier: Apache-2.0
// What is put together of a leaked block's origin, charge and type.
#include "kernel/explain.h"

#include <gtest/gtest.h>

#include "kernel/fake_kernel.h"
#include "kernel/fake_symbols.h"

namespace orphan::kernel {
namespace {

// On 6.12 with allocation profiling: the charge and the tag of an object stand in one vector.
struct Records : AllocationRecords {
  std::optional<AllocationRecord> of(const Owner&, Addr at, u64) const override {
    return at == block ? std::optional(record) : std::nullopt;
  }
  Addr block;
  AllocationRecord record;
};

class ExplainTest : public testing::Test {
 protected:
  ExplainTest() {
    owner_.kind = BlockKind::Slab;
    owner_.name = "kmalloc-64";
    vector_ = kernel_.page(kernel_.add_plain_pages());
    object_ = kernel_.kmalloc(64);
    kernel_.put(kernel_.slab_descriptor(object_), "slab", "obj_exts", vector_.value | 1);
  }
  Addr text(std::string_view text) {
    Addr at = kernel_.page(kernel_.add_plain_pages());
    std::string whole(text);
    kernel_.ram().write(at, std::as_bytes(std::span(whole.c_str(), whole.size() + 1)));
    return at;
  }
  Addr entry_of(Addr object) const {
    Addr slab{align_down(object.value, kPageBytes)};
    return vector_ + (object - slab) / 64 * kernel_.types().size("slabobj_ext");
  }
  void tag(Addr object, std::string_view function) {
    Addr tag = kernel_.add_global(kernel_.types().size("codetag"));
    kernel_.put(tag, "codetag", "function", text(function));
    kernel_.put(tag, "codetag", "filename", text("widget.c"));
    kernel_.put(tag, "codetag", "lineno", 12);
    kernel_.put(entry_of(object), "slabobj_ext", "ref.ct", tag);
  }
  // A memory cgroup right below the root.
  Addr add_charge(std::string_view name) {
    Addr root = kernel_.kmalloc(128), node = kernel_.kmalloc(128), memcg = kernel_.kmalloc(256), cgroup = kernel_.kmalloc(512);
    kernel_.put(node, "kernfs_node", "parent", root);
    kernel_.put(node, "kernfs_node", "name", text(name));
    kernel_.put(cgroup, "cgroup", "self.cgroup", cgroup);
    kernel_.put(cgroup, "cgroup", "kn", node);
    kernel_.put(memcg, "mem_cgroup", "css.cgroup", cgroup);
    Addr charge = kernel_.kmalloc(128);
    kernel_.put(charge, "obj_cgroup", "memcg", memcg);
    return charge;
  }
  // Of an object in the slab with the vector.
  Addr next_object() {
    Addr object = kernel_.kmalloc(64);
    EXPECT_EQ(object.value / kPageBytes, object_.value / kPageBytes);
    return object;
  }
  Explainer& explainer() {
    if (!explainer_) {
      explainer_.emplace(kernel_.kernel(), Explainer::Input{.look = nullptr,
                                                            .owners = kernel_.owners(),
                                                            .btf = types_,
                                                            .symbols = symbols_,
                                                            .leaked = BitVector(),
                                                            .text_of = read_text,
                                                            .module_btf = "/nowhere/at/all/",
                                                            .records = &records_});
    }
    return *explainer_;
  }

  FakeKernel kernel_{kLike6_12};
  Btf types_ = kernel_.types().load();
  Symbols symbols_ = fake_symbols({{kFakeText + 0x40, "make_ring"}, {kFakeText + 0x80, "bpf_trace_run7"}});
  Records records_;
  Owner owner_;
  Addr vector_, object_;
  std::optional<Explainer> explainer_;
};

TEST_F(ExplainTest, ObjectsOfOneLineHaveOneNumber_ThoseOfAnotherAnother_AndTheUntaggedNone) {
  Addr same = next_object(), other = next_object(), untagged = next_object();
  tag(object_, "widget_probe");
  tag(same, "widget_probe");
  tag(other, "widget_open");
  u32 number = explainer().stack_of(owner_, object_, 64);
  EXPECT_NE(number, 0U);
  EXPECT_EQ(explainer().stack_of(owner_, same, 64), number);
  EXPECT_NE(explainer().stack_of(owner_, other, 64), number);
  EXPECT_EQ(explainer().stack_of(owner_, untagged, 64), 0U);
}

TEST_F(ExplainTest, WhoWasSeenToAllocateIsSaid_BeforeWhatTheKernelKnows) {
  tag(object_, "widget_probe");
  EXPECT_FALSE(explainer().was_seen(owner_, object_, 64));
  Addr seen = next_object();
  tag(seen, "widget_probe");
  records_.block = seen;
  records_.record = {.jiffies = 1, .pid = 12, .comm = "insmod", .stack = {Addr{kFakeText + 0x44}}};
  EXPECT_TRUE(explainer().was_seen(owner_, seen, 64));
  auto frames = explainer().frames(owner_, explainer().stack_of(owner_, seen, 64));
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(frames[0].symbol, "make_ring");
  Leak group;
  LeakedObject object{.address = seen, .size_bytes = 64};
  explainer().explain(owner_, group, object);
  EXPECT_EQ(object.pid, 12U);
  EXPECT_EQ(object.comm, "insmod");
}

TEST_F(ExplainTest, FramesOfTheProgramThatTookTheStackAreLeftOut) {
  records_.block = object_;
  records_.record.stack = {Addr{0x1234}, Addr{kFakeText + 0x88}, Addr{kFakeText + 0x44}};
  auto frames = explainer().frames(owner_, explainer().stack_of(owner_, object_, 64));
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(frames[0].symbol, "make_ring");
}

TEST_F(ExplainTest, ALineIsAFrameWithoutAnAddress) {
  tag(object_, "widget_probe");
  auto frames = explainer().frames(owner_, explainer().stack_of(owner_, object_, 64));
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(frames[0].symbol, "widget_probe");
  EXPECT_EQ(frames[0].file, "widget.c");
  EXPECT_EQ(frames[0].line, 12U);
  EXPECT_FALSE(frames[0].address);
}

TEST_F(ExplainTest, WhereNoStackIsKnownTheCallerThatTheOwnerHasIsTheStack) {
  EXPECT_TRUE(explainer().frames(owner_, 0).empty());
  owner_.kind = BlockKind::Vmalloc;
  owner_.caller = Addr{kFakeText + 0x44};
  EXPECT_EQ(explainer().stack_of(owner_, kernel_.memory().space().vmalloc.start, 64), 0U);
  auto frames = explainer().frames(owner_, 0);
  ASSERT_EQ(frames.size(), 1U);
  EXPECT_EQ(frames[0].symbol, "make_ring");
}

TEST_F(ExplainTest, TheCgroupsOfAGroupAreCounted_MostObjectsFirst) {
  Addr shop = add_charge("shop"), mail = add_charge("mail");
  Leak group;
  for (Addr charge : {shop, mail, mail}) {
    Addr object = next_object();
    kernel_.put(entry_of(object), "slabobj_ext", "objcg", charge);
    LeakedObject leaked{.address = object};
    explainer().explain(owner_, group, leaked);
    EXPECT_EQ(leaked.cgroup, charge == shop ? "/shop" : "/mail");
  }
  LeakedObject uncharged{.address = object_};
  explainer().explain(owner_, group, uncharged);
  EXPECT_EQ(uncharged.cgroup, "");
  ASSERT_EQ(group.cgroups.size(), 2U);
  EXPECT_EQ(group.cgroups[0].text, "/mail");
  EXPECT_EQ(group.cgroups[0].count, 2U);
  EXPECT_EQ(group.cgroups[1].text, "/shop");
}

TEST_F(ExplainTest, OfAGroupItIsCountedWhoAllocatedIt) {
  Leak group;
  for (const char* comm : {"sh", "insmod", "insmod"}) {
    records_.block = next_object();
    records_.record = {.jiffies = 1, .pid = 12, .comm = comm, .stack = {}};
    explainer().count(owner_, records_.block, 64, group);
  }
  explainer().count(owner_, object_, 64, group);
  ASSERT_EQ(group.comms.size(), 2U);
  EXPECT_EQ(group.comms[0].text, "insmod");
  EXPECT_EQ(group.comms[0].count, 2U);
  EXPECT_EQ(group.comms[1].text, "sh");
}

TEST_F(ExplainTest, WithoutALookNothingIsSaidOfWhereABlockPoints) {
  EvidenceGatherer gatherer(symbols_);
  std::vector<u64> words{object_.value, object_.value};
  explainer().point(object_ + 64, std::as_bytes(std::span(words)), gatherer);
  EXPECT_TRUE(gatherer.result(10).empty());
}

}  // namespace
}  // namespace orphan::kernel
