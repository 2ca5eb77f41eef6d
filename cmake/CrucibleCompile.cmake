# Compiler settings shared by every target. Frame pointers stay, so that profiles of our own
# processes have whole stacks.
find_program(CRUCIBLE_CCACHE ccache)
if(CRUCIBLE_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CRUCIBLE_CCACHE})
endif()

add_library(crucible_compile INTERFACE)
target_compile_features(crucible_compile INTERFACE cxx_std_23)
target_compile_options(crucible_compile INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual
  -Wno-missing-field-initializers -Werror -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports std::string and std::expected internals falsely when it inlines at -O2.
  target_compile_options(crucible_compile INTERFACE
    -Wno-maybe-uninitialized -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds)
  if(CMAKE_UNITY_BUILD)
    # GCC takes the sources that a unity build includes for headers, where a class with a member of
    # a file-local type would be another one in each file.
    target_compile_options(crucible_compile INTERFACE -Wno-subobject-linkage)
  endif()
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # The ranges of GCC 12's library use what it has deprecated itself.
  target_compile_options(crucible_compile INTERFACE -Wno-deprecated-declarations)
endif()
if(CRUCIBLE_SANITIZE)
  target_compile_options(crucible_compile INTERFACE
    -fsanitize=${CRUCIBLE_SANITIZE} -fno-sanitize-recover=all -g1)
  target_link_options(crucible_compile INTERFACE -fsanitize=${CRUCIBLE_SANITIZE})
  if(CRUCIBLE_SANITIZE STREQUAL "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Boost.Asio has fences, of which ThreadSanitizer knows nothing, beside its locks.
    target_compile_options(crucible_compile INTERFACE -Wno-tsan)
  endif()
endif()
