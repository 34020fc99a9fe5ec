// A fixed model is written after it was proven equal.
#include "base/file.h"
#include "base/temporary_folder.h"
#include "doctor/fix.h"
#include "formats/onnx_writer.h"

namespace tessera::doctor {
namespace {

// The model as it was, but for the sizes that are bound: what the fixed one is compared with.
Status WriteUnchanged(const std::string& path, const std::string& out, const Bindings& bind) {
  TESSERA_ASSIGN_OR_RETURN(OnnxModel model, ReadOnnx(path));
  TESSERA_RETURN_IF_ERROR(FixModel(model, {bind, false, false, false}).status());
  return WriteOnnx(model, out);
}

}  // namespace

Result<FixedFile> FixFile(const std::string& path, const std::string& out,
                          const FixOptions& options, void (*last)(OnnxModel&)) {
  FixedFile fixed;
  TESSERA_ASSIGN_OR_RETURN(OnnxModel model, ReadOnnx(path));
  TESSERA_ASSIGN_OR_RETURN(fixed.summary, FixModel(model, options));
  if (last != nullptr) last(model);
  TESSERA_ASSIGN_OR_RETURN(const TemporaryFolder folder, TemporaryFolder::Create());
  const std::string before = JoinPath(folder.path(), "before.onnx");
  const std::string after = JoinPath(folder.path(), "after.onnx");
  TESSERA_RETURN_IF_ERROR(WriteUnchanged(path, before, options.bind));
  TESSERA_RETURN_IF_ERROR(WriteOnnx(model, after));
  Result<Proof> proof = ProveEqual(before, after);
  if (!proof.ok()) {
    fixed.not_proven = proof.status().message();
  } else if (!proof->equal()) {
    return Internal("the fixed model differs from the original and was not written: " +
                    proof->ToString());
  } else {
    fixed.proof = *std::move(proof);
  }
  TESSERA_RETURN_IF_ERROR(WriteOnnx(model, out));
  return fixed;
}

}  // namespace tessera::doctor
