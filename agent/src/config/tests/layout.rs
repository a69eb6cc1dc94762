//! How faults print.

use eyot_pipeline::Span;
use eyot_pipeline::device::Memory;

use super::{RIGHT, check, parse};
use crate::config::Estimate;

#[test]
fn faults_print_with_their_lines_in_the_order_of_the_file() {
    let text = RIGHT
        .replace("mqtt://broker", "tcp://broker:1883")
        .replace("decoder =", "\tqos = 2\ndecoder =")
        .replace(
            "devices =",
            "widow = \"5s\" # typo\nout_of_orderness = \"2 s\"\ndevices =",
        )
        .replace("min = 0", "min = 10\nmax = 5");
    let expected = r#"eyot.toml:7:7: source[0].url: `tcp` is not supported; there are mqtt and mqtts
    url = "tcp://broker:1883"
          ^^^^^^^^^^^^^^^^^^^
    help: did you mean `mqtt://broker:1883`?

eyot.toml:12:8: source[0].rule[0].qos: the quality of service is 0 or 1
    	qos = 2
    	      ^
    help: 1 loses nothing when the agent or the link is down; duplicates are recognised here

eyot.toml:18:1: class[0].widow: unknown key
    widow = "5s" # typo
    ^^^^^
    help: did you mean `window`?

eyot.toml:19:20: class[0].out_of_orderness: `2 s` is not a length of time
    out_of_orderness = "2 s"
                       ^^^^^
    help: write a whole number and a unit, like 250ms, 10s, 5m, 2h or 7d

eyot.toml:23:7: class[0].channels.temperature.min: min 10 is not below max 5, so every reading would be rejected
    min = 10
          ^^"#;
    assert_eq!(parse(&text).unwrap_err().to_string(), expected);
}

#[test]
fn passwords_in_urls_are_never_printed() {
    for (written, shown) in [
        (
            r#"url = "mqtt://joe:s3cr@t@broker""#,
            r#"url = "mqtt://**********@broker""#,
        ),
        (
            r#"url = "joe:s3cr@t@broker""#,
            r#"url = "**********@broker""#,
        ),
        (
            r"url = 'tcp://joe:s3cr@t@broker' # old",
            r"url = 'tcp://**********@broker' # old",
        ),
        (
            r"url = mqtt://joe:s3cr@t@broker",
            r"url = mqtt://**********@broker",
        ),
    ] {
        let text = RIGHT.replace(r#"url = "mqtt://broker""#, written);
        let printed = parse(&text).unwrap_err().to_string();
        assert!(printed.contains(&format!("\n    {shown}\n")), "{printed}");
        assert!(!printed.contains("s3cr"), "{printed}");
    }
}

#[test]
fn columns_count_characters() {
    let text = RIGHT.replace("min = 0", r#""unité" = 1"#);
    let printed = parse(&text).unwrap_err().to_string();
    assert!(
        printed.contains("eyot.toml:20:1: class[0].channels.temperature.\"unité\": unknown key"),
        "{printed}"
    );
    assert!(
        printed.contains("\n    \"unité\" = 1\n    ^^^^^^^\n"),
        "{printed}"
    );
}

#[test]
fn the_estimate_shows_its_figures() {
    let config = parse(RIGHT).unwrap();
    let estimate = Estimate::of(&config, |_| 0);
    let device = Memory::of(&config.classes[0].pipeline, 0, 0);
    assert_eq!(device.readings, 2_048 * 16);
    // Beside it its actor, and the queues.
    let devices = 10_000 * (device.total() as u64 + 10 * 1_024);
    assert_eq!(estimate.memory(), devices + 65_536 * 64);
    let (mib, outbox) = (1 << 20, 1028);
    assert_eq!(
        estimate.disk(),
        (outbox + outbox / 2 + 16 + 8 + 256) * mib + 10_000 * 4_696
    );
    // 10,000 devices, a summary each 10 s; 600 s of 800 B unfolded, the rest of 1 GiB at 33 B.
    let seconds = 600.0 + (f64::from(1 << 30) - 600.0 * 1_000.0 * 800.0) / (1_000.0 * 33.0);
    assert!((estimate.hours().unwrap() - seconds / 3_600.0).abs() < 1e-9);
    let printed = estimate.to_string();
    assert!(printed.contains("bounded by max_bytes"), "{printed}");
    assert!(printed.starts_with("memory at worst: "), "{printed}");
    assert!(
        printed.contains("a device of class `pump`: 1 channels × 2048 readings: readings 32 KiB, "),
        "{printed}"
    );
}

#[test]
fn the_estimate_follows_the_windows() {
    let estimate = |keys: &str| {
        let text = RIGHT.replace("devices =", &format!("{keys}\ndevices ="));
        Estimate::of(&parse(&text).unwrap(), |_| 0)
    };
    let plain = estimate("window = \"10m\"");
    let hopping = estimate("window = { length = \"7d\", hop = \"10m\" }");
    let panes = "readings and 1008 panes: readings 32 KiB, panes ";
    assert!(hopping.to_string().contains(panes), "{hopping}");
    // Panes of a week of ten minutes, and as many frames that its last reading's windows may wait in.
    let each = (hopping.memory() - plain.memory()) / 10_000 / 1_008;
    assert!((168 + 448..750).contains(&each), "{each}");
    assert_eq!(hopping.hours(), plain.hours());

    let revised = estimate("window = \"10m\"\nlate = \"revise\"\nrevise_windows = 20");
    let each = (revised.memory() - plain.memory()) / 10_000 / 20;
    assert!((500..1_000).contains(&each), "{each}");
    let kept = ", frames that may be revised ";
    assert!(revised.to_string().contains(kept), "{revised}");
    for key in [
        "sequence = { path = \"seq\" }",
        "time = { path = \"t\", format = \"uptime_ms\" }",
        "time = \"t\"\ntime_format = \"uptime_ms\"",
    ] {
        let text = RIGHT.replace("decoder =", &format!("{key}\ndecoder ="));
        let numbered = Estimate::of(&parse(&text).unwrap(), |_| 0);
        assert!(numbered.to_string().contains(", senders "), "{numbered}");
    }
    let model = Estimate::of(&parse(RIGHT).unwrap(), |_| 1_024);
    assert!(model.to_string().contains(", model 8.0 KiB, "), "{model}");

    let hours = |keys: &str| estimate(keys).hours().unwrap();
    let often = hours("");
    assert!(hours("emit = \"20s\"") > 1.9 * often, "fewer summaries");
    assert!(
        (hours("emit = \"5s\"") - often).abs() < 1e-9,
        "no more than windows"
    );
    assert!(
        hours("features = [\"p95\", \"p05\"]") < often,
        "larger ones"
    );
    assert!(
        hours("window = { count = 5 }") < 0.2 * often,
        "one a second"
    );
}

#[test]
fn freshness_that_no_window_can_keep_is_a_fault() {
    let with = |keys: &str| format!("{RIGHT}\n[freshness]\n{keys}\n");
    let config = parse(&with("admit = \"5s\"\nscore = \"13s\"")).unwrap();
    let limits = config.classes[0].freshness;
    assert_eq!(limits.admit, Some(Span::from_secs(5)));
    assert_eq!(limits.score, Some(Span::from_secs(13)));
    assert_eq!(limits.delivery, None);
    let line = with("").lines().count();
    let why = "12s cannot be kept: when a window of class `pump` is scored, its oldest reading is up to 12s old (the \
               window's length and out_of_orderness together; allow more, shorten them, or give the class a \
               [class.freshness] of its own)";
    let fault = format!("{line}:12 freshness.delivery: {why}");
    check(&with("delivery = \"12s\""), &[&fault]);

    // What a class says of its own counts for it alone.
    let own = |limit: &str| {
        format!(
            "{RIGHT}\n[class.freshness]\ndelivery = \"{limit}\"\n\n[freshness]\nscore = \"1m\"\ndelivery = \"12s\"\n"
        )
    };
    let limits = parse(&own("20s")).unwrap().classes[0].freshness;
    assert_eq!(limits.delivery, Some(Span::from_secs(20)));
    assert_eq!(limits.score, Some(Span::from_secs(60)));
    let line = RIGHT.lines().count() + 3;
    let fault = format!("{line}:12 class[0].freshness.delivery: {why}");
    check(&own("12s"), &[&fault]);
}
