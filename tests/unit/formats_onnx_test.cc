// The ONNX reader: every element type and storage as the onnx package reads them
// (tools/golden/onnx_reader.py), and files that are not what they claim to be.
#include "formats/onnx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "base/protobuf_wire.h"
#include "formats/json.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

const std::string kGolden = std::string(TESSERA_SOURCE_DIR) + "/tests/golden/onnx/";

std::string Hex(Bytes bytes) {
  std::string text;
  for (const uint8_t byte : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    text += {kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return text;
}

Result<OnnxModel> Parse(const std::string& text, const std::string& folder = "") {
  const auto owner = std::make_shared<const std::string>(text);
  return ParseOnnx({reinterpret_cast<const uint8_t*>(owner->data()), owner->size()}, owner,
                   {.folder = folder});
}

using Fill = std::function<void(WireWriter&)>;
std::string Message(const Fill& fill) {
  WireWriter writer;
  fill(writer);
  return writer.data();
}
std::string ModelOf(const std::string& graph) {
  return Message([&](WireWriter& m) {
    m.Int(1, 8);
    m.Bytes(7, graph);
  });
}
// A model with one initialiser.
std::string ModelWith(const Fill& tensor, int copies = 1) {
  return ModelOf(Message([&](WireWriter& g) {
    for (int i = 0; i < copies; ++i) g.Bytes(5, Message(tensor));
  }));
}
// 'w', f32 [2, 3].
void Head(WireWriter& t, int64_t type = 1) {
  t.Int(1, 2);
  t.Int(1, 3);
  t.Int(2, type);
  t.Bytes(8, "w");
}
void External(WireWriter& t, const std::string& key, const std::string& value) {
  t.Bytes(13, Message([&](WireWriter& e) {
            e.Bytes(1, key);
            e.Bytes(2, value);
          }));
}
Fill ExternalTensor(const std::string& location, const std::string& offset = "",
                    const std::string& length = "") {
  return [=](WireWriter& t) {
    Head(t);
    t.Int(14, 1);
    External(t, "location", location);
    if (!offset.empty()) External(t, "offset", offset);
    if (!length.empty()) External(t, "length", length);
  };
}

TEST(Onnx, ReadsEveryElementTypeAsThePackageDoes) {
  auto golden = ParseJsonFile(kGolden + "types.json", 8, 1 << 20);
  ASSERT_TRUE(golden.ok()) << golden.status().ToString();
  auto model = ReadOnnx(kGolden + "types.onnx");
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  const auto& expected = (*golden)["tensors"];
  ASSERT_GT(expected.size(), 100u);
  EXPECT_EQ(model->graph.initializers.size(), expected.size());
  for (const auto& [name, entry] : expected.items()) {
    const OnnxTensor* tensor = model->graph.FindInitializer(name);
    ASSERT_NE(tensor, nullptr) << name;
    EXPECT_EQ(OnnxTypeName(tensor->type), entry["type"].get<std::string>()) << name;
    EXPECT_EQ(tensor->shape, entry["shape"].get<Shape>()) << name;
    EXPECT_EQ(Hex(tensor->data), entry["hex"].get<std::string>()) << name;
  }
}

TEST(Onnx, ReadsTheGraph) {
  auto model = ReadOnnx(kGolden + "types.onnx");
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  EXPECT_EQ(model->ir_version, 10);
  EXPECT_EQ(model->producer_name, "golden");
  EXPECT_EQ(model->producer_version, "1.0");
  EXPECT_EQ(model->opsets.at(""), 18);
  EXPECT_EQ(model->opsets.at("com.example"), 3);
  EXPECT_EQ(model->metadata.at("key"), "value");
  const OnnxGraph& graph = model->graph;
  EXPECT_EQ(graph.name, "every kind");
  ASSERT_EQ(graph.inputs.size(), 2u);
  EXPECT_EQ(graph.inputs[0].name, "x");
  EXPECT_EQ(graph.inputs[0].type, 10);
  ASSERT_TRUE(graph.inputs[0].dims);
  ASSERT_EQ(graph.inputs[0].dims->size(), 3u);
  EXPECT_EQ((*graph.inputs[0].dims)[0].symbol, "batch");
  EXPECT_EQ((*graph.inputs[0].dims)[0].value, -1);
  EXPECT_EQ((*graph.inputs[0].dims)[1].symbol, "");
  EXPECT_EQ((*graph.inputs[0].dims)[1].value, -1);
  EXPECT_EQ((*graph.inputs[0].dims)[2].value, 7);
  ASSERT_TRUE(graph.inputs[1].dims);
  EXPECT_TRUE(graph.inputs[1].dims->empty());
  EXPECT_FALSE(graph.outputs.at(0).dims);

  ASSERT_EQ(graph.nodes.size(), 2u);
  const OnnxNode& branch = graph.nodes[0];
  EXPECT_TRUE(branch.Is("If"));
  const OnnxAttribute* then = branch.FindAttribute("then_branch");
  ASSERT_NE(then, nullptr);
  ASSERT_EQ(then->graphs.size(), 1u);
  EXPECT_EQ(then->graphs[0].nodes.at(0).name, "inner");
  const OnnxNode& custom = graph.nodes[1];
  EXPECT_TRUE(custom.Is("Custom", "com.example"));
  EXPECT_FALSE(custom.Is("Custom"));
  EXPECT_THAT(custom.inputs, ElementsAre("x", "", "y"));
  EXPECT_THAT(custom.outputs, ElementsAre("z"));
  EXPECT_EQ(custom.FindAttribute("f")->f, 0.25f);
  EXPECT_EQ(custom.FindAttribute("i")->i, -7);
  EXPECT_EQ(custom.FindAttribute("s")->s, "text");
  EXPECT_THAT(custom.FindAttribute("floats")->floats, ElementsAre(1.0f, -2.0f));
  EXPECT_THAT(custom.FindAttribute("ints")->ints, ElementsAre(3, -4));
  EXPECT_THAT(custom.FindAttribute("strings")->strings, ElementsAre("p", "q"));
  EXPECT_EQ(Hex(custom.FindAttribute("t")->tensors.at(0).data), "0500000000000000faffffffffffffff");
  EXPECT_EQ(custom.FindAttribute("none"), nullptr);
}

TEST(Onnx, ViewsAreOfTypesThatWeHave) {
  auto model = ReadOnnx(kGolden + "types.onnx");
  ASSERT_TRUE(model.ok());
  auto view = model->graph.FindInitializer("FLOAT16_2x3")->ToView();
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->dtype, DType::kF16);
  EXPECT_EQ(LoadFloat(view->data, view->dtype, 1), -1.5f);
  auto wide = model->graph.FindInitializer("DOUBLE_5")->ToView();
  ASSERT_FALSE(wide.ok());
  EXPECT_EQ(wide.status().code(), StatusCode::kUnimplemented);
  EXPECT_THAT(wide.status().message(), HasSubstr("found double"));
}

// Data of a moved or copied model outlives the model.
TEST(Onnx, OwnerKeepsEveryViewAlive) {
  std::shared_ptr<const void> owner;
  Bytes external, typed;
  {
    auto model = ReadOnnx(kGolden + "types.onnx");
    ASSERT_TRUE(model.ok());
    owner = model->owner;
    external = model->graph.FindInitializer("external")->data;
    typed = model->graph.FindInitializer("INT8_5")->data;
  }
  EXPECT_EQ(Hex(external).substr(0, 16), "000000000000803f");
  EXPECT_EQ(Hex(typed), "807f01003f");
}

TEST(Onnx, PackedDimensionsAndDomains) {
  auto model = Parse(ModelWith([](WireWriter& t) {
    t.Bytes(1, "\xac\x02\x01");  // 300, 1
    t.Int(2, 2);
    t.Bytes(8, "w");
    t.Bytes(9, std::string(300, 'x'));
  }));
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  EXPECT_EQ(model->graph.initializers.at("w").shape, (Shape{300, 1}));
  model = Parse(ModelOf(Message([](WireWriter& g) {
    g.Bytes(1, Message([](WireWriter& n) {
              n.Bytes(4, "Add");
              n.Bytes(7, "ai.onnx");
            }));
  })));
  ASSERT_TRUE(model.ok());
  EXPECT_TRUE(model->graph.nodes.at(0).Is("Add"));
}

TEST(Onnx, RefusesTensorsWhoseBytesDoNotFit) {
  const auto raw = [](size_t size, int64_t type = 1) {
    return [=](WireWriter& t) {
      Head(t, type);
      t.Bytes(9, std::string(size, 'x'));
    };
  };
  ASSERT_TRUE(Parse(ModelWith(raw(24))).ok());
  const std::pair<std::string, const char*> cases[] = {
      {ModelWith(raw(23)), "expected 24 bytes of float[2, 3], found 23"},
      {ModelWith(raw(25)), "found 25"},
      {ModelWith(raw(3, 21)) + "x", "protobuf"},
      {ModelWith(raw(4, 21)), "expected 3 bytes of uint4[2, 3], found 4"},
      {ModelWith([](WireWriter& t) { Head(t); }), "expected 6 numbers of float[2, 3], found fewer"},
      {ModelWith([](WireWriter& t) {
         Head(t);
         for (int i = 0; i < 7; ++i) t.Float(4, 1);
       }),
       "found more"},
      {ModelWith([](WireWriter& t) {
         Head(t, 3);
         for (int i = 0; i < 6; ++i) t.Int(5, 256);
       }),
       "expected elements of int8, found the number 256"},
      {ModelWith([](WireWriter& t) {
         Head(t, 6);
         for (int i = 0; i < 6; ++i) t.Int(5, -(int64_t{1} << 40));
       }),
       "expected elements of int32, found the number -1099511627776"},
      {ModelWith([](WireWriter& t) {
         Head(t);
         t.Bytes(4, std::string(23, 'x'));
       }),
       "ends inside a number"},
      {ModelWith([](WireWriter& t) { t.Int(1, -1); }), "tensor ''"},
      {ModelWith([](WireWriter& t) {
         t.Int(1, int64_t{1} << 40);
         t.Int(1, int64_t{1} << 40);
       }),
       "tensor ''"},
      {ModelWith([](WireWriter& t) {
         for (int i = 0; i < 33; ++i) t.Int(1, 1);
       }),
       "at most 32 dimensions"},
      {ModelWith([](WireWriter& t) { t.Float(1, 2.0f); }), "wire type 2 for dimensions, found 5"},
      {ModelWith([](WireWriter& t) { t.Bytes(1, "\x80"); }), "ends inside a number"},
      {ModelWith(raw(24), 2), "expected one initializer 'w', found two"},
  };
  for (const auto& [text, message] : cases) {
    auto model = Parse(text);
    ASSERT_FALSE(model.ok()) << message;
    EXPECT_EQ(model.status().code(), StatusCode::kDataLoss) << message;
    EXPECT_THAT(model.status().message(), HasSubstr(message));
  }
}

TEST(Onnx, ExternalDataStaysInTheFolder) {
  const fs::path folder = fs::path(testing::TempDir()) / "tessera_onnx_external";
  fs::create_directories(folder / "inner");
  std::ofstream(folder / "inner" / "w.bin") << std::string(40, 'x');
  std::ofstream(fs::path(testing::TempDir()) / "tessera_onnx_outside.bin") << std::string(40, 'x');
  const auto read = [&](const Fill& tensor) { return Parse(ModelWith(tensor), folder.string()); };
  auto model = read(ExternalTensor("inner/w.bin", "16", "24"));
  ASSERT_TRUE(model.ok()) << model.status().ToString();
  EXPECT_EQ(model->graph.initializers.at("w").data.size(), 24u);
  const std::tuple<Fill, StatusCode, const char*> cases[] = {
      {ExternalTensor("../tessera_onnx_outside.bin"), StatusCode::kDataLoss, "without \"..\""},
      {ExternalTensor("inner/../../tessera_onnx_outside.bin"), StatusCode::kDataLoss, "without"},
      {ExternalTensor("/etc/hostname"), StatusCode::kDataLoss, "below the folder"},
      {ExternalTensor("..\\w.bin"), StatusCode::kDataLoss, "below the folder"},
      {ExternalTensor("C:w.bin"), StatusCode::kDataLoss, "below the folder"},
      {ExternalTensor(std::string("inner/w.bin\0x", 13)), StatusCode::kDataLoss, "below the"},
      {ExternalTensor(""), StatusCode::kDataLoss, "below the folder"},
      {ExternalTensor("inner/gone.bin"), StatusCode::kNotFound, "fetch it with the model"},
      {ExternalTensor("inner"), StatusCode::kInvalidArgument, "inner"},
      {ExternalTensor("inner/w.bin", "17"), StatusCode::kDataLoss, "24 bytes at offset 17"},
      {ExternalTensor("inner/w.bin", "18446744073709551615"), StatusCode::kDataLoss, "at offset"},
      {ExternalTensor("inner/w.bin", "18446744073709551616"), StatusCode::kDataLoss, "as offset"},
      {ExternalTensor("inner/w.bin", "-1"), StatusCode::kDataLoss, "as offset, found '-1'"},
      {ExternalTensor("inner/w.bin", "0", "25"), StatusCode::kDataLoss, "found a length of 25"},
  };
  for (const auto& [tensor, code, message] : cases) {
    auto broken = read(tensor);
    ASSERT_FALSE(broken.ok()) << message;
    EXPECT_EQ(broken.status().code(), code) << broken.status().ToString();
    EXPECT_THAT(broken.status().message(), HasSubstr(message));
  }
  auto in_memory = Parse(ModelWith(ExternalTensor("inner/w.bin")));
  EXPECT_EQ(in_memory.status().code(), StatusCode::kInvalidArgument);
  fs::remove_all(folder);
  fs::remove(fs::path(testing::TempDir()) / "tessera_onnx_outside.bin");
}

std::string NodeOf(const Fill& fill) {
  return Message([&](WireWriter& n) {
    n.Bytes(4, "Op");
    fill(n);
  });
}
std::string Nested(int depth) {
  std::string graph;
  for (int i = 0; i < depth; ++i) {
    graph = Message([&](WireWriter& g) {
      g.Bytes(1, NodeOf([&](WireWriter& n) {
                n.Bytes(5, Message([&](WireWriter& a) { a.Bytes(6, graph); }));
              }));
    });
  }
  return ModelOf(graph);
}

TEST(Onnx, RefusesBrokenModels) {
  ASSERT_TRUE(Parse(Nested(16)).ok());
  const auto two_nodes_of_x = Message([](WireWriter& g) {
    for (int i = 0; i < 2; ++i) g.Bytes(1, NodeOf([](WireWriter& n) { n.Bytes(2, "x"); }));
  });
  const auto two_outputs = Message([](WireWriter& g) {
    for (int i = 0; i < 2; ++i) g.Bytes(12, Message([](WireWriter& v) { v.Bytes(1, "x"); }));
  });
  const auto opsets = [](int64_t second) {
    return ModelOf("") + Message([&](WireWriter& m) {
             for (const int64_t version : {int64_t{17}, second}) {
               m.Bytes(8, Message([&](WireWriter& o) { o.Int(2, version); }));
             }
           });
  };
  ASSERT_TRUE(Parse(opsets(17)).ok());
  const std::tuple<std::string, StatusCode, const char*> cases[] = {
      {"", StatusCode::kDataLoss, "found no graph"},
      {"not protobuf", StatusCode::kDataLoss, "protobuf"},
      {"\x3a\x7f", StatusCode::kDataLoss, "passes the end"},
      {Message([](WireWriter& m) { m.Bytes(7, ""); }), StatusCode::kDataLoss, "no such version"},
      {ModelOf("") + ModelOf(""), StatusCode::kDataLoss, "expected one graph, found two"},
      {Message([](WireWriter& m) { m.Int(7, 1); }), StatusCode::kDataLoss, "for the graph"},
      {Nested(17), StatusCode::kResourceExhausted, "at most 16 deep"},
      {ModelOf(two_nodes_of_x), StatusCode::kDataLoss, "one definition of value 'x', found two"},
      {ModelOf(two_outputs), StatusCode::kDataLoss, "expected one output 'x', found two"},
      {opsets(18), StatusCode::kDataLoss, "found versions 17 and 18"},
      {ModelOf(Message([](WireWriter& g) { g.Bytes(15, ""); })), StatusCode::kUnimplemented,
       "sparse"},
      {ModelOf(Message(
           [](WireWriter& g) { g.Bytes(1, Message([](WireWriter& n) { n.Bytes(3, "n\x01"); })); })),
       StatusCode::kDataLoss, "node 'n?': expected an op type"},
  };
  for (const auto& [text, code, message] : cases) {
    auto model = Parse(text);
    ASSERT_FALSE(model.ok()) << message;
    EXPECT_EQ(model.status().code(), code) << model.status().ToString();
    EXPECT_THAT(model.status().message(), HasSubstr(message));
  }
}

// A few bytes must not become many: objects and decoded elements are bounded.
TEST(Onnx, BoundsMemory) {
  std::string attributes;
  for (int i = 0; i < 1'500'000; ++i) attributes += std::string("\x2A\0", 2);
  auto model = Parse(ModelOf(Message([&](WireWriter& g) { g.Bytes(1, attributes); })));
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(model.status().message(), HasSubstr("256 MB"));
  // A shape of 32 GB over no data.
  model = Parse(ModelWith([](WireWriter& t) {
    t.Int(1, int64_t{1} << 33);
    t.Int(2, 1);
  }));
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.status().code(), StatusCode::kResourceExhausted);
}

TEST(Onnx, RefusesWhatProtobufCannotHold) {
  const char byte = 0;
  auto model = ParseOnnx({reinterpret_cast<const uint8_t*>(&byte), size_t{1} << 31}, nullptr);
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(model.status().message(), HasSubstr("save_as_external_data"));
}

}  // namespace
}  // namespace tessera
