use proptest::prelude::*;

use super::*;

fn topics(patterns: &[&str]) -> Topics {
    let mut topics = Topics::default();
    for pattern in patterns {
        topics.add(Pattern::parse(pattern).unwrap());
    }
    topics
}

fn captures(pattern: &str, topic: &str) -> Option<String> {
    let mut topics = topics(&[pattern]);
    let hit = topics.find(topic);
    hit.pattern.map(|_| hit.captures.text.replace('\0', ","))
}

fn check(pattern: &str, topic: &str, expected: Option<&str>) {
    assert_eq!(
        captures(pattern, topic).as_deref(),
        expected,
        "{pattern} on {topic}"
    );
}

#[test]
fn captures_of_levels() {
    check("tele/{device}/SENSOR", "tele/TH16/SENSOR", Some("TH16"));
    check("tele/{device}/SENSOR", "tele//SENSOR", None);
    check("tele/+/SENSOR", "tele//SENSOR", Some(""));
    check(
        "te/device/{device}///m/{type}",
        "te/device/pump1///m/environment",
        Some("pump1,environment"),
    );
    check(
        "N/{p}/{s}/{channel...}",
        "N/a/b/Ac/L1/Power",
        Some("a,b,Ac/L1/Power"),
    );
    check("N/{p}/{channel...}", "N/a", None);
    check("a/{x...}/state", "a/b/c/state", Some("b/c"));
    check("a/{x...}/state", "a/state", None);
    check("{device}/x/{device}", "a/x/b", Some("a/b"));
    check("a/#", "a", Some(""));
    check("a/#", "a/b/c", Some(""));
    check("a/{x}/#", "a/b", Some("b"));
}

#[test]
fn captures_of_parts() {
    check(
        "{kind}/sensor-{id:[0-9]+}-raw",
        "t/sensor-17-raw",
        Some("t,17"),
    );
    check("{kind}/sensor-{id:[0-9]+}-raw", "t/sensor-x-raw", None);
    check("{id:[0-9a-f]{4}}", "12ab", Some("12ab"));
    check("{id:[0-9a-f]{4}}", "12ab3", None);
    check("{a}_{b:[0-9]}", "x_y_1", Some("x_y,1"));
    check("{a:(x|y)z}/{b:[^/]+}", "xz/1", Some("xz,1"));
}

#[test]
fn wildcards_in_front_leave_system_topics_alone() {
    check("#", "$SYS/x", None);
    check("+/x", "$SYS/x", None);
    check("{a}/x", "$SYS/x", None);
    check("{a...}", "$SYS/x", None);
    check("$aws/things/{device}/#", "$aws/things/a/shadow", Some("a"));
}

#[test]
fn the_first_of_several_takes_a_topic() {
    let patterns = ["a/b/c", "a/{x:[0-9]+}/c", "+/b/#", "a/b/d", "#", "x/y"];
    let mut topics = topics(&patterns);
    let mut check = |topic: &str, expected| {
        assert_eq!(topics.find(topic).pattern, expected, "{topic}");
        assert_eq!(topics.find(topic).pattern, expected, "{topic} again");
    };
    check("a/b/c", Some(0));
    check("a/1/c", Some(1));
    check("a/b/d", Some(2));
    check("x/y", Some(4));
    check("$x", None);
}

#[test]
fn filters() {
    let check = |pattern: &str, expected: &str| {
        assert_eq!(Pattern::parse(pattern).unwrap().filter(), expected);
    };
    check("a/{x}/b-{y:[0-9]}/c", "a/+/+/c");
    check("a/{x...}/b", "a/#");
    check("a/#", "a/#");
}

#[test]
fn faults() {
    let check = |pattern: &str, expected: &str| {
        let error = Pattern::parse(pattern).unwrap_err();
        assert!(error.contains(expected), "{pattern}: {error}");
    };
    check("a/#/b", "last level");
    check("a/b+", "whole levels");
    check("a/{x", "without its");
    check("a/x}", "too many");
    check("a/{x:[}", "regex");
    check("{x...}/{y...}", "only one");
    check("a-{x...}", "whole levels");
    check("{a b}", "no name");
}

#[test]
fn covering() {
    let check = |wide: &str, narrow: &str, expected: bool| {
        let (wide, narrow) = (
            Pattern::parse(wide).unwrap(),
            Pattern::parse(narrow).unwrap(),
        );
        assert_eq!(wide.covers(&narrow), expected, "{wide:?} {narrow:?}");
    };
    check("a/{x}", "a/{y}", true);
    check("a/{x}", "a/b", true);
    check("a/b", "a/{x}", false);
    check("a/{x}", "a/+", false);
    check("a/#", "a/b/{c...}", true);
    check("a/#", "a", true);
    check("a/{x...}", "a/#", false);
    check("a/{x...}", "a/b/c", true);
    check("a/{x...}/c", "a/{y}/c", true);
    check("a/{x:[0-9]+}", "a/12", true);
    check("a/{x:[0-9]+}", "a/{y:[0-9]+}", true);
    check("#", "$SYS/#", false);
    check("+/x", "$SYS/x", false);
}

/// Matching without a tree: every way to lay the pattern over the topic.
fn naive(pattern: &[&str], topic: &[&str], top: bool) -> bool {
    let Some((level, rest)) = pattern.split_first() else {
        return topic.is_empty();
    };
    let hidden = top && topic.first().is_some_and(|level| level.starts_with('$'));
    let wild = !hidden && !topic.is_empty();
    match *level {
        "#" => !hidden,
        "+" => wild && naive(rest, &topic[1..], false),
        "{x}" => wild && !topic[0].is_empty() && naive(rest, &topic[1..], false),
        "{x...}" => wild && (1..=topic.len()).any(|n| naive(rest, &topic[n..], false)),
        level => topic.first() == Some(&level) && naive(rest, &topic[1..], false),
    }
}

proptest! {
    #[test]
    fn the_tree_finds_what_trying_all_finds(
        patterns in proptest::collection::vec("(a|b|\\+|\\{x\\}|\\{x\\.\\.\\.\\})(/(a|b||\\+|\\{x\\})){0,3}(/#)?", 1..8),
        topic in "(a|b|c|\\$a|)(/(a|b|)){0,4}",
    ) {
        let patterns: Vec<_> = patterns.iter().filter(|p| Pattern::parse(p).is_ok()).collect();
        let mut topics = Topics::default();
        for pattern in &patterns {
            topics.add(Pattern::parse(pattern).unwrap());
        }
        let levels: Vec<_> = topic.split('/').collect();
        let expected = patterns.iter().position(|pattern| {
            naive(&pattern.split('/').collect::<Vec<_>>(), &levels, true)
        });
        let hit = topics.look(&topic);
        prop_assert_eq!(hit.pattern, expected);
        if let Some(at) = hit.pattern {
            let captures = Pattern::parse(patterns[at]).unwrap().captures(&topic);
            prop_assert!(captures.is_some());
        }
    }

    #[test]
    fn no_pattern_panics(pattern in r"[a{}:.+#/\[\]()|*]{0,24}", topic in ".{0,12}") {
        if let Ok(pattern) = Pattern::parse(&pattern) {
            let _ = pattern.captures(&topic);
            prop_assert!(pattern.covers(&pattern));
        }
    }
}
