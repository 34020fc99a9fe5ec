#include "cli/output_plan.h"

#include <filesystem>
#include <map>

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;

std::string Place(const std::string& output_dir, const InputFile& file, const std::string& name) {
  return (fs::path(output_dir) / file.folder / name).string();
}

}  // namespace

Result<std::vector<std::string>> PlanOutputs(const std::vector<InputFile>& files,
                                             const std::string& output_dir,
                                             const std::string& output_file) {
  if (!output_file.empty()) {
    if (files.size() > 1)
      return InvalidArgument("--output-file names the result of one input; use --output-dir");
    return std::vector<std::string>(files.size(), output_file);
  }
  std::map<std::string, int> users;
  for (const InputFile& file : files) {
    const std::string stem = file.path == "-" ? "stdin" : fs::path(file.path).stem().string();
    ++users[Place(output_dir, file, stem)];
  }
  std::vector<std::string> bases;
  std::map<std::string, std::string> owner;
  for (const InputFile& file : files) {
    const fs::path path = file.path == "-" ? fs::path("stdin") : fs::path(file.path);
    std::string base = Place(output_dir, file, path.stem().string());
    if (users[base] > 1) base = Place(output_dir, file, path.filename().string());
    const auto [other, fresh] = owner.emplace(base, file.path);
    if (!fresh) {
      return InvalidArgument("the results of " + other->second + " and " + file.path +
                             " would both be " + base +
                             ".*; give them in two runs with different --output-dir");
    }
    bases.push_back(std::move(base));
  }
  return bases;
}

}  // namespace tessera::cli
