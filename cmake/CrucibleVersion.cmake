# Target crucible_version: the header "crucible_version.h". Looked up on every build, not when CMake
# runs: a result must name the commit it was measured with, and say "-dirty" where that is not all.
set(version_folder ${PROJECT_BINARY_DIR}/generated/version)
add_custom_target(crucible_version_header
  COMMAND ${CMAKE_COMMAND} -DOUTPUT=${version_folder}/crucible_version.h
          -DVERSION=${PROJECT_VERSION} -DSOURCE=${PROJECT_SOURCE_DIR}
          -P ${PROJECT_SOURCE_DIR}/cmake/WriteVersion.cmake
  BYPRODUCTS ${version_folder}/crucible_version.h
  COMMENT "" VERBATIM)
add_library(crucible_version INTERFACE)
target_include_directories(crucible_version INTERFACE ${version_folder})
add_dependencies(crucible_version crucible_version_header)
