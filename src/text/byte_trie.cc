#include "text/byte_trie.h"

#include <algorithm>
#include <string>

namespace tessera {
namespace {

// The first eight bytes, so that they compare as the text does.
uint64_t Beginning(std::string_view text) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < 8; ++i)
    bytes = bytes << 8 | (i < text.size() ? static_cast<unsigned char>(text[i]) : 0u);
  return bytes;
}

// The entries in the order of their strings, which lie one behind the other: a vocabulary of
// hundreds of thousands is walked through once for every byte of the longest. Of equal strings the
// last comes last.
class Sorted {
 public:
  explicit Sorted(const std::vector<std::pair<std::string_view, int32_t>>& entries) {
    struct Key {
      uint64_t beginning;
      uint32_t index;
    };
    std::vector<Key> keys(entries.size());
    size_t bytes = 0;
    for (size_t i = 0; i < entries.size(); ++i) {
      keys[i] = {Beginning(entries[i].first), static_cast<uint32_t>(i)};
      bytes += entries[i].first.size();
    }
    std::sort(keys.begin(), keys.end(), [&entries](const Key& a, const Key& b) {
      if (a.beginning != b.beginning) return a.beginning < b.beginning;
      const int compared = entries[a.index].first.compare(entries[b.index].first);
      return compared != 0 ? compared < 0 : a.index < b.index;
    });
    pool_.reserve(bytes);
    begins_.reserve(entries.size() + 1);
    values_.reserve(entries.size());
    for (const Key& key : keys) {
      begins_.push_back(pool_.size());
      pool_ += entries[key.index].first;
      values_.push_back(entries[key.index].second);
    }
    begins_.push_back(pool_.size());
  }

  std::string_view text(size_t i) const {
    return {pool_.data() + begins_[i], begins_[i + 1] - begins_[i]};
  }
  int32_t value(size_t i) const { return values_[i]; }

 private:
  std::string pool_;
  std::vector<size_t> begins_;
  std::vector<int32_t> values_;
};

}  // namespace

std::array<uint32_t, 256> ByteTrie::MakeEmptyRoot() {
  std::array<uint32_t, 256> root;
  root.fill(kNoNode);
  return root;
}

ByteTrie ByteTrie::Build(const std::vector<std::pair<std::string_view, int32_t>>& entries) {
  const Sorted sorted(entries);
  // The strings below a node are a range of the sorted ones; ranges[node] waits to be divided by
  // the byte at depth.
  struct Range {
    size_t begin;
    size_t end;
  };
  ByteTrie trie;
  trie.nodes_.clear();
  std::vector<Range> level{{0, entries.size()}};
  std::vector<Range> next;
  for (size_t depth = 0; !level.empty(); ++depth) {
    // Children of this level begin after all nodes of it.
    const size_t after_level = trie.nodes_.size() + level.size();
    next.clear();
    for (const Range& range : level) {
      Node node{static_cast<uint32_t>(after_level + next.size()), kNoValue};
      size_t at = range.begin;
      for (; at < range.end && sorted.text(at).size() == depth; ++at) node.value = sorted.value(at);
      while (at < range.end) {
        const char label = sorted.text(at)[depth];
        size_t end = at + 1;
        while (end < range.end && sorted.text(end)[depth] == label) ++end;
        trie.labels_.push_back(static_cast<uint8_t>(label));
        next.push_back({at, end});
        at = end;
      }
      trie.nodes_.push_back(node);
    }
    level.swap(next);
  }
  const auto count = static_cast<uint32_t>(trie.nodes_.size());
  trie.nodes_.push_back({count, kNoValue});
  for (uint32_t child = trie.nodes_[0].first_child; child < trie.nodes_[1].first_child; ++child)
    trie.root_[trie.labels_[child]] = child;
  return trie;
}

int32_t ByteTrie::Find(std::string_view text) const {
  uint32_t node = kRoot;
  for (const char c : text) {
    node = Child(node, static_cast<uint8_t>(c));
    if (node == kNoNode) return kNoValue;
  }
  return value(node);
}

ByteTrie::Match ByteTrie::LongestPrefix(std::string_view text) const {
  Match match;
  uint32_t node = kRoot;
  for (size_t i = 0;; ++i) {
    if (value(node) != kNoValue) match = {value(node), i};
    if (i == text.size()) return match;
    node = Child(node, static_cast<uint8_t>(text[i]));
    if (node == kNoNode) return match;
  }
}

}  // namespace tessera
