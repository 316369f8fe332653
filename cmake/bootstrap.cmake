# The program that Lambda starts, `bootstrap`, with our Lua inside it as bytecode.
enable_language(ASM)
set(bundle ${CMAKE_BINARY_DIR}/bundle.bin)
file(GLOB_RECURSE bundle_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/lua/*.lua ${CMAKE_SOURCE_DIR}/lua/*.sql)
add_custom_command(OUTPUT ${bundle} BYPRODUCTS ${bundle}.times
	COMMAND ${host_lua} ${CMAKE_SOURCE_DIR}/cmake/static/bundle.lua ${CMAKE_SOURCE_DIR} ${bundle}
	DEPENDS ${host_lua} ${bundle_sources} cmake/static/bundle.lua cmake/static/files.lua
	COMMENT "Lua to bytecode" VERBATIM)
add_executable(bootstrap runtime/bootstrap.c core/bundle_data.S)
set_source_files_properties(core/bundle_data.S PROPERTIES OBJECT_DEPENDS ${bundle})
set_property(SOURCE core/bundle_data.S APPEND PROPERTY COMPILE_OPTIONS "-DSM_BUNDLE_FILE=\"${bundle}\"")
target_link_libraries(bootstrap PRIVATE sm_lua)
target_sources(bootstrap PRIVATE core/mem.c)
set_source_files_properties(core/mem.c PROPERTIES COMPILE_OPTIONS "-fno-lto;-fno-builtin;-fno-tree-loop-distribute-patterns;-Wno-shadow")
