//! Models that see more of a window than its features.

use std::f64::consts::TAU;
use std::fs;
use std::path::Path;

use eyot::ops::Status;
use eyot_lab::mosquitto::Mosquitto;
use eyot_pipeline::ledger::Lane;
use tempfile::TempDir;

use crate::support::{Feeder, Setup, health, reading, records, run, settled, start};

/// Fifty readings for each second, which are all values of one cosine, `turns` of it in a second.
fn turning(seconds: std::ops::Range<i64>, turns: i64) -> Vec<(String, String)> {
    (seconds.start * 50..seconds.end * 50)
        .map(|n| {
            let phase = (n * turns).rem_euclid(50) as f64 / 50.0;
            reading("m-1", n * 20, 20.0 + 5.0 * (phase * TAU).cos())
        })
        .collect()
}

/// A folder with the test's convolution as `model`.
fn with_model() -> TempDir {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/neighbours");
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("model")).unwrap();
    for part in ["model.onnx", "manifest.toml"] {
        fs::copy(packed.join(part), folder.path().join("model").join(part)).unwrap();
    }
    folder
}

fn setup() -> Setup<'static> {
    Setup {
        class: "model = \"model\"",
        ..Setup::default()
    }
}

#[tokio::test]
async fn a_convolution_finds_in_the_readings_what_no_feature_shows() {
    let (plant, folder) = (Mosquitto::start("").unwrap(), with_model());
    let agent = start(&setup(), plant.port, None, folder.path()).await;
    assert_eq!(health(&agent), (Status::Healthy, Vec::new()));
    let feeder = Feeder::to(plant.port);
    // The same values in each window, in an order that is as smooth as can be, and then in one that is not.
    let mut sent = feeder.send(&turning(0..30, 1)).await;
    sent += feeder.send(&turning(30..36, 17)).await;
    settled(&agent, sent).await;
    let summaries = records(&agent, Lane::Summary).await;
    assert!(summaries.len() > 32);
    for (second, summary) in summaries.iter().enumerate() {
        let score = &summary["score"];
        let model = score["model"]["score"].as_f64().unwrap();
        assert_eq!(model >= 1.0, second >= 30, "{second}: {score}");
        let statistical = score["statistical"].as_f64();
        assert!(
            statistical.is_none_or(|score| score < 1.0),
            "{second}: {score}"
        );
        assert!(summary["channels"]["speed"].get("reading").is_none());
    }
    let alerts = records(&agent, Lane::Alert).await;
    assert_eq!(alerts.len(), 1);
    let cause = &alerts[0]["contributions"][0];
    assert_eq!(
        (&cause["detector"], &cause["feature"]),
        (&"model".into(), &"reading".into())
    );
    let [value, expected] = ["value", "expected"].map(|key| cause[key].as_f64().unwrap());
    assert!((value - expected).abs() > 3.0, "{cause}");
    agent.stop().await.unwrap();
}

#[test]
fn a_manifest_that_contradicts_itself_about_readings_is_refused_with_the_reason() {
    let folder = with_model();
    let manifest = folder.path().join("model/manifest.toml");
    let config = folder.path().join("eyot.toml");
    fs::write(&config, setup().text(1883, None)).unwrap();
    let good = fs::read_to_string(&manifest).unwrap();
    let check = |text: &str| {
        fs::write(&manifest, text).unwrap();
        let output = run(&["check", &config.display().to_string()]);
        (
            output.status.success(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    assert_eq!(check(&good), (true, String::new()));
    for (from, to, reason) in [
        (
            "center = 20.0",
            "feature = \"mean\"\ncenter = 20.0",
            "the input of speed has a `feature`, and [readings] says",
        ),
        (
            "[readings]\npoints = 32\nalign = \"linear\"\nmax_age_s = 0.1\n",
            "",
            "the input of speed has no `feature`",
        ),
        (
            "points = 32",
            "points = 0",
            "readings.points must be from 1 to 65535 for 1 inputs, not 0",
        ),
        (
            "points = 32",
            "points = 31",
            "golden vector 0 does not have 31 inputs and outputs",
        ),
        (
            "max_age_s = 0.1",
            "max_age_s = -1",
            "readings.max_age_s must be a number of seconds up to 86400, not -1",
        ),
    ] {
        assert!(good.contains(from));
        let (ok, said) = check(&good.replace(from, to));
        assert!(!ok && said.contains(reason), "{said}");
    }
}
