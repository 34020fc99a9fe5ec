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
  return sources;
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
