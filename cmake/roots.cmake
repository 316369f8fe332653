# cmake/amazon-roots.pem as text inside the program.
file(STRINGS ${CMAKE_SOURCE_DIR}/cmake/amazon-roots.pem roots REGEX "^[-A-Za-z0-9+/= ]+$")
list(FILTER roots EXCLUDE REGEX "[a-z]: | openssl ")
list(JOIN roots "\\n\"\n\"" text)
file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/amazon_roots.c CONTENT "extern const char sm_amazon_roots[];\nconst char sm_amazon_roots[] =\n\"${text}\\n\";\n")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/amazon-roots.pem)
target_sources(sm_core PRIVATE ${CMAKE_BINARY_DIR}/amazon_roots.c)
