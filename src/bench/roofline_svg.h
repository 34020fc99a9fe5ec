// The roofline: operations a second over operations a byte, both logarithmic, with the machine's
// limits as lines and each kind of step as a circle whose area is its share of the stage's time.
#ifndef TESSERA_BENCH_ROOFLINE_SVG_H_
#define TESSERA_BENCH_ROOFLINE_SVG_H_

#include <string>

#include "bench/report.h"

namespace tessera::bench {

// One panel for each stage of each model, self-contained: no script, no outside reference, its own
// background, colours for light and dark. A panel says in words when it has nothing to show.
std::string DrawRoofline(const Report& report);

// `text` for the content or an attribute of an XML or HTML element. Control characters and bytes
// that are no UTF-8 become '?'.
std::string XmlText(const std::string& text);

}  // namespace tessera::bench

#endif  // TESSERA_BENCH_ROOFLINE_SVG_H_
