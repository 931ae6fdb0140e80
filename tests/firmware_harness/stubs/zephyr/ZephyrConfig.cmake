# As much of Zephyr's build system as an exported module uses, for the host.
project(zephyr_stub C CXX)
add_executable(app)

file(STRINGS "${CMAKE_CURRENT_SOURCE_DIR}/prj.conf" settings REGEX "=")
foreach(setting ${settings})
    string(REGEX MATCH "^([A-Z0-9_]+)=(.*)$" _ "${setting}")
    set(${CMAKE_MATCH_1} ${CMAKE_MATCH_2})
endforeach()

function(zephyr_library_named name)
    add_library(${name} STATIC)
    target_link_libraries(app PRIVATE ${name})
    set(current_library ${name} PARENT_SCOPE)
endfunction()

function(zephyr_library_sources)
    target_sources(${current_library} PRIVATE ${ARGN})
endfunction()

function(zephyr_include_directories)
    list(TRANSFORM ARGN PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/")
    target_include_directories(app PRIVATE ${ARGN})
    target_include_directories(${current_library} PRIVATE ${ARGN})
endfunction()

foreach(module ${EXTRA_ZEPHYR_MODULES})
    file(STRINGS "${module}/zephyr/module.yml" place REGEX "^  cmake: ")
    string(REPLACE "  cmake: " "" place "${place}")
    add_subdirectory("${module}/${place}" module)
endforeach()
