# lua-cjson: fetched and patched when the build is configured (see fetch-cjson.sh), then built like our own code but
# with its own warnings.
set(cjson_dir ${CMAKE_BINARY_DIR}/lua-cjson)
file(GLOB cjson_patches CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/patches/lua-cjson/*.patch)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/fetch-cjson.sh ${cjson_patches})
execute_process(
	COMMAND ${CMAKE_COMMAND} -E env SM_SOURCES_CACHE=${CMAKE_SOURCE_DIR}/build/sources
		${CMAKE_SOURCE_DIR}/cmake/fetch-cjson.sh ${cjson_dir}
	RESULT_VARIABLE cjson_result)
if(NOT cjson_result EQUAL 0)
	message(FATAL_ERROR "lua-cjson could not be prepared; the reason stands above.")
endif()
add_library(sm_cjson STATIC ${cjson_dir}/lua_cjson.c ${cjson_dir}/strbuf.c ${cjson_dir}/fpconv.c)
target_compile_options(sm_cjson PRIVATE -fvisibility=hidden -w)
if(SM_SANITIZE)
	target_compile_options(sm_cjson PRIVATE -fsanitize=${SM_SANITIZE} -fno-omit-frame-pointer)
endif()
target_include_directories(sm_cjson PRIVATE ${CMAKE_SOURCE_DIR}/core)
target_link_libraries(sm_cjson PUBLIC sm_core sm::lua)
