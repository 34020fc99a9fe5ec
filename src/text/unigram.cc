#include "text/unigram.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <utility>

#include "base/check.h"

namespace tessera {
namespace {

constexpr double kUnknownPenalty = 10.0;
// A longer piece is cut in parts of about this many bytes.
constexpr size_t kWindowBytes = 8192;
// Shorter pieces, which are nearly all, need no memory but the stack's.
constexpr size_t kSmallPieceBytes = 255;

size_t CharacterBytes(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

}  // namespace

Result<std::unique_ptr<const Unigram>> Unigram::Create(const std::vector<VocabularyToken>& tokens,
                                                       int64_t unknown_id, bool byte_fallback) {
  if (unknown_id < 0 || unknown_id >= static_cast<int64_t>(tokens.size())) {
    return DataLoss("unk_id " + std::to_string(unknown_id) + " is not in the vocabulary of " +
                    std::to_string(tokens.size()) + " tokens");
  }
  std::unique_ptr<Unigram> model(new Unigram());
  std::vector<std::pair<std::string_view, int32_t>> entries;
  entries.reserve(tokens.size());
  double lowest = std::numeric_limits<double>::infinity();
  for (const VocabularyToken& token : tokens) {
    if (token.text.size() > kMaxTokenBytes) {
      return DataLoss("token " + std::to_string(token.id) + " has " +
                      std::to_string(token.text.size()) + " bytes, expected at most " +
                      std::to_string(kMaxTokenBytes));
    }
    if (!token.text.empty()) entries.emplace_back(token.text, token.id);
    model->longest_ = std::max(model->longest_, token.text.size());
    lowest = std::min(lowest, token.score);
    model->scores_.push_back(token.score);
  }
  model->trie_ = ByteTrie::Build(entries);
  model->unknown_ = static_cast<int32_t>(unknown_id);
  model->unknown_score_ = lowest - kUnknownPenalty;
  model->byte_fallback_ = byte_fallback;
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof(name), "<0x%02X>", byte);
    model->byte_ids_[static_cast<size_t>(byte)] = model->trie_.Find(name);
  }
  return std::unique_ptr<const Unigram>(std::move(model));
}

void Unigram::AppendUnknown(std::string_view text, std::vector<int32_t>* ids) const {
  if (const int32_t id = trie_.Find(text); id != ByteTrie::kNoValue) {
    ids->push_back(id);
    return;
  }
  const auto has_token = [this](char c) {
    return byte_ids_[static_cast<unsigned char>(c)] != ByteTrie::kNoValue;
  };
  if (!byte_fallback_ || !std::all_of(text.begin(), text.end(), has_token)) {
    ids->push_back(unknown_);
    return;
  }
  for (const char c : text) ids->push_back(byte_ids_[static_cast<unsigned char>(c)]);
}

// Takes the tokens of the best cut in order and appends their ids, joining unknown ones.
class Unigram::Path {
 public:
  Path(const Unigram& model, std::string_view text, std::vector<int32_t>* ids)
      : model_(model), text_(text), ids_(*ids) {}

  // The tokens between the places `begin` and `end`, where nodes[0] is place `base`.
  void Append(const Node* nodes, size_t base, size_t begin, size_t end) {
    ends_.clear();
    for (size_t at = end; at > begin; at -= nodes[at - base].length) ends_.push_back(at);
    for (size_t i = ends_.size(); i-- > 0;) {
      const Node& node = nodes[ends_[i] - base];
      if (node.id == model_.unknown_) {
        if (unknown_bytes_ == 0) unknown_begin_ = ends_[i] - node.length;
        unknown_bytes_ += node.length;
      } else {
        Finish();
        ids_.push_back(node.id);
      }
    }
  }

  void Finish() {
    if (unknown_bytes_ == 0) return;
    model_.AppendUnknown(text_.substr(unknown_begin_, unknown_bytes_), &ids_);
    unknown_bytes_ = 0;
  }

 private:
  const Unigram& model_;
  std::string_view text_;
  std::vector<int32_t>& ids_;
  std::vector<size_t> ends_;
  size_t unknown_begin_ = 0;
  size_t unknown_bytes_ = 0;
};

void Unigram::Extend(std::string_view text, size_t base, size_t from, size_t to,
                     Node* nodes) const {
  for (size_t begin = from; begin < to;) {
    const double score = nodes[begin - base].score;
    const size_t character = std::min(CharacterBytes(text[begin]), text.size() - begin);
    const auto offer = [&](size_t length, double token_score, int32_t id) {
      Node& node = nodes[begin + length - base];
      if (node.length == 0 || token_score + score > node.score)
        node = {token_score + score, static_cast<uint32_t>(length), id};
    };
    bool has_character = false;
    uint32_t place = ByteTrie::kRoot;
    for (size_t length = 1; begin + length <= text.size(); ++length) {
      place = trie_.Child(place, static_cast<uint8_t>(text[begin + length - 1]));
      if (place == ByteTrie::kNoNode) break;
      const int32_t id = trie_.value(place);
      if (id == ByteTrie::kNoValue) continue;
      offer(length, scores_[static_cast<size_t>(id)], id);
      if (length == character) has_character = true;
    }
    if (!has_character) offer(character, unknown_score_, unknown_);
    begin += character;
  }
}

void Unigram::Tokenize(std::string_view piece, size_t limit, std::vector<int32_t>* ids) const {
  Path path(*this, piece, ids);
  if (piece.size() <= kSmallPieceBytes) {
    std::array<Node, kSmallPieceBytes + 1> nodes;
    std::fill_n(nodes.begin(), piece.size() + 1, Node{0, 0, 0});
    Extend(piece, 0, 0, piece.size(), nodes.data());
    path.Append(nodes.data(), 0, 0, piece.size());
    path.Finish();
    return;
  }
  // Once all ways on begin with the same tokens, these are settled and their nodes are dropped.
  size_t base = 0;  // place of nodes[0], where the settled tokens end
  size_t done = 0;  // places before it have been extended; a boundary of characters
  size_t window = kWindowBytes;
  std::vector<Node> nodes(1, Node{0, 0, 0});
  while (done < piece.size()) {
    size_t to = std::min(base + window, piece.size());
    while (to < piece.size() && (static_cast<unsigned char>(piece[to]) & 0xC0) == 0x80) ++to;
    nodes.resize(std::min(to + std::max(longest_, size_t{4}), piece.size()) - base + 1,
                 Node{0, 0, 0});
    Extend(piece, base, done, to, nodes.data());
    done = to;
    if (done == piece.size()) break;
    const size_t settled = FindSettled(nodes, done - base);
    if (settled == 0) {
      window *= 2;
      continue;
    }
    path.Append(nodes.data(), base, base, base + settled);
    if (ids->size() > limit) return;
    nodes.erase(nodes.begin(), nodes.begin() + static_cast<ptrdiff_t>(settled));
    base += settled;
    window = done - base + kWindowBytes;
  }
  path.Append(nodes.data(), base, base, piece.size());
  path.Finish();
}

size_t Unigram::FindSettled(const std::vector<Node>& nodes, size_t done) {
  // Walks from the last place down; the places on ways that lead to a place at or behind `done`
  // are marked.
  std::vector<bool> is_on_way(nodes.size());
  size_t ways = 0;
  for (size_t at = done; at < nodes.size(); ++at) {
    if (nodes[at].length > 0) {
      is_on_way[at] = true;
      ++ways;
    }
  }
  size_t at = nodes.size() - 1;
  for (; ways > 1 || !is_on_way[at]; --at) {
    if (!is_on_way[at]) continue;
    const size_t before = at - nodes[at].length;
    if (is_on_way[before]) --ways;
    is_on_way[before] = true;
  }
  return at;
}

}  // namespace tessera
