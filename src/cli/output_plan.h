// Where the results of each input go.
#ifndef TESSERA_CLI_OUTPUT_PLAN_H_
#define TESSERA_CLI_OUTPUT_PLAN_H_

#include <string>
#include <vector>

#include "cli/input_files.h"
#include "tessera/status.h"

namespace tessera::cli {

// For each file the path of its results without extension: OUTPUT_DIR/SUB_FOLDER/NAME, where NAME
// is the input's without its extension, as openai-whisper has it. Inputs of one sub-folder that
// differ in the extension only keep it ("talk.mp3", "talk.wav"), so that no result overwrites
// another. `output_file`, when given, is the answer for the only input; stdin is called "stdin".
// kInvalidArgument when two inputs would still share a result.
Result<std::vector<std::string>> PlanOutputs(const std::vector<InputFile>& files,
                                             const std::string& output_dir,
                                             const std::string& output_file);

}  // namespace tessera::cli

#endif  // TESSERA_CLI_OUTPUT_PLAN_H_
