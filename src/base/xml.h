// Text inside XML: SVG and HTML pages.
#ifndef TESSERA_BASE_XML_H_
#define TESSERA_BASE_XML_H_

#include <string>
#include <string_view>

namespace tessera {

// For text and for values in double quotes. Control characters, which XML forbids, become '?'; the
// text has to be valid UTF-8 already.
std::string EscapeXml(std::string_view text);

}  // namespace tessera

#endif  // TESSERA_BASE_XML_H_
