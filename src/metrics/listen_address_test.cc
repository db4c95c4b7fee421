// SPDX-License-Identifier: Apache-2.0
#include "metrics/listen_address.h"

#include <gtest/gtest.h>

namespace orphan::metrics {
namespace {

TEST(ListenAddress, APortAloneIsTheLoopbacks_AnAddressIsWhatItSays) {
  struct Case {
    const char* text;
    const char* host;
    bool is_ipv6;
    u16 port;
    const char* written;
  };
  for (const Case& c : {Case{"9469", "127.0.0.1", false, 9469, "127.0.0.1:9469"}, Case{"1", "127.0.0.1", false, 1, "127.0.0.1:1"},
                        Case{"65535", "127.0.0.1", false, 65535, "127.0.0.1:65535"},
                        Case{"127.0.0.1:9469", "127.0.0.1", false, 9469, "127.0.0.1:9469"},
                        Case{"0.0.0.0:80", "0.0.0.0", false, 80, "0.0.0.0:80"},
                        Case{"[::1]:9469", "::1", true, 9469, "[::1]:9469"}, Case{"[::]:9469", "::", true, 9469, "[::]:9469"}}) {
    auto address = parse_listen_address(c.text, "--metrics");
    ASSERT_TRUE(address) << address.error().text();
    EXPECT_EQ(address->host, c.host);
    EXPECT_EQ(address->is_ipv6, c.is_ipv6);
    EXPECT_EQ(address->port, c.port);
    EXPECT_EQ(address->text(), c.written);
  }
}

TEST(ListenAddress, EverythingElseIsAnErrorThatNamesTheOption) {
  using namespace std::string_literals;
  for (const std::string& text : {""s,
                                  "0"s,
                                  "65536"s,
                                  "-1"s,
                                  "+80"s,
                                  " 80"s,
                                  "80 "s,
                                  "0x50"s,
                                  "http"s,
                                  ":80"s,
                                  "[]:80"s,
                                  "[:80"s,
                                  "]:80"s,
                                  "localhost:80"s,
                                  "127.1:80"s,
                                  "127.0.0.1"s,
                                  "127.0.0.1:"s,
                                  "127.0.0.1:0"s,
                                  "127.0.0.1:80x"s,
                                  "127.0.0.1:80:80"s,
                                  "::1:80"s,
                                  "[::1]"s,
                                  "[::1]:"s,
                                  "[127.0.0.1]:80"s,
                                  "[::1]x:80"s,
                                  "127.0.0.1\0x:80"s,
                                  "80\0"s,
                                  "[fe80::1%eth0]:80"s,
                                  "127.0.0.1:80,81"s}) {
    auto address = parse_listen_address(text, "--metrics");
    ASSERT_FALSE(address) << text;
    EXPECT_EQ(address.error().code(), ErrorCode::Usage);
    EXPECT_TRUE(address.error().text().starts_with("--metrics: '" + text + "': ")) << address.error().text();
  }
}

}  // namespace
}  // namespace orphan::metrics
