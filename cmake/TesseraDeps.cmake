# Third-party code: a system package first, then the pinned sources in TESSERA_DEPS_DIR, else the feature is off.
# No network at configure time; tools/fetch_deps.py fills TESSERA_DEPS_DIR.
find_package(Threads REQUIRED)
find_package(PkgConfig)

# Highway >= 1.2 (run-time SIMD dispatch). Debian 12's 1.0.3 has neither dpbf16 nor the Zen 4 target.
set(TESSERA_HAVE_HIGHWAY OFF)
if(NOT TESSERA_SCALAR_ONLY)
  find_package(hwy 1.2 QUIET CONFIG)
  if(hwy_FOUND)
    add_library(tessera_hwy INTERFACE)
    target_link_libraries(tessera_hwy INTERFACE hwy::hwy)
    set(TESSERA_HAVE_HIGHWAY ON)
  elseif(EXISTS "${TESSERA_DEPS_DIR}/highway/hwy/highway.h")
    set(_hwy "${TESSERA_DEPS_DIR}/highway")
    add_library(tessera_hwy STATIC "${_hwy}/hwy/abort.cc" "${_hwy}/hwy/aligned_allocator.cc" "${_hwy}/hwy/per_target.cc"
      "${_hwy}/hwy/print.cc" "${_hwy}/hwy/targets.cc" "${_hwy}/hwy/timer.cc")
    target_include_directories(tessera_hwy SYSTEM PUBLIC "${_hwy}")
    target_compile_definitions(tessera_hwy PUBLIC HWY_STATIC_DEFINE HWY_SHARED_DEFINE)
    set(TESSERA_HAVE_HIGHWAY ON)
  endif()
endif()

# Header-only or system libraries; each becomes one interface target, absent ones define nothing.
function(tessera_system_library target header library define)
  add_library(${target} INTERFACE)
  find_path(${target}_INC ${header})
  find_library(${target}_LIB ${library})
  if(${target}_INC AND ${target}_LIB)
    target_include_directories(${target} SYSTEM INTERFACE "${${target}_INC}")
    target_link_libraries(${target} INTERFACE "${${target}_LIB}")
    target_compile_definitions(${target} INTERFACE ${define}=1)
  endif()
endfunction()
tessera_system_library(tessera_sndfile sndfile.h sndfile TESSERA_HAVE_SNDFILE)
tessera_system_library(tessera_zlib zlib.h z TESSERA_HAVE_ZLIB)

add_library(tessera_miniaudio INTERFACE)
if(EXISTS "${TESSERA_DEPS_DIR}/miniaudio/miniaudio.h")
  target_include_directories(tessera_miniaudio SYSTEM INTERFACE "${TESSERA_DEPS_DIR}/miniaudio")
  target_compile_definitions(tessera_miniaudio INTERFACE TESSERA_HAVE_MINIAUDIO=1)
  target_link_libraries(tessera_miniaudio INTERFACE ${CMAKE_DL_LIBS} m)
endif()

# ONNX Runtime's C headers. Its library is opened at run time, so nothing is linked; without the headers src/providers/onnxruntime
# is one file that says so.
set(TESSERA_HAVE_ONNXRUNTIME_HEADERS OFF)
add_library(tessera_onnxruntime_headers INTERFACE)
if(EXISTS "${TESSERA_DEPS_DIR}/onnxruntime/onnxruntime_c_api.h")
  target_include_directories(tessera_onnxruntime_headers SYSTEM INTERFACE "${TESSERA_DEPS_DIR}/onnxruntime")
  set(TESSERA_HAVE_ONNXRUNTIME_HEADERS ON)
endif()
