#include "random_rules.h"

namespace crucible::runtime::testing {
namespace {

namespace gen = rc::gen;

template <typename Enum, std::size_t kCount>
rc::Gen<EnumSet<Enum, kCount>> any_set() {
    // Mostly all: else too few events match.
    return gen::map(
        gen::pair(gen::weightedElement<int>({{4, 0}, {1, 1}}), gen::inRange(1u, 1u << kCount)),
        [](const std::pair<int, unsigned>& drawn) {
            auto set = EnumSet<Enum, kCount>::all();
            if (drawn.first == 0) return set;
            set = {};
            for (std::size_t i = 0; i < kCount; ++i) {
                if ((drawn.second >> i & 1u) != 0) set.add(static_cast<Enum>(i));
            }
            return set;
        });
}

rc::Gen<std::string> joined(rc::Gen<std::string> segment) {
    return gen::map(gen::mapcat(gen::inRange(1, 4),
                                [segment](int count) {
                                    return gen::container<std::vector<std::string>>(
                                        static_cast<std::size_t>(count), segment);
                                }),
                    [](const std::vector<std::string>& segments) {
                        std::string text = segments.front();
                        for (std::size_t i = 1; i < segments.size(); ++i) text += "." + segments[i];
                        return text;
                    });
}

rc::Gen<Conditions> any_conditions() {
    return gen::exec([] {
        Conditions conditions;
        if (*gen::inRange(0, 4) == 0)
            conditions.health["database-1"] = *gen::suchThat(
                any_set<Health, kHealthCount>(), [](HealthSet set) { return !set.empty(); });
        if (*gen::inRange(0, 6) == 0) conditions.queue_above = *gen::element(0.0, 0.25, 0.5);
        if (*gen::inRange(0, 6) == 0) conditions.queue_below = *gen::element(0.5, 0.75, 1.0);
        if (*gen::inRange(0, 6) == 0) {
            TimeWindow window;
            window.from = std::chrono::hours(*gen::inRange(0, 24));
            window.to = std::chrono::hours(*gen::suchThat(gen::inRange(0, 25), [&](int hour) {
                return std::chrono::hours(hour) != window.from;
            }));
            window.days = *any_set<Weekday, kWeekdayCount>();
            conditions.time = window;
        }
        return conditions;
    });
}

}  // namespace

rc::Gen<std::string> any_text() {
    return joined(gen::element<std::string>("a", "b", "ab", "abc", ""));
}

rc::Gen<Pattern> any_pattern() {
    return gen::map(gen::pair(joined(gen::weightedElement<std::string>(
                                  {{3, "a"}, {2, "b"}, {2, "ab"}, {3, "*"}, {1, "abc"}})),
                              gen::weightedElement<std::string>(
                                  {{3, ""}, {1, "**"}, {1, ".**"}, {1, ".a*"}, {1, ".*"}})),
                    [](const std::pair<std::string, std::string>& drawn) {
                        if (drawn.second == "**") return Pattern();
                        return *Pattern::parse(drawn.first + drawn.second);
                    });
}

rc::Gen<Rule> any_rule() {
    return gen::exec([] {
        Rule rule;
        rule.priority = *gen::inRange(-2, 3);
        rule.enabled = *gen::inRange(0, 8) != 0;
        rule.stop = *gen::inRange(0, 3) == 0;
        rule.filter.categories = *any_set<Category, kCategoryCount>();
        if (*gen::inRange(0, 2) != 0) rule.filter.type = *any_pattern();
        if (*gen::inRange(0, 4) == 0) rule.filter.source = *any_pattern();
        rule.filter.event_priorities = *any_set<Priority, kPriorityCount>();
        if (*gen::inRange(0, 5) == 0) {
            rule.filter.targets = *gen::nonEmpty(gen::container<std::vector<std::string>>(
                gen::element<std::string>("t1", "t2", "t3")));
            rule.filter.targets.resize(std::min<std::size_t>(rule.filter.targets.size(), 3));
        }
        if (*gen::inRange(0, 4) == 0) rule.filter.payload_bytes_min = *gen::inRange(0u, 4u);
        if (*gen::inRange(0, 4) == 0) rule.filter.payload_bytes_max = *gen::inRange(4u, 7u);
        rule.conditions = *any_conditions();
        rule.action = Deliver{{"database-2"}};
        return rule;
    });
}

rc::Gen<std::vector<Rule>> any_rules() {
    return gen::map(gen::container<std::vector<Rule>>(any_rule()), [](std::vector<Rule> rules) {
        for (std::size_t i = 0; i < rules.size(); ++i) rules[i].id = "rule-" + std::to_string(i);
        return rules;
    });
}

rc::Gen<Event> any_event() {
    return gen::exec([] {
        Event event;
        event.category = static_cast<Category>(*gen::inRange<std::size_t>(0, kCategoryCount));
        event.priority = static_cast<Priority>(*gen::inRange<std::size_t>(0, kPriorityCount));
        event.type = *any_text();
        event.source = *any_text();
        event.targets =
            *gen::container<std::vector<std::string>>(gen::element<std::string>("t1", "t2", "t4"));
        event.payload.resize(*gen::inRange<std::size_t>(0, 8));
        return event;
    });
}

rc::Gen<RandomState> any_state() {
    return gen::exec([] {
        RandomState state;
        for (std::size_t i = 0; i < 3; ++i)
            state.health.push_back(
                static_cast<Health>(*gen::inRange<std::size_t>(0, kHealthCount)));
        state.queue_fill = *gen::element(0.0, 0.25, 0.3, 0.5, 0.8, 1.0);
        state.now = WallTime(std::chrono::hours(*gen::inRange(0, 24 * 7)));
        return state;
    });
}

}  // namespace crucible::runtime::testing
