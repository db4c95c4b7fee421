# SPDX-License-Identifier: Apache-2.0
# orphan_folder(NAME SOURCES ... [TESTS ...] [LINK ...]): the library of one folder of src/, and the unit tests that stand
# beside its sources.
function(orphan_folder name)
  cmake_parse_arguments(ARG "" "" "SOURCES;TESTS;LINK" ${ARGN})
  add_library(orphan_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(orphan_${name} PUBLIC orphan_options ${ARG_LINK})
  if(BUILD_TESTING AND ARG_TESTS)
    add_executable(${name}_test ${ARG_TESTS})
    target_link_libraries(${name}_test PRIVATE orphan_${name} GTest::gtest_main)
    # What is tested is optimised as ever; the tests themselves, run once, would take half as long again to compile.
    target_compile_options(${name}_test PRIVATE $<$<CONFIG:RelWithDebInfo>:-O1>)
    gtest_discover_tests(${name}_test TEST_PREFIX ${name}. DISCOVERY_TIMEOUT 60)
  endif()
endfunction()
