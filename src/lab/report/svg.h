#pragma once

#include <fmt/format.h>

#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace crucible::lab::report {

/// Where on the page a range of values lies, linear or logarithmic.
class Scale {
public:
    /// `low` < `high`; both positive when logarithmic.
    Scale(double low, double high, double from, double to, bool logarithmic);
    double operator()(double value) const noexcept;
    /// Inside [low, high], rounding aside.
    bool holds(double value) const noexcept;
    double low() const noexcept { return low_; }
    double high() const noexcept { return high_; }

private:
    double low_;
    double high_;
    double from_;
    double to_;
    bool logarithmic_;
};

/// 1, 2, 5, 10, … within [low, high]; only 1, 10, … or every third of them where there would be
/// too many. Never empty when a factor of 10 lies between.
std::vector<double> log_ticks(double low, double high);
/// About `count` round values within [low, high].
std::vector<double> linear_ticks(double low, double high, int count);

/// Where a text stands relative to its point.
enum class Anchor { start, middle, end };

/// An <svg> element that is drawn on.
class Svg {
public:
    /// `title` and `description` are read out in place of the picture.
    Svg(double width, double height, std::string_view title, std::string_view description);

    void line(std::string_view mark, double x1, double y1, double x2, double y2);
    void rectangle(std::string_view mark, double x, double y, double width, double height);
    void path(std::string_view mark, std::span<const std::pair<double, double>> points);
    void circle(std::string_view mark, double x, double y, double radius,
                std::string_view tooltip = {});
    /// A square on its corner.
    void diamond(std::string_view mark, double x, double y, double radius,
                 std::string_view tooltip = {});
    void polygon(std::string_view mark, std::span<const std::pair<double, double>> points,
                 std::string_view tooltip = {});
    void text(std::string_view mark, double x, double y, Anchor anchor, std::string_view text);
    /// Along the y axis, read from the bottom up.
    void upright_text(std::string_view mark, double x, double y, std::string_view text);

    std::string take();

private:
    template <typename... Args>
    void add(fmt::format_string<Args...> format, Args&&... args) {
        fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    }
    void close(std::string_view element, std::string_view tooltip);
    std::string text_;
};

}  // namespace crucible::lab::report
