#include "graph/svg_layout.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace tessera {
namespace {

constexpr size_t kMaxItems = 100000;
constexpr double kGap = 26;        // between neighbours of a layer
constexpr double kBendWidth = 4;   // room for the line of a long edge
constexpr double kBendWeight = 4;  // straight lines matter more than centred boxes
constexpr int kOrderSweeps = 12;
constexpr int kPlaceSweeps = 160;

// A box, or the bend of a long edge in one layer.
struct Item {
  double width = 0, weight = 1, x = 0;
  int layer = 0;
  std::vector<int> above, below;
};

class Layouter {
 public:
  explicit Layouter(std::vector<LayoutBox> boxes) { layout_.boxes = std::move(boxes); }

  Result<Layout> Run() {
    AssignLayers();
    if (!AddItems()) {
      return ResourceExhausted("the graph has more than " + std::to_string(kMaxItems) +
                               " boxes and bends to draw");
    }
    for (int sweep = 0; sweep < kOrderSweeps; ++sweep) Order(sweep % 2 == 0);
    Place();
    Finish();
    return std::move(layout_);
  }

 private:
  void AssignLayers() {
    std::vector<LayoutBox>& boxes = layout_.boxes;
    std::vector<int> first_reader(boxes.size(), std::numeric_limits<int>::max());
    for (LayoutBox& box : boxes) {
      box.layer = box.sources.empty() ? 0 : 1;
      for (int source : box.sources) box.layer = std::max(box.layer, boxes[source].layer + 1);
    }
    for (const LayoutBox& box : boxes) {
      for (int source : box.sources) {
        first_reader[source] = std::min(first_reader[source], box.layer);
      }
    }
    for (size_t i = 0; i < boxes.size(); ++i) {
      // Inputs go next to their first reader.
      if (boxes[i].sources.empty() && first_reader[i] != std::numeric_limits<int>::max()) {
        boxes[i].layer = first_reader[i] - 1;
      }
      layout_.layers = std::max(layout_.layers, boxes[i].layer + 1);
    }
    layers_.resize(static_cast<size_t>(layout_.layers));
  }

  int AddItem(double width, double weight, int layer) {
    items_.push_back({width, weight, 0, layer, {}, {}});
    layers_[layer].push_back(static_cast<int>(items_.size()) - 1);
    return static_cast<int>(items_.size()) - 1;
  }
  void Connect(int above, int below) {
    items_[above].below.push_back(below);
    items_[below].above.push_back(above);
  }

  // One chain of bends leads from a box to all its readers: they branch off where they need to.
  bool AddItems() {
    const std::vector<LayoutBox>& boxes = layout_.boxes;
    for (const LayoutBox& box : boxes) AddItem(box.width, 1, box.layer);
    chains_.resize(boxes.size());
    for (size_t i = 0; i < boxes.size(); ++i) {
      for (int source : boxes[i].sources) {
        std::vector<int>& chain = chains_[source];
        const size_t bends = static_cast<size_t>(boxes[i].layer - boxes[source].layer - 1);
        if (items_.size() + bends > kMaxItems) return false;
        while (chain.size() < bends) {
          const int above = chain.empty() ? source : chain.back();
          chain.push_back(AddItem(kBendWidth, kBendWeight, items_[above].layer + 1));
          Connect(above, chain.back());
        }
        Connect(bends == 0 ? source : chain[bends - 1], static_cast<int>(i));
      }
    }
    return items_.size() <= kMaxItems;
  }

  // Sorts each layer by the mean place of its neighbours in the layer before.
  void Order(bool downward) {
    std::vector<double> place(items_.size());
    const auto number = [&](const std::vector<int>& layer) {
      for (size_t i = 0; i < layer.size(); ++i) {
        place[layer[i]] = (static_cast<double>(i) + 0.5) / static_cast<double>(layer.size());
      }
    };
    for (const std::vector<int>& layer : layers_) number(layer);
    for (size_t step = 0; step < layers_.size(); ++step) {
      std::vector<int>& layer = layers_[downward ? step : layers_.size() - 1 - step];
      std::vector<double> wanted(items_.size());
      for (int item : layer) {
        const std::vector<int>& around = downward ? items_[item].above : items_[item].below;
        double sum = 0;
        for (int other : around) sum += place[other];
        wanted[item] = around.empty() ? place[item] : sum / static_cast<double>(around.size());
      }
      // Ties keep their order.
      std::ranges::sort(layer, {}, [&](int item) { return std::pair(wanted[item], place[item]); });
      number(layer);
    }
  }

  void Place() {
    for (std::vector<int>& layer : layers_) {
      double x = 0;
      for (int item : layer) {
        items_[item].x = x + items_[item].width / 2;
        x += items_[item].width + kGap;
      }
    }
    for (int sweep = 0; sweep < kPlaceSweeps; ++sweep) {
      for (size_t step = 0; step < layers_.size(); ++step) {
        PlaceLayer(layers_[sweep % 2 == 0 ? step : layers_.size() - 1 - step]);
      }
    }
  }

  // Moves a layer's items as near to their neighbours' mean as order and gaps allow: the least sum
  // of weighted squares, found by merging items that would overlap into blocks (isotonic
  // regression).
  void PlaceLayer(const std::vector<int>& layer) {
    struct Block {
      double sum, weight;
      size_t items;
      double Mean() const { return sum / weight; }
    };
    std::vector<Block> blocks;
    std::vector<double> offsets;
    double offset = 0;
    for (size_t i = 0; i < layer.size(); ++i) {
      const Item& item = items_[layer[i]];
      if (i > 0) offset += (items_[layer[i - 1]].width + item.width) / 2 + kGap;
      offsets.push_back(offset);
      double sum = 0, weight = 0;
      for (const std::vector<int>* around : {&item.above, &item.below}) {
        for (int other : *around) {
          sum += items_[other].x * items_[other].weight;
          weight += items_[other].weight;
        }
      }
      const double wanted = (weight > 0 ? sum / weight : item.x) - offset;
      blocks.push_back({wanted * item.weight, item.weight, 1});
      while (blocks.size() > 1 && blocks[blocks.size() - 2].Mean() > blocks.back().Mean()) {
        const Block last = blocks.back();
        blocks.pop_back();
        blocks.back().sum += last.sum;
        blocks.back().weight += last.weight;
        blocks.back().items += last.items;
      }
    }
    size_t i = 0;
    for (const Block& block : blocks) {
      for (size_t n = 0; n < block.items; ++n, ++i) items_[layer[i]].x = block.Mean() + offsets[i];
    }
  }

  void Finish() {
    double left = std::numeric_limits<double>::max(), right = std::numeric_limits<double>::lowest();
    for (const Item& item : items_) {
      left = std::min(left, item.x - item.width / 2);
      right = std::max(right, item.x + item.width / 2);
    }
    layout_.width = items_.empty() ? 0 : right - left;
    std::vector<LayoutBox>& boxes = layout_.boxes;
    for (size_t i = 0; i < boxes.size(); ++i) boxes[i].x = items_[i].x - left;
    for (size_t i = 0; i < boxes.size(); ++i) {
      for (int source : boxes[i].sources) {
        LayoutEdge edge = {source, static_cast<int>(i), {}};
        const int bends = boxes[i].layer - boxes[source].layer - 1;
        for (int bend = 0; bend < bends; ++bend) {
          const Item& item = items_[chains_[source][bend]];
          edge.bends.push_back({item.x - left, item.layer});
        }
        layout_.edges.push_back(std::move(edge));
      }
    }
  }

  Layout layout_;
  std::vector<Item> items_;  // the boxes, then the bends
  std::vector<std::vector<int>> layers_, chains_;
};

}  // namespace

Result<Layout> LayOut(std::vector<LayoutBox> boxes) { return Layouter(std::move(boxes)).Run(); }

}  // namespace tessera
