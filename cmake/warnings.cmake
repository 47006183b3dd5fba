# What every target of ours is compiled with. Errors only where a preset says so:
# a newer compiler never stops someone building.
add_library(sta_warnings INTERFACE)
target_compile_options(sta_warnings INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wvla -Wstrict-prototypes -Wmissing-prototypes
  -Wpointer-arith -Wundef -Wformat=2 -fno-common)
if(STAFFETTA_WERROR)
  target_compile_options(sta_warnings INTERFACE -Werror)
endif()
# No program holds the name of the folder it was built in, and two people who build the same get the same.
add_compile_options(-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)
# Sanitizers have to reach the link of every program, so they are no target's own matter.
if(STAFFETTA_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
if(STAFFETTA_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
# assert stays on in release builds: "we fail: assert" (docs/architecture.md).
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELWITHDEBINFO "${CMAKE_C_FLAGS_RELWITHDEBINFO}")
