// The doctor's findings as text, JSON and a page.
#ifndef TESSERA_DOCTOR_REPORT_H_
#define TESSERA_DOCTOR_REPORT_H_

#include <string>
#include <vector>

#include "doctor/analysis.h"
#include "doctor/op_database.h"

namespace tessera::doctor {

struct DoctorReport {
  std::string version;  // "0.1.0 (0123abcd)"
  std::vector<OpDatabase::Source> sources;
  std::vector<ModelReport> models;  // one, or the stages of a model of ours
  std::vector<std::string> notes;   // what was written by --fix, what could not be done
};

// "2.5 MB", "88 kB"; "12.3 GFLOP"; "1.2 ms".
std::string BytesText(double bytes);
std::string FlopsText(double flops);
std::string SecondsText(double seconds);
std::string PercentText(double part, double whole);

// With `all_nodes`, also those that are supported.
std::string ReportText(const DoctorReport& report, bool all_nodes);
// One JSON object; docs/doctor.md describes it. "schema" changes when a key changes its meaning.
std::string ReportJson(const DoctorReport& report);
// A page that needs nothing else: pictures of the partitions, tables of reasons.
std::string ReportHtml(const DoctorReport& report);

}  // namespace tessera::doctor

#endif  // TESSERA_DOCTOR_REPORT_H_
