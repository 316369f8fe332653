# The release build: everything linked statically against musl (see docs/release.md). SM_STATIC is the folder that
# cmake/static/build.sh filled. Gives the same targets that the system's packages give to the other builds.
# Lua, lua-cjson and our C are compiled as one: JSON and calls from Lua get a tenth faster.
target_compile_options(sm_options INTERFACE -O2 -flto -fno-fat-lto-objects -ffunction-sections -fdata-sections -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.
	-ffile-prefix-map=${CMAKE_BINARY_DIR}=build)
target_link_options(sm_options INTERFACE -O2 -flto=auto -static -no-pie -s -Wl,--gc-sections,--build-id=none,-z,noseparate-code,-z,norelro)

function(static_library name file)
	add_library(${name} STATIC IMPORTED)
	set_target_properties(${name} PROPERTIES IMPORTED_LOCATION ${SM_STATIC}/lib/${file})
	target_include_directories(${name} INTERFACE ${SM_STATIC}/include)
	target_link_libraries(${name} INTERFACE ${ARGN})
endfunction()
static_library(OpenSSL::Crypto libcrypto.a)
static_library(OpenSSL::SSL libssl.a OpenSSL::Crypto)
static_library(PkgConfig::CURL libcurl.a OpenSSL::SSL)
target_compile_definitions(PkgConfig::CURL INTERFACE CURL_STATICLIB)
static_library(PkgConfig::EXPAT libexpat.a)
target_compile_definitions(PkgConfig::EXPAT INTERFACE XML_STATIC)

# Lua as a library for the program, and as a program for this machine that compiles our Lua to bytecode.
file(GLOB lua_sources ${SM_STATIC}/lua/l*.c)
list(FILTER lua_sources EXCLUDE REGEX "/luac?\\.c$")
add_library(sm_lua54 STATIC ${lua_sources})
target_include_directories(sm_lua54 SYSTEM PUBLIC ${SM_STATIC}/lua)
target_compile_definitions(sm_lua54 PRIVATE LUA_USE_POSIX)
target_compile_options(sm_lua54 PRIVATE -w)
target_link_libraries(sm_lua54 PRIVATE sm_options)
set(host_lua ${CMAKE_BINARY_DIR}/host-lua)
find_program(HOST_CC NAMES gcc cc REQUIRED)
add_custom_command(OUTPUT ${host_lua} COMMAND ${HOST_CC} -O1 -w -DLUA_USE_POSIX -o ${host_lua} ${lua_sources} ${SM_STATIC}/lua/lua.c -lm
	DEPENDS ${lua_sources} COMMENT "Lua for this machine, to compile bytecode" VERBATIM)
