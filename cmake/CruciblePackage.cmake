# What `cmake --install` puts where find_package(Crucible) finds it: the public headers, the
# libraries behind Crucible::measure and Crucible::daemon, and how to find what these need in turn.
include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/Crucible)
set(package_files ${PROJECT_BINARY_DIR}/generated/package)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/crucible DESTINATION include)
install(TARGETS crucible_compile EXPORT CrucibleTargets)
install(EXPORT CrucibleTargets NAMESPACE Crucible:: DESTINATION ${package_folder})
file(WRITE ${package_files}/CrucibleConfig.cmake
  "include(\${CMAKE_CURRENT_LIST_DIR}/CrucibleDependencies.cmake)\n"
  "include(\${CMAKE_CURRENT_LIST_DIR}/CrucibleTargets.cmake)\n")
write_basic_package_version_file(${package_files}/CrucibleConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${package_files}/CrucibleConfig.cmake ${package_files}/CrucibleConfigVersion.cmake
              ${PROJECT_SOURCE_DIR}/cmake/CrucibleDependencies.cmake
  DESTINATION ${package_folder})
