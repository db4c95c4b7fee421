// SPDX-License-Identifier: Apache-2.0
// For tests: a temporary folder with the source of a small kernel in it, which is compiled there with the compiler that built the
// test. So the debug information is what compilers write, and no binary is committed.
#pragma once
#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "debuginfo/elf_file.h"

namespace orphan::debuginfo {

// Line 8 of plug.c calls allocate(), in a function that is inlined in line 12, in one that is inlined in line 16.
constexpr const char* kPlugSource = R"(void *allocate(unsigned long size);
void stop(void) __attribute__((noreturn));
void *volatile kept;

static inline __attribute__((always_inline)) void *innermost(unsigned long size)
{
	char *block =
		allocate(size);
	return block + 8;
}
static inline __attribute__((always_inline)) void *middle(unsigned long size)
{	kept = innermost(size + 1);
	return kept;
}
void outer(unsigned long size)
{	middle(2 * size);
	kept = 0;
}
void last(void)
{
	kept = 0;
	stop();
}
static __attribute__((noinline)) void twin(void)
{
	kept = 0;
}
static __attribute__((noinline)) void likeness(void)
{
	kept = 0;
}
void use_twins(void)
{
	twin();
	likeness();
	kept = 0;
}
__attribute__((section(".init.text"))) void at_start(void)
{
	kept = allocate(1); kept = allocate(2); kept = allocate(3); kept = allocate(4); kept = allocate(5); kept = allocate(6);
	kept = allocate(1); kept = allocate(2); kept = allocate(3); kept = allocate(4); kept = allocate(5); kept = allocate(6);
}
)";
// Another `twin`, a much longer one, and a `likeness` as long as the first.
constexpr const char* kCoreSource = R"(void *allocate(unsigned long size);
extern void *volatile kept;
static __attribute__((noinline)) void twin(void)
{
	kept = allocate(1000); kept = allocate(1001); kept = allocate(1002); kept = allocate(1003);
	kept = allocate(1000); kept = allocate(1001); kept = allocate(1002); kept = allocate(1003);
	kept = allocate(1000); kept = allocate(1001); kept = allocate(1002); kept = allocate(1003);
}
static __attribute__((noinline)) void likeness(void)
{
	kept = 0;
}
void use_more_twins(void)
{
	twin();
	likeness();
	kept = 0;
}
)";

class TestTree : public testing::Test {
 protected:
  using Arguments = std::vector<std::string>;

  TestTree() {
    std::string pattern = (std::filesystem::temp_directory_path() / "orphan-debuginfo-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    write("linux/drivers/plug.c", kPlugSource);
    write("linux/drivers/core.c", kCoreSource);
  }
  ~TestTree() override { std::filesystem::remove_all(root_); }

  std::string path(const std::string& name) const { return (root_ / name).string(); }
  void write(const std::string& name, std::string_view text) const {
    std::filesystem::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name, std::ios::binary) << text;
  }
  std::string read(const std::string& name) const {
    std::ifstream file(root_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  // In the folder of the source.
  void run(Arguments arguments) const {
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, path("linux").c_str());
    pid_t child = 0;
    int status = -1;
    ASSERT_EQ(posix_spawnp(&child, pointers[0], &actions, nullptr, pointers.data(), environ), 0) << arguments[0];
    posix_spawn_file_actions_destroy(&actions);
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0) << arguments[0];
  }
  // Compiles both sources with the options, and links them with the others to `name`.
  void build(const std::string& name, const Arguments& options, const Arguments& link_options) const {
    std::filesystem::create_directories((root_ / name).parent_path());
    for (const char* source : {"plug", "core"}) {
      Arguments compile{ORPHAN_TEST_COMPILER, "-x", "c", "-O2", "-fno-pic", "-c"};
      compile.insert(compile.end(), options.begin(), options.end());
      compile.insert(compile.end(), {std::string("drivers/") + source + ".c", "-o", path(source) + ".o"});
      run(compile);
    }
    Arguments link{ORPHAN_TEST_COMPILER, "-nostdlib", "-Wl,--build-id"};
    link.insert(link.end(), options.begin(), options.end());
    link.insert(link.end(), link_options.begin(), link_options.end());
    link.insert(link.end(), {path("plug.o"), path("core.o"), "-o", path(name)});
    run(link);
  }
  void build_module(const std::string& name, const Arguments& options = {"-g"}) const { build(name, options, {"-r"}); }
  void build_program(const std::string& name, const Arguments& options = {"-g"}) const {
    build(name, options, {"-static", "-Wl,--unresolved-symbols=ignore-all", "-Wl,-e,outer"});
  }

  std::string build_id(const std::string& name) const {
    elf_version(EV_CURRENT);
    Result<Fd> fd = open_file(path(name), O_RDONLY);
    if (!fd) return "";
    std::unique_ptr<Elf, decltype(&elf_end)> elf(elf_begin(fd->value(), ELF_C_READ, nullptr), &elf_end);
    return build_id_of(elf.get());
  }

  std::filesystem::path root_;
};

}  // namespace orphan::debuginfo
