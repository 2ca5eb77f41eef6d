# crucible_module(runtime/event DEPENDS base [LIBS fmt::fmt] [FLATBUFFERS event.fbs])
#
# A module is a folder under src/. Its sources are globbed: a file in the folder is built. DEPENDS
# names the modules it may include; each must have been declared above it, so the order in
# src/CMakeLists.txt is the order of the layers. tests/tidy compares every #include with these
# declarations.
function(crucible_module path)
  cmake_parse_arguments(MODULE "" "" "DEPENDS;LIBS;FLATBUFFERS" ${ARGN})
  string(REPLACE "/" "_" name "crucible_${path}")
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${path}/*.cpp)
  if(sources)
    add_library(${name} STATIC ${sources})
    set(scope PUBLIC)
    target_link_libraries(${name} PRIVATE crucible_compile)
  else()
    add_library(${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_compile_features(${name} ${scope} cxx_std_23)
  target_include_directories(${name} ${scope}
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>)
  crucible_install(${name})
  if(NOT sources)
    set(MODULE_FLATBUFFERS "")
  endif()
  foreach(schema IN LISTS MODULE_FLATBUFFERS)
    get_filename_component(stem ${schema} NAME_WE)
    set(generated ${PROJECT_BINARY_DIR}/generated/${path}/${stem}_generated.h)
    add_custom_command(
      OUTPUT ${generated}
      COMMAND ${CRUCIBLE_FLATC} --cpp --scoped-enums -o ${PROJECT_BINARY_DIR}/generated/${path}
              ${CMAKE_CURRENT_SOURCE_DIR}/${path}/${schema}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${path}/${schema})
    target_sources(${name} PRIVATE ${generated})
    # Generated code is not ours to warn about.
    target_include_directories(${name} SYSTEM PRIVATE ${PROJECT_BINARY_DIR}/generated)
    target_link_libraries(${name} PRIVATE flatbuffers::flatbuffers)
  endforeach()
  foreach(dependency IN LISTS MODULE_DEPENDS)
    string(REPLACE "/" "_" dependency_name "crucible_${dependency}")
    if(NOT TARGET ${dependency_name})
      message(FATAL_ERROR "module ${path} depends on ${dependency}, which is not declared above it")
    endif()
    target_link_libraries(${name} ${scope} ${dependency_name})
  endforeach()
  target_link_libraries(${name} ${scope} ${MODULE_LIBS} Threads::Threads)
endfunction()

# Gives a test's seconds what a sanitizer takes of them: up to 15 times as much processor time.
function(crucible_stretch seconds)
  if(CRUCIBLE_SANITIZE)
    math(EXPR ${seconds} "4 * ${${seconds}}")
    set(${seconds} ${${seconds}} PARENT_SCOPE)
  endif()
endfunction()

# crucible_test(runtime/event): builds every tests/<path>/*_test.cpp into one executable and
# registers its tests one by one. DEPENDS names modules besides the tested one, LIBS libraries.
function(crucible_test path)
  cmake_parse_arguments(TEST "" "TIMEOUT" "DEPENDS;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${path}/*.cpp)
  if(NOT sources)
    return()
  endif()
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 60)
  endif()
  crucible_stretch(TEST_TIMEOUT)
  string(REPLACE "/" "_" stem ${path})
  set(name "test_${stem}")
  add_executable(${name} ${sources})
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_compile_definitions(${name} PRIVATE CRUCIBLE_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data")
  target_link_libraries(${name} PRIVATE
    crucible_compile GTest::gtest GTest::gmock GTest::gtest_main ${TEST_LIBS})
  foreach(module ${path} ${TEST_DEPENDS})
    string(REPLACE "/" "_" module_name "crucible_${module}")
    if(TARGET ${module_name})
      target_link_libraries(${name} PRIVATE ${module_name})
    endif()
  endforeach()
  gtest_discover_tests(${name} TEST_PREFIX "${path}: "
    PROPERTIES TIMEOUT ${TEST_TIMEOUT} DISCOVERY_TIMEOUT 60)
endfunction()

# Makes a library part of the package that find_package(Crucible) finds (CruciblePackage.cmake).
function(crucible_install name)
  install(TARGETS ${name} EXPORT CrucibleTargets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}/crucible INCLUDES DESTINATION include)
endfunction()
