# SPDX-License-Identifier: Apache-2.0
# Libraries that come as a shared and as a static one. They are linked by name, so that one build makes both programs:
# `-lbpf` is the shared library, and the static one after `-static`.
foreach(library bpf bz2 dw elf fuse3 lzma seccomp sqlite3 z zstd)
  find_library(ORPHAN_FOUND_${library} ${library})
  if(NOT ORPHAN_FOUND_${library})
    message(FATAL_ERROR "lib${library} is missing: ./dev setup installs what the build needs")
  endif()
  mark_as_advanced(ORPHAN_FOUND_${library})
endforeach()

# Headers only.
find_path(ORPHAN_FOUND_protozero protozero/pbf_builder.hpp)
if(NOT ORPHAN_FOUND_protozero)
  message(FATAL_ERROR "protozero is missing: ./dev setup installs what the build needs")
endif()
mark_as_advanced(ORPHAN_FOUND_protozero)

# Shared only: they go into `orphan` and not into `orphan-static`.
foreach(library prometheus-cpp-core prometheus-cpp-pull)
  find_library(ORPHAN_FOUND_${library} ${library})
  if(NOT ORPHAN_FOUND_${library})
    message(FATAL_ERROR "lib${library} is missing: ./dev setup installs what the build needs")
  endif()
  mark_as_advanced(ORPHAN_FOUND_${library})
endforeach()

# Debian has it as a shared library and as headers. With its definitions in each source that formats, they would take a third longer to compile.
find_path(ORPHAN_FOUND_fmt fmt/format-inl.h)
if(NOT ORPHAN_FOUND_fmt)
  message(FATAL_ERROR "fmt is missing: ./dev setup installs what the build needs")
endif()
mark_as_advanced(ORPHAN_FOUND_fmt)
add_library(orphan_fmt STATIC ${CMAKE_CURRENT_LIST_DIR}/fmt.cc)
