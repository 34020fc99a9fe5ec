// `tessera models export` and `tessera models graph`: the stages of an installed model as files
// for other programs and for eyes.
#ifndef TESSERA_CLI_MODELS_GRAPHS_H_
#define TESSERA_CLI_MODELS_GRAPHS_H_

#include <string>

namespace tessera::cli {

struct ExportModelOptions {
  std::string model;          // name or path
  std::string folder = ".";   // made where it does not exist
  std::string stage = "all";  // or one of kWhisperStages
  bool fixed = false;         // SingleTokenDims instead of symbols
  bool f16 = false;           // matrices as f16
  bool quiet = false;
};
// One STAGE.onnx each, large weights in STAGE.onnx.data beside it. Prints the paths; returns an
// exit code.
int ExportModel(const ExportModelOptions& options);

struct ShowGraphOptions {
  std::string model;
  std::string stage = "encoder";
  std::string svg;  // write a drawing there ("-": stdout) instead of printing the text
};
int ShowGraph(const ShowGraphOptions& options);

}  // namespace tessera::cli

#endif  // TESSERA_CLI_MODELS_GRAPHS_H_
