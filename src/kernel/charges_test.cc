// SPDX-License-Identifier: Apache-2.0
// Who is charged for a block, and which line allocated it, as the made-up kernel has it beside its blocks.
#include "kernel/charges.h"

#include <gtest/gtest.h>

#include <list>

#include "kernel/fake_kernel.h"

namespace orphan::kernel {
namespace {

class ChargesTest : public testing::TestWithParam<FakeVersion> {
 protected:
  bool has_entries() const { return kernel_.types().has("slabobj_ext"); }
  u64 entry_bytes(std::string_view type) const { return has_entries() ? kernel_.types().size(type) : 8; }
  Addr text(std::string_view text) {
    Addr at = kernel_.page(kernel_.add_plain_pages()) + kPageBytes - 3;  // over the end of a page
    kernel_.add_plain_pages();
    std::string whole(text);
    kernel_.ram().write(at, std::as_bytes(std::span(whole.c_str(), whole.size() + 1)));
    return at;
  }
  Addr add_node(Addr parent, std::string_view name) {
    Addr node = kernel_.kmalloc(kernel_.types().size("kernfs_node"));
    kernel_.put(node, "kernfs_node", "parent", parent);
    kernel_.put(node, "kernfs_node", "name", text(name));
    return node;
  }
  // A memory cgroup whose node this is.
  Addr add_memcg(Addr node) {
    Addr memcg = kernel_.kmalloc(kernel_.types().size("mem_cgroup"));
    cgroup_ = kernel_.kmalloc(kernel_.types().size("cgroup"));
    kernel_.put(memcg, "mem_cgroup", "css.cgroup", cgroup_);
    kernel_.put(cgroup_, "cgroup", "self.cgroup", cgroup_);
    kernel_.put(cgroup_, "cgroup", "kn", node);
    return memcg;
  }
  Addr add_charge(Addr memcg) {
    Addr charge = kernel_.kmalloc(kernel_.types().size("obj_cgroup"));
    kernel_.put(charge, "obj_cgroup", "memcg", memcg);
    return charge;
  }
  // The entry of an object in the vector of its slab, which is made.
  Addr entry_of(Addr object) {
    const FakeSlab& slab = kernel_.slab_of(object);
    const FakeCache& cache = kernel_.cache(slab.cache);
    Addr vector = kernel_.page(kernel_.add_plain_pages());
    u64 stride = entry_bytes("slabobj_ext");
    if (GetParam().is_latest) {
      stride = 24;
      kernel_.put(kernel_.slab_descriptor(object), "slab", "stride", stride);
    }
    set_vector(object, vector.value | 1);
    return vector + (object - kernel_.page(slab.frame) - cache.left_pad_bytes) / cache.size_bytes * stride;
  }
  void set_vector(Addr object, u64 word) {
    kernel_.put(kernel_.slab_descriptor(object), "slab", GetParam().is_typed ? "obj_exts" : "memcg_data", word);
  }
  void charge(Addr entry, Addr charge) {
    if (has_entries())
      kernel_.put(entry, "slabobj_ext", "objcg", charge);
    else
      kernel_.point(entry, charge);
  }
  std::string cgroup_of(BlockKind kind, Addr block) {
    return Charges(kept_.emplace_back(kernel_.kernel()), types_).cgroup_of({.kind = kind, .name = "", .caller = {}}, block);
  }

  FakeKernel kernel_{GetParam()};
  Btf types_ = kernel_.types().load();
  std::list<Kernel> kept_;
  Addr root_ = add_node({}, ""), slice_ = add_node(root_, "system.slice"), service_ = add_node(slice_, "cron.service");
  Addr memcg_ = add_memcg(service_);
  Addr cgroup_;
};
INSTANTIATE_TEST_SUITE_P(Versions, ChargesTest, testing::ValuesIn(kVersions), version_name);

TEST_P(ChargesTest, AnObjectIsChargedToTheCgroupOfItsEntry_ItsNeighbourIsNot) {
  Addr object = kernel_.kmalloc(64), neighbour = kernel_.kmalloc(64);
  memcg_ = add_memcg(service_);
  charge(entry_of(object), add_charge(memcg_));
  EXPECT_EQ(cgroup_of(BlockKind::Slab, object), "/system.slice/cron.service");
  EXPECT_EQ(cgroup_of(BlockKind::Slab, neighbour), "");
}

TEST_P(ChargesTest, ASlabWithoutAVectorHasNoCharges) {
  Addr object = kernel_.kmalloc(64), entry = entry_of(object);
  charge(entry, add_charge(add_memcg(root_)));
  EXPECT_EQ(cgroup_of(BlockKind::Slab, object), "/");
  for (u64 word : {u64{0}, entry.value, u64{1}, ~u64{0}}) {
    set_vector(object, word);
    EXPECT_EQ(cgroup_of(BlockKind::Slab, object), "") << word;
  }
}

TEST_P(ChargesTest, APageIsChargedToAnObjCgroupOrToACgroupItself) {
  u64 frame = kernel_.add_large_kmalloc(2);
  Addr memcg = add_memcg(slice_), charge = add_charge(memcg);
  auto put = [&](u64 word) {
    kernel_.put(kernel_.descriptor(frame), "page", GetParam().has_slab ? "memcg_data" : "mem_cgroup", word);
  };
  EXPECT_EQ(cgroup_of(BlockKind::LargeKmalloc, kernel_.page(frame)), "");
  put(charge.value | 2);
  EXPECT_EQ(cgroup_of(BlockKind::LargeKmalloc, kernel_.page(frame)), "/system.slice");
  put(memcg.value);
  EXPECT_EQ(cgroup_of(BlockKind::LargeKmalloc, kernel_.page(frame)), "/system.slice");
  put(charge.value | 1);
  EXPECT_EQ(cgroup_of(BlockKind::LargeKmalloc, kernel_.page(frame)), "") << "a slab's";
}

TEST_P(ChargesTest, AVmallocAreaIsChargedAsItsFirstPageIs) {
  FakeArea area = kernel_.add_area(2);
  EXPECT_EQ(cgroup_of(BlockKind::Vmalloc, area.start), "");
  kernel_.put(kernel_.descriptor(area.frames[0]), "page", GetParam().has_slab ? "memcg_data" : "mem_cgroup",
              add_charge(add_memcg(slice_)).value | 2);
  EXPECT_EQ(cgroup_of(BlockKind::Vmalloc, area.start), "/system.slice");
}

TEST_P(ChargesTest, APerCpuAreaIsChargedByTheVectorOfItsChunk) {
  for (bool is_far : {false, true}) {
    Addr area = is_far ? kernel_.add_percpu_far(64) : kernel_.add_percpu(64);
    Addr chunk = is_far ? kernel_.far_chunk() : kernel_.first_chunk();
    EXPECT_EQ(cgroup_of(BlockKind::PerCpu, area), "");
    Addr base{kernel_.value(chunk, "pcpu_chunk", "base_addr")};
    Addr cookie = kernel_.globals.percpu.start + (base - Addr{kernel_.word(kernel_.globals.percpu.base_addr)});
    u64 bytes = entry_bytes("pcpuobj_ext");
    Addr vector = kernel_.page(kernel_.add_plain_pages((area - cookie) / 4 * bytes / kPageBytes + 1));
    kernel_.put(chunk, "pcpu_chunk", GetParam().is_typed ? "obj_exts" : "obj_cgroups", vector);
    Addr entry = vector + (area - cookie) / 4 * bytes, charge = add_charge(add_memcg(slice_));
    if (has_entries())
      kernel_.put(entry, "pcpuobj_ext", "cgroup", charge);
    else
      kernel_.point(entry, charge);
    EXPECT_EQ(cgroup_of(BlockKind::PerCpu, area), "/system.slice");
    EXPECT_EQ(cgroup_of(BlockKind::PerCpu, area + 4), "");
  }
}

TEST_P(ChargesTest, WhatDoesNotPointBackToItselfIsNoCgroup) {
  Addr object = kernel_.kmalloc(64);
  charge(entry_of(object), add_charge(add_memcg(slice_)));
  EXPECT_EQ(cgroup_of(BlockKind::Slab, object), "/system.slice");
  kernel_.put(cgroup_, "cgroup", "self.cgroup", cgroup_ + 8);
  EXPECT_EQ(cgroup_of(BlockKind::Slab, object), "");
}

TEST_P(ChargesTest, ANodeThatIsItsOwnAncestorHasNoPath) {
  Addr object = kernel_.kmalloc(64);
  charge(entry_of(object), add_charge(add_memcg(service_)));
  kernel_.put(root_, "kernfs_node", "parent", service_);
  EXPECT_EQ(cgroup_of(BlockKind::Slab, object), "");
}

TEST_P(ChargesTest, WhereAllocationsAreProfiledTheLineIsKnown) {
  if (!has_entries()) return;
  Addr object = kernel_.kmalloc(64), entry = entry_of(object), tag = kernel_.add_global(kernel_.types().size("codetag"));
  Charges charges(kept_.emplace_back(kernel_.kernel()), types_);
  Owner owner{.kind = BlockKind::Slab, .name = "", .caller = {}};
  EXPECT_FALSE(charges.line_of(owner, object));
  kernel_.put(entry, "slabobj_ext", "ref.ct", tag);
  EXPECT_FALSE(charges.line_of(owner, object)) << "a tag that says nothing";
  kernel_.put(tag, "codetag", "function", text("widget_probe"));
  kernel_.put(tag, "codetag", "filename", text("drivers/misc/widget.c"));
  kernel_.put(tag, "codetag", "modname", text("widget"));
  kernel_.put(tag, "codetag", "lineno", 123);
  auto line = charges.line_of(owner, object);
  ASSERT_TRUE(line);
  EXPECT_EQ(line->function, "widget_probe");
  EXPECT_EQ(line->file, "drivers/misc/widget.c");
  EXPECT_EQ(line->module, "widget");
  EXPECT_EQ(line->line, 123U);
  kernel_.put(entry, "slabobj_ext", "ref.ct", 1);
  EXPECT_FALSE(charges.line_of(owner, object)) << "marked as empty";
}

TEST(ChargeLayouts, WhereAMemberIsMissingNoCgroupIsNamed) {
  for (const char* removed : {"obj_cgroup.memcg", "mem_cgroup.css", "cgroup.kn", "cgroup.self", "kernfs_node.name"}) {
    FakeTypes types = FakeTypes::of(kLike6_12);
    EXPECT_TRUE(ChargeLayouts::resolve(types.load()).cgroup);
    types.remove(removed);
    EXPECT_FALSE(ChargeLayouts::resolve(types.load()).cgroup) << removed;
  }
}

}  // namespace
}  // namespace orphan::kernel
