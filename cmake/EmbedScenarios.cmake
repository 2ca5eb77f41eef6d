# Writes every scenarios/*.toml into one header, so that the binary works wherever it is copied.
# Called as a script: cmake -DOUTPUT=<header> -DFOLDER=<scenarios> -P EmbedScenarios.cmake
cmake_minimum_required(VERSION 3.25)
file(GLOB files ${FOLDER}/*.toml)
set(entries "")
foreach(file IN LISTS files)
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} text)
  string(APPEND entries "    {\"${name}\", R\"toml(${text})toml\"},\n")
endforeach()
file(WRITE ${OUTPUT} "// Generated from scenarios/*.toml.
#pragma once

#include <string_view>

namespace crucible::app {

struct EmbeddedScenario {
    std::string_view name;
    std::string_view text;
};

inline constexpr EmbeddedScenario kEmbeddedScenarios[] = {
${entries}};

}  // namespace crucible::app
")
