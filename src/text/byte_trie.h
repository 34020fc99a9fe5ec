// A set of byte strings, each with a value, in which prefixes of a text are found.
//
// The nodes lie in breadth-first order, so that the children of a node are neighbours and need no
// pointers: building takes linear time whatever the strings are. Immutable after Build;
// thread-safe. Movable.
#ifndef TESSERA_TEXT_BYTE_TRIE_H_
#define TESSERA_TEXT_BYTE_TRIE_H_

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera {

class ByteTrie {
 public:
  static constexpr int32_t kNoValue = -1;
  static constexpr uint32_t kRoot = 0;
  static constexpr uint32_t kNoNode = UINT32_MAX;

  // Values >= 0; of equal strings the last counts. All strings together hold less than 2^31 bytes.
  // The strings are not kept.
  static ByteTrie Build(const std::vector<std::pair<std::string_view, int32_t>>& entries);

  ByteTrie() = default;

  // The child of `node` by `byte`, or kNoNode.
  uint32_t Child(uint32_t node, uint8_t byte) const {
    if (node == kRoot) return root_[byte];
    const uint32_t begin = nodes_[node].first_child;
    const uint32_t end = nodes_[node + 1].first_child;
    if (begin == end) return kNoNode;
    if (labels_[begin] == byte) return begin;
    if (end - begin == 1) return kNoNode;
    const void* found = std::memchr(labels_.data() + begin, byte, end - begin);
    return found == nullptr
               ? kNoNode
               : static_cast<uint32_t>(static_cast<const uint8_t*>(found) - labels_.data());
  }
  int32_t value(uint32_t node) const { return nodes_[node].value; }

  // The value of exactly `text`, or kNoValue.
  int32_t Find(std::string_view text) const;

  struct Match {
    int32_t value = kNoValue;  // kNoValue where no string of the set begins the text
    size_t length = 0;
  };
  Match LongestPrefix(std::string_view text) const;

 private:
  struct Node {
    uint32_t first_child;  // the last child is before that of the next node
    int32_t value;
  };
  std::array<uint32_t, 256> root_ = MakeEmptyRoot();
  std::vector<Node> nodes_{{1, kNoValue}, {1, kNoValue}};  // one more than there are nodes
  std::vector<uint8_t> labels_{0};                         // of the edge to each node

  static std::array<uint32_t, 256> MakeEmptyRoot();
};

}  // namespace tessera

#endif  // TESSERA_TEXT_BYTE_TRIE_H_
