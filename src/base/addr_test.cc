// SPDX-License-Identifier: Apache-2.0
#include "base/addr.h"

#include <gtest/gtest.h>

namespace orphan {
namespace {

constexpr u64 kTop = ~u64{0};

TEST(Addr, ArithmeticWrapsAroundTheAddressSpace) {
  EXPECT_EQ(Addr{kTop} + 1, Addr{0});
  EXPECT_EQ(Addr{0} - 1, Addr{kTop});
  EXPECT_EQ(Addr{8} - Addr{16}, kTop - 7);
}

TEST(Range, ContainsItsFirstAndItsLastByte_NotTheOneBehind) {
  Range range{Addr{0x1000}, 0x100};
  EXPECT_FALSE(range.contains(Addr{0xfff}));
  EXPECT_TRUE(range.contains(Addr{0x1000}));
  EXPECT_TRUE(range.contains(Addr{0x10ff}));
  EXPECT_FALSE(range.contains(Addr{0x1100}));
}

TEST(Range, AnEmptyRangeContainsNothing) {
  EXPECT_FALSE((Range{Addr{0x1000}, 0}.contains(Addr{0x1000})));
}

TEST(Range, ContainsTheLastByteOfTheAddressSpace) {
  EXPECT_TRUE((Range{Addr{kTop - 15}, 16}.contains(Addr{kTop})));
  EXPECT_FALSE((Range{Addr{kTop - 15}, 16}.contains(Addr{0})));
}

TEST(Range, ContainsARangeOnlyWhole) {
  Range range{Addr{0x1000}, 0x100};
  struct Case {
    Range inner;
    bool is_inside;
  };
  for (const Case& c : {Case{{Addr{0x1000}, 0x100}, true}, Case{{Addr{0x10f8}, 8}, true}, Case{{Addr{0x10f8}, 9}, false},
                        Case{{Addr{0xff8}, 16}, false}, Case{{Addr{0x1100}, 1}, false}, Case{{Addr{0x1008}, kTop}, false}}) {
    EXPECT_EQ(range.contains(c.inner), c.is_inside) << std::hex << c.inner.start.value << " + " << c.inner.size_bytes;
  }
}

TEST(Align, RoundsToMultiples) {
  EXPECT_EQ(align_down(0x1fff, 0x1000), 0x1000U);
  EXPECT_EQ(align_down(0x1000, 0x1000), 0x1000U);
  EXPECT_EQ(align_up(0x1001, 0x1000), 0x2000U);
  EXPECT_EQ(align_up(0x1000, 0x1000), 0x1000U);
  EXPECT_EQ(align_up(0, 8), 0U);
}

}  // namespace
}  // namespace orphan
