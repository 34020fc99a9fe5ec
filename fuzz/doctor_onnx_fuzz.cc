// The doctor on any bytes that the ONNX reader takes: it ends, with every target, in every form,
// and what --fix makes of the model is read again.
#include <cstdlib>

#include "doctor/fix.h"
#include "doctor/report.h"

namespace {

using namespace tessera;
using namespace tessera::doctor;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto model = ParseOnnx({data, size}, nullptr);
  if (!model.ok()) return 0;
  AnalysisOptions options;
  options.database = &*OpDatabase::BuiltIn();
  auto examined = Analyze(*model, "fuzz", *ParseTarget("all"), options);
  if (examined.ok()) {
    DoctorReport report;
    report.models.push_back(std::move(*examined));
    if (ReportText(report, true).empty() || ReportJson(report).empty() ||
        ReportHtml(report).empty()) {
      std::abort();
    }
  }
  (void)FixModel(*model, {});
  return 0;
}
