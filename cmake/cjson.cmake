# lua-cjson: fetched and patched when the build is configured (see fetch-cjson.sh), then built like our own code but
# with its own warnings.
set(cjson_dir ${CMAKE_BINARY_DIR}/lua-cjson)
file(GLOB cjson_patches CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/patches/lua-cjson/*.patch)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/fetch-cjson.sh ${cjson_patches})
function(fetch_cjson)
	execute_process(
		COMMAND ${CMAKE_COMMAND} -E env SM_SOURCES_CACHE=${CMAKE_SOURCE_DIR}/build/sources
			${CMAKE_SOURCE_DIR}/cmake/fetch-cjson.sh ${ARGN}
		RESULT_VARIABLE result)
	if(NOT result EQUAL 0)
		message(FATAL_ERROR "lua-cjson could not be prepared; the reason stands above.")
	endif()
endfunction()
fetch_cjson(${cjson_dir})
add_library(sm_cjson STATIC ${cjson_dir}/lua_cjson.c ${cjson_dir}/strbuf.c ${cjson_dir}/fpconv.c)
target_compile_options(sm_cjson PRIVATE -fvisibility=hidden -w)
if(SM_SANITIZE)
	target_compile_options(sm_cjson PRIVATE -fsanitize=${SM_SANITIZE} -fno-omit-frame-pointer)
endif()
target_include_directories(sm_cjson PRIVATE ${CMAKE_SOURCE_DIR}/core)
target_link_libraries(sm_cjson PUBLIC sm_core sm::lua)
if(SM_STATIC)
	# Lua's small functions into the loops of lua-cjson: JSON a sixth faster for 20 KiB of program.
	set_source_files_properties(${cjson_dir}/lua_cjson.c PROPERTIES COMPILE_OPTIONS
		"-O3;--param=max-inline-insns-auto=120;--param=max-inline-insns-single=400;--param=large-function-growth=400")
	return()
endif()

# The same source without our patches, for the specs and benchmarks that compare (tests/lua/sm/json_spec.lua).
fetch_cjson(${cjson_dir}-unpatched unpatched)
add_library(stock_cjson MODULE ${cjson_dir}-unpatched/lua_cjson.c ${cjson_dir}-unpatched/strbuf.c ${cjson_dir}-unpatched/fpconv.c)
target_compile_options(stock_cjson PRIVATE -w)
target_include_directories(stock_cjson PRIVATE ${LUA_INCLUDE_DIRS})
set_target_properties(stock_cjson PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
