# SPDX-License-Identifier: Apache-2.0
# What every target of ours is compiled with. Sanitizers come from the presets through ORPHAN_SANITIZE.
set(ORPHAN_SANITIZE "" CACHE STRING "comma-separated sanitizers, e.g. address,undefined")
option(ORPHAN_WERROR "treat warnings as errors: for developers, not for who only builds" OFF)

add_library(orphan_options INTERFACE)
target_include_directories(orphan_options INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_options(orphan_options INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor -Wold-style-cast -Wcast-align -Wunused
  -Woverloaded-virtual -Wimplicit-fallthrough -fno-exceptions -fno-omit-frame-pointer -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)
# clang warns about what std::stable_sort of libstdc++ 12 calls itself.
target_compile_options(orphan_options INTERFACE $<$<CXX_COMPILER_ID:Clang>:-Wno-deprecated-declarations>)
if(ORPHAN_WERROR)
  target_compile_options(orphan_options INTERFACE -Werror)
endif()
target_link_libraries(orphan_options INTERFACE orphan_fmt)
if(ORPHAN_SANITIZE)
  target_compile_options(orphan_options INTERFACE -fsanitize=${ORPHAN_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(orphan_options INTERFACE -fsanitize=${ORPHAN_SANITIZE})
endif()

option(ORPHAN_FUZZ "build the fuzz targets in fuzz/: takes clang" OFF)
if(ORPHAN_FUZZ)
  target_compile_options(orphan_options INTERFACE -fsanitize=fuzzer-no-link)
  target_compile_definitions(orphan_options INTERFACE FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION)
endif()
