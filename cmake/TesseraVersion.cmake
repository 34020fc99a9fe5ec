# Writes GENERATED/tessera_version.h: version, git commit ("" outside a checkout) and compiler. Runs at configure time, so a
# commit shows after the next configure; that keeps a build without changes free of work.
function(tessera_version_header dir)
  set(TESSERA_GIT_COMMIT "")
  find_package(Git QUIET)
  if(GIT_FOUND AND EXISTS "${CMAKE_SOURCE_DIR}/.git")
    execute_process(COMMAND "${GIT_EXECUTABLE}" -C "${CMAKE_SOURCE_DIR}" rev-parse --short=12 HEAD
      OUTPUT_VARIABLE TESSERA_GIT_COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
  configure_file("${CMAKE_SOURCE_DIR}/cmake/tessera_version.h.in" "${dir}/tessera_version.h" @ONLY)
endfunction()
