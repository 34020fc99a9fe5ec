#include "runtime/provider_registry.h"

#include <algorithm>
#include <mutex>

namespace tessera {
namespace {

struct Added {
  std::mutex mutex;
  std::vector<std::shared_ptr<const ProviderSource>> sources;
};
Added& TheAdded() {
  static Added added;
  return added;
}

}  // namespace

std::vector<std::shared_ptr<const ProviderSource>> ProviderSources() {
  std::vector<std::shared_ptr<const ProviderSource>> sources;
  Added& added = TheAdded();
  const std::lock_guard lock(added.mutex);
  sources.insert(sources.end(), added.sources.rbegin(), added.sources.rend());
  for (auto& source : BuiltInProviderSources()) sources.push_back(std::move(source));
  return sources;
}

FoundProvider FindProvider(const std::string& name) {
  for (const auto& source : ProviderSources()) {
    std::vector<FoundProvider> found = source->Find({.name = name});
    if (!found.empty()) return std::move(found.front());
  }
  FoundProvider none;
  none.info.name = name;
  none.info.reason = "this build has no such provider";
  none.code = StatusCode::kNotFound;
  return none;
}

ScopedProviderSource::ScopedProviderSource(std::shared_ptr<const ProviderSource> source)
    : source_(std::move(source)) {
  Added& added = TheAdded();
  const std::lock_guard lock(added.mutex);
  added.sources.push_back(source_);
}

ScopedProviderSource::~ScopedProviderSource() {
  Added& added = TheAdded();
  const std::lock_guard lock(added.mutex);
  added.sources.erase(std::ranges::find(added.sources, source_));
}

}  // namespace tessera
