#include "text/byte_trie.h"

#include <algorithm>
#include <numeric>

namespace tessera {

std::array<uint32_t, 256> ByteTrie::MakeEmptyRoot() {
  std::array<uint32_t, 256> root;
  root.fill(kNoNode);
  return root;
}

ByteTrie ByteTrie::Build(const std::vector<std::pair<std::string_view, int32_t>>& entries) {
  // Of equal strings the last comes last.
  std::vector<uint32_t> order(entries.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&entries](uint32_t a, uint32_t b) {
    const int compared = entries[a].first.compare(entries[b].first);
    return compared != 0 ? compared < 0 : a < b;
  });
  const auto text_of = [&](size_t i) { return entries[order[i]].first; };
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
      for (; at < range.end && text_of(at).size() == depth; ++at)
        node.value = entries[order[at]].second;
      while (at < range.end) {
        const char label = text_of(at)[depth];
        size_t end = at + 1;
        while (end < range.end && text_of(end)[depth] == label) ++end;
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
