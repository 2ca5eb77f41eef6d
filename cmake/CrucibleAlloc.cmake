# The allocation tracker that stands in the place of malloc: libcrucible_alloc.so to preload into
# any program, and Crucible::alloc to link with. Always optimized, never with a sanitizer (they have
# a malloc of their own), and without the C++ library, which the programs may not have.
file(GLOB tracker_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/alloc/preload/*.cpp)
add_library(crucible_alloc_objects OBJECT ${tracker_sources})
set_target_properties(crucible_alloc_objects PROPERTIES
  UNITY_BUILD OFF POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden)
target_compile_features(crucible_alloc_objects PUBLIC cxx_std_23)
target_include_directories(crucible_alloc_objects PRIVATE
  ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
# -fno-builtin: what is malloc and then memset here must not become calloc, which calls it.
target_compile_options(crucible_alloc_objects PRIVATE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
  -O2 -fno-builtin -fno-exceptions -fno-rtti -fno-plt -fomit-frame-pointer
  -ftls-model=initial-exec)

add_library(crucible_alloc_preload SHARED $<TARGET_OBJECTS:crucible_alloc_objects>)
set_target_properties(crucible_alloc_preload PROPERTIES OUTPUT_NAME crucible_alloc
  LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
# initfirst: what libraries' constructors register for a fork is to come after the tracker's.
target_link_options(crucible_alloc_preload PRIVATE -nodefaultlibs -Wl,-z,now -Wl,-z,initfirst)
target_link_libraries(crucible_alloc_preload PRIVATE c gcc)

# Takes malloc's place in the program that links it, also where only its libraries call malloc.
add_library(crucible_alloc_linked STATIC $<TARGET_OBJECTS:crucible_alloc_objects>)
set_target_properties(crucible_alloc_linked PROPERTIES EXPORT_NAME alloc LINKER_LANGUAGE CXX)
target_include_directories(crucible_alloc_linked INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
# Libraries that the program loads find the tracker there.
target_link_options(crucible_alloc_linked INTERFACE
  -Wl,--undefined=malloc -Wl,--export-dynamic-symbol=crucible_alloc_*)
crucible_install(crucible_alloc_linked)
install(TARGETS crucible_alloc_preload LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
