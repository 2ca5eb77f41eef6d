#include "lab/stats/scalability.h"

#include <gsl/gsl_blas.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_multifit_nlinear.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>
#include <vector>

namespace crucible::lab::stats {
namespace {

constexpr std::size_t kParameters = 3;  // gamma, alpha, beta

/// A least-squares problem over the parameters that are not held at 0.
struct Problem {
    std::span<const double> n;
    std::span<const double> x;
    std::vector<double> factors;    ///< of the residuals: roots of the weights, about 1
    double unit = 1;                ///< gamma is fitted in units of this, so that all are near 1
    std::vector<std::size_t> free;  ///< indices of the fitted parameters
};

std::array<double, kParameters> expand(const gsl_vector* fitted, const Problem& problem) {
    std::array<double, kParameters> all{};
    for (std::size_t i = 0; i < problem.free.size(); ++i) {
        all[problem.free[i]] = gsl_vector_get(fitted, i);
    }
    return all;
}

int residuals(const gsl_vector* fitted, void* data, gsl_vector* out) {
    const auto& problem = *static_cast<const Problem*>(data);
    const auto [gamma, alpha, beta] = expand(fitted, problem);
    for (std::size_t i = 0; i < problem.n.size(); ++i) {
        const double n = problem.n[i];
        const double divisor = 1 + alpha * (n - 1) + beta * n * (n - 1);
        const double residual = gamma * n / divisor - problem.x[i] / problem.unit;
        gsl_vector_set(out, i, problem.factors[i] * residual);
    }
    return GSL_SUCCESS;
}

int jacobian(const gsl_vector* fitted, void* data, gsl_matrix* out) {
    const auto& problem = *static_cast<const Problem*>(data);
    const auto [gamma, alpha, beta] = expand(fitted, problem);
    for (std::size_t i = 0; i < problem.n.size(); ++i) {
        const double n = problem.n[i];
        const double divisor = 1 + alpha * (n - 1) + beta * n * (n - 1);
        const double slope = -gamma * n / (divisor * divisor);
        const std::array<double, kParameters> derivatives{n / divisor, slope * (n - 1),
                                                          slope * n * (n - 1)};
        for (std::size_t j = 0; j < problem.free.size(); ++j) {
            gsl_matrix_set(out, i, j, problem.factors[i] * derivatives[problem.free[j]]);
        }
    }
    return GSL_SUCCESS;
}

using Workspace =
    std::unique_ptr<gsl_multifit_nlinear_workspace, decltype(&gsl_multifit_nlinear_free)>;
using Matrix = std::unique_ptr<gsl_matrix, decltype(&gsl_matrix_free)>;

/// `scale`: what the factors were multiplied by.
std::optional<ScalabilityFit> fit_free(Problem problem, double scale) {
    constexpr std::size_t kIterationsMax = 500;
    constexpr double kTolerance = 1e-12;
    const std::size_t points = problem.n.size();
    const std::size_t free = problem.free.size();
    gsl_multifit_nlinear_fdf functions{};
    functions.f = residuals;
    functions.df = jacobian;
    functions.n = points;
    functions.p = free;
    functions.params = &problem;
    const auto parameters = gsl_multifit_nlinear_default_parameters();
    const Workspace workspace(
        gsl_multifit_nlinear_alloc(gsl_multifit_nlinear_trust, &parameters, points, free),
        gsl_multifit_nlinear_free);

    const std::array<double, kParameters> start{1, 0.01, 1e-4};
    std::vector<double> begin;
    for (const std::size_t index : problem.free) begin.push_back(start[index]);
    const auto view = gsl_vector_const_view_array(begin.data(), begin.size());
    if (gsl_multifit_nlinear_init(&view.vector, &functions, workspace.get()) != GSL_SUCCESS) {
        return std::nullopt;
    }
    int stopped_by = 0;
    const int status =
        gsl_multifit_nlinear_driver(kIterationsMax, kTolerance, kTolerance, kTolerance, nullptr,
                                    nullptr, &stopped_by, workspace.get());
    // No further progress is where noise-free data end: the fit is exact.
    if (status != GSL_SUCCESS && status != GSL_ENOPROG) return std::nullopt;

    const auto all = expand(gsl_multifit_nlinear_position(workspace.get()), problem);
    const gsl_vector* rest = gsl_multifit_nlinear_residual(workspace.get());
    double squares = 0;
    gsl_blas_ddot(rest, rest, &squares);
    ScalabilityFit fit{.gamma = all[0] * problem.unit, .alpha = all[1], .beta = all[2]};
    fit.residual_sum_of_squares = squares * problem.unit * problem.unit / (scale * scale);
    if (points > kParameters) {
        fit.residual_error =
            std::sqrt(fit.residual_sum_of_squares / static_cast<double>(points - kParameters));
    }
    if (fit.beta > 0 && fit.alpha < 1) fit.peak = std::sqrt((1 - fit.alpha) / fit.beta);
    if (free == kParameters && points > kParameters) {
        const Matrix covariance(gsl_matrix_alloc(free, free), gsl_matrix_free);
        gsl_multifit_nlinear_covar(gsl_multifit_nlinear_jac(workspace.get()), 0, covariance.get());
        const double error = fit.residual_error * scale / problem.unit;
        const std::array<double, kParameters> units{problem.unit, 1, 1};
        std::array<std::array<double, kParameters>, kParameters> all_pairs{};
        std::array<double, kParameters> errors{};
        for (std::size_t i = 0; i < free; ++i) {
            for (std::size_t j = 0; j < free; ++j) {
                all_pairs[i][j] =
                    error * error * units[i] * units[j] * gsl_matrix_get(covariance.get(), i, j);
            }
            errors[i] = std::sqrt(all_pairs[i][i]);
        }
        fit.covariance = all_pairs;
        fit.standard_errors = errors;
    }
    return fit;
}

class Fitter {
public:
    Fitter(std::span<const double> n, std::span<const double> x, std::span<const double> weights) {
        require_finite(n);
        require_finite(x);
        require_finite(weights);
        CRUCIBLE_ASSERT(n.size() == x.size() && n.size() >= kParameters);
        CRUCIBLE_ASSERT(weights.empty() || weights.size() == n.size());
        // GSL's default handler ends the process; every status is looked at here.
        static std::once_flag handler;
        std::call_once(handler, [] { gsl_set_error_handler_off(); });
        problem_ = {.n = n, .x = x, .factors = std::vector<double>(n.size(), 1), .unit = 0};
        for (std::size_t i = 0; i < n.size(); ++i) {
            CRUCIBLE_ASSERT(n[i] > 0 && x[i] > 0);
            problem_.unit = std::max(problem_.unit, x[i] / n[i]);
        }
        if (weights.empty()) return;
        double largest = 0;
        for (const double weight : weights) {
            CRUCIBLE_ASSERT(weight > 0);
            largest = std::max(largest, weight);
        }
        // The search's tolerances are meant for numbers near 1.
        scale_ = 1 / std::sqrt(largest);
        for (std::size_t i = 0; i < n.size(); ++i) {
            problem_.factors[i] = std::sqrt(weights[i]) * scale_;
        }
    }

    std::optional<ScalabilityFit> fit(std::vector<std::size_t> free) const {
        Problem problem = problem_;
        problem.free = std::move(free);
        return fit_free(std::move(problem), scale_);
    }

private:
    Problem problem_;
    double scale_ = 1;
};

}  // namespace

std::optional<ScalabilityFit> fit_scalability_unbounded(std::span<const double> n,
                                                        std::span<const double> x,
                                                        std::span<const double> weights) {
    return Fitter(n, x, weights).fit({0, 1, 2});
}

std::optional<ScalabilityFit> fit_scalability(std::span<const double> n, std::span<const double> x,
                                              std::span<const double> weights) {
    const Fitter fitter(n, x, weights);
    const auto fit = [&](std::vector<std::size_t> free) { return fitter.fit(std::move(free)); };
    const auto allowed = [](const std::optional<ScalabilityFit>& result) {
        return result && result->alpha >= 0 && result->beta >= 0;
    };
    if (auto full = fit({0, 1, 2}); allowed(full)) return full;
    // On the bound: the better of the two edges that is allowed, else their corner.
    auto without_beta = fit({0, 1});
    auto without_alpha = fit({0, 2});
    if (!allowed(without_alpha)) without_alpha.reset();
    if (!allowed(without_beta)) without_beta.reset();
    if (without_alpha && without_beta) {
        return without_alpha->residual_sum_of_squares < without_beta->residual_sum_of_squares
                   ? without_alpha
                   : without_beta;
    }
    if (without_beta) return without_beta;
    if (without_alpha) return without_alpha;
    return fit({0});
}

}  // namespace crucible::lab::stats
