#include "lab/memory/leak_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace crucible::lab {
namespace {

using nlohmann::json;

json number(double value) {
    return std::isfinite(value) ? json(value) : json(nullptr);
}

json number(const std::optional<double>& value) {
    return value ? number(*value) : json(nullptr);
}

json slope_json(const LeakSlope& slope) {
    return {{"value", number(slope.value)},
            {"ci_low", number(slope.ci_low)},
            {"ci_high", number(slope.ci_high)}};
}

json site_json(const SiteLeak& site) {
    return {{"site", site.site},
            {"verdict", to_string(site.verdict)},
            {"reason", site.reason},
            {"bytes_per_event", slope_json(site.slope)},
            {"late_bytes_per_event", slope_json(site.late_slope)},
            {"p_value", site.p_value},
            {"stack", site.stack},
            {"smallest_visible", number(site.smallest_visible)}};
}

}  // namespace

json leak_json(const LeakJudgement& judgement) {
    json sites = json::array();
    for (const auto& site : judgement.growing) sites.push_back(site_json(site));
    return {{"verdict", to_string(judgement.verdict)},
            {"reason", judgement.reason},
            {"iterations", judgement.iterations},
            {"bytes_per_event", judgement.total ? slope_json(*judgement.total) : json(nullptr)},
            {"smallest_visible", number(judgement.smallest_visible)},
            {"site", judgement.growing.empty() ? json(nullptr) : json(judgement.growing[0].site)},
            {"sites", std::move(sites)}};
}

}  // namespace crucible::lab
