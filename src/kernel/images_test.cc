// SPDX-License-Identifier: Apache-2.0
#include "kernel/images.h"

#include <elf.h>
#include <gtest/gtest.h>

namespace orphan::kernel {
namespace {

std::string note(u32 type, std::string_view name, std::string_view content) {
  Elf64_Nhdr head{static_cast<u32>(name.size()), static_cast<u32>(content.size()), type};
  std::string text(reinterpret_cast<const char*>(&head), sizeof head);
  for (std::string_view part : {name, content}) {
    text += part;
    text.resize((text.size() + 3) / 4 * 4);
  }
  return text;
}

constexpr std::string_view kGnu("GNU\0", 4);

TEST(Images, ABuildIdIsFoundBehindOtherNotes) {
  std::string notes = note(6, "Xen", "abcde") + note(NT_GNU_BUILD_ID, kGnu, "\x01\x23\xab\xff\x10");
  EXPECT_EQ(build_id_in(notes), "0123abff10");
  EXPECT_EQ(build_id_in(note(NT_GNU_BUILD_ID, "Go", "id")), "");
  EXPECT_EQ(build_id_in(note(1, kGnu, "id")), "");
}

TEST(Images, NotesThatAreCutOffAnywhereHaveNoBuildId) {
  std::string notes = note(6, "Xen", "abcde") + note(NT_GNU_BUILD_ID, kGnu, "0123");
  for (std::size_t size = 0; size < notes.size(); ++size) EXPECT_EQ(build_id_in(notes.substr(0, size)), "") << size;
  Elf64_Nhdr head{~0U, ~0U, NT_GNU_BUILD_ID};
  EXPECT_EQ(build_id_in(std::string_view(reinterpret_cast<const char*>(&head), sizeof head)), "");
}

TEST(Images, EachImageOfTheFramesStandsOnce_WithTheIdThatItHasOrHad) {
  auto text_of = [](std::string_view name) -> Result<std::string> {
    if (name == "/sys/module/loaded/notes/.note.gnu.build-id") return note(NT_GNU_BUILD_ID, kGnu, "\x12");
    return Error(ErrorCode::NotFound, std::string(name));
  };
  std::vector<Leak> groups(2);
  groups[0].stack = {{.address = Addr{1}, .module = "loaded"}, {.address = Addr{2}}, {.address = Addr{3}, .module = "gone"}};
  groups[1].stack = {{.address = Addr{4}, .module = "loaded"}, {.address = Addr{5}, .module = "unknown"}};
  auto images = images_of(groups, "abcd", {{"gone", "99"}, {"loaded", "98"}}, text_of);
  std::map<std::string, std::string> ids;
  for (const Image& image : images) ids.emplace(image.module, image.build_id);
  EXPECT_EQ(images.size(), 4U);
  EXPECT_EQ(ids, (std::map<std::string, std::string>{{"", "abcd"}, {"gone", "99"}, {"loaded", "12"}, {"unknown", ""}}));
}

}  // namespace
}  // namespace orphan::kernel
