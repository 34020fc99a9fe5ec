#include "pipelines/search_plan.h"

#include <algorithm>
#include <map>

#include "base/file.h"
#include "base/sha256.h"
#include "pipelines/search_update.h"

namespace tessera {
namespace {

constexpr int64_t kYoungNs = 2000000000;

bool UnderRoot(const SearchIndexSettings& settings, std::string_view path) {
  return std::any_of(settings.roots.begin(), settings.roots.end(),
                     [&](const std::string& root) { return IsBelow(path, root); });
}

void FindMoved(const std::vector<int64_t>& gone, const SearchIndex& old, int64_t now_ns,
               const std::stop_token& stop, SearchPlan& plan) {
  std::multimap<uint64_t, int64_t> by_size;
  for (const int64_t i : gone) {
    const IndexedDocument d = old.document(static_cast<uint64_t>(i));
    if (d.state == DocumentState::kComplete) by_size.emplace(d.stamp.size, i);
  }
  for (PlannedDocument& planned : plan.documents) {
    if (by_size.empty() || stop.stop_requested()) return;
    NewDocument& document = planned.document;
    if (planned.work != PlannedDocument::Work::kTodo || planned.previous >= 0) continue;
    const auto [first, last] = by_size.equal_range(document.stamp.size);
    if (first == last) continue;
    const Result<std::string> content = ReadFile(document.path, kMaxSearchedFile);
    if (!content.ok()) continue;
    const std::string sha256 = Sha256Hex(AsBytes(*content));
    for (auto it = first; it != last; ++it) {
      // Markdown is cut in another way than other text.
      const IndexedDocument d = old.document(static_cast<uint64_t>(it->second));
      if (d.sha256 != sha256 || IsMarkdownPath(d.path) != IsMarkdownPath(document.path)) continue;
      document.old_document = it->second;
      document.stamp = TrustedStamp(document.stamp, now_ns);
      planned.work = PlannedDocument::Work::kKeep;
      ++plan.moved;
      --plan.removed;
      by_size.erase(it);
      break;
    }
  }
}

}  // namespace

NewDocument OldDocument(const SearchIndex& old, int64_t i) {
  const IndexedDocument d = old.document(static_cast<uint64_t>(i));
  return {.path = std::string(d.path),
          .stamp = d.stamp,
          .state = d.state,
          .sha256 = "",
          .old_document = i,
          .passages = {}};
}

FileStamp TrustedStamp(FileStamp stamp, int64_t now_ns) {
  if (now_ns - std::max(stamp.modified_ns, stamp.changed_ns) < kYoungNs) stamp.modified_ns = 0;
  return stamp;
}

SearchPlan PlanUpdate(const SearchScan& scan, const SearchIndexSettings& settings,
                      const SearchIndex* old, int64_t now_ns, std::stop_token stop) {
  SearchPlan plan;
  const uint64_t num_old = old != nullptr ? old->num_documents() : 0;
  std::vector<int64_t> gone;
  uint64_t at = 0;
  // Both lists are sorted by path.
  const auto pass_by = [&] {
    const IndexedDocument d = old->document(at);
    const auto number = static_cast<int64_t>(at++);
    if (!UnderRoot(settings, d.path) || !scan.IsUnknown(d.path)) {
      gone.push_back(number);
      return;
    }
    plan.documents.push_back(
        {.document = OldDocument(*old, number), .work = PlannedDocument::Work::kKeep});
    ++plan.unchanged;
  };
  for (const WalkedFile& file : scan.files) {
    while (at < num_old && old->document(at).path < file.path) pass_by();
    PlannedDocument planned;
    planned.document.path = file.path;
    planned.document.stamp = file.stamp;
    if (at < num_old && old->document(at).path == file.path) {
      const IndexedDocument d = old->document(at);
      planned.previous = static_cast<int64_t>(at++);
      if (d.stamp == file.stamp && d.state != DocumentState::kPartial) {
        planned.document.old_document = planned.previous;
        planned.work = PlannedDocument::Work::kKeep;
        ++plan.unchanged;
      }
    }
    plan.documents.push_back(std::move(planned));
  }
  while (at < num_old) pass_by();
  plan.removed = gone.size();
  if (old != nullptr) FindMoved(gone, *old, now_ns, stop, plan);
  return plan;
}

}  // namespace tessera
