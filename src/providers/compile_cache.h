// A provider's own form of a model's weights, kept between processes so that a start need not make
// it again.
//
// The caller says where and what for; the provider decides what it stores. A cache is a help only:
// whatever is wrong with it (missing, damaged, of other weights, a full disk), compiling gives the
// same program, more slowly.
#ifndef TESSERA_PROVIDERS_COMPILE_CACHE_H_
#define TESSERA_PROVIDERS_COMPILE_CACHE_H_

#include <string>

#include "base/check.h"

namespace tessera {

struct CompileCacheKey {
  // Path; its folder exists or can be made. A provider that keeps a folder elsewhere gives it the
  // name of the last component.
  std::string file;
  // What the constants of all graphs that are compiled with this cache are: equal texts, equal
  // constants. Others than those that the file was written for make it void. At most 64 KiB.
  std::string identity;
  std::string source;  // the model's path, for those who look into the folder of caches
  std::string model;   // the part of `identity` that says which model, whatever is made of it
};

// One model's cache for the Compile calls of all its stages. Thread-compatible.
class CompileCache {
 public:
  virtual ~CompileCache() = default;
  // After the last Compile: writes the file when something had to be made, and drops what is only
  // needed for that. True when it wrote. A failure is not one of the model; it is for a log.
  virtual Result<bool> Commit() = 0;
};

}  // namespace tessera

#endif  // TESSERA_PROVIDERS_COMPILE_CACHE_H_
