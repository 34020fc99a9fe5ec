// The report as tables of text, for the terminal and the page.
#ifndef TESSERA_BENCH_TABLES_H_
#define TESSERA_BENCH_TABLES_H_

#include <string>
#include <vector>

#include "bench/report.h"

namespace tessera::bench {

struct Table {
  std::string title;
  std::vector<std::string> header;             // the first column is text, the others numbers
  std::vector<std::vector<std::string>> rows;  // as long as the header
};

// "946 GOP/s", "0.28 us", ... each with its name, in one row.
Table LimitsTable(const Report& report);
// Stages, rates and end to end of one precision.
Table SummaryTable(const Report& report, const ModelReport& model);
// Step kinds of a stage, those with the most time first.
Table StepsTable(const Stage& stage);

// Devices beside each other.
Table DevicesTable(const Report& report);

// "AMD EPYC, avx512bf16, 2 threads, 32 MB last-level cache".
std::string MachineLine(const Machine& machine);

// `x` with three significant digits and no exponent: "946", "55.1", "0.283"; "–" for 0 or less.
std::string Digits(double x);
// "71 %", "–" where it is not known.
std::string Percent(double share);

}  // namespace tessera::bench

#endif  // TESSERA_BENCH_TABLES_H_
