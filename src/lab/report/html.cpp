#include <nlohmann/json.hpp>

#include "lab/report/page_comparison.h"
#include "lab/report/page_memory.h"
#include "lab/report/page_observation.h"
#include "lab/report/page_run.h"
#include "lab/report/page_scaling.h"
#include "lab/report/report.h"

namespace crucible::lab::report {

Result<std::string> render_html(const nlohmann::json& result) {
    const auto document = read_document(result);
    if (!document) return std::unexpected(document.error());
    return std::visit([](const auto& kind) { return render_page(kind); }, *document);
}

}  // namespace crucible::lab::report
