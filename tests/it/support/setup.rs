//! The configuration of a test: the text that a user would write, and where a test differs from the rest.

use std::path::Path;

use eyot::config::Config;

/// Lines to add to the tables of the common configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup<'a> {
    /// `[limits]`
    pub(crate) limits: &'a str,
    /// `[store]`
    pub(crate) store: &'a str,
    /// The address for the page; none: it is switched off.
    pub(crate) http: Option<&'a str>,
    /// Scheme and host of the source.
    pub(crate) host: &'a str,
    /// `[[source]]`
    pub(crate) source: &'a str,
    /// `[[source.rule]]`, whole.
    pub(crate) rules: &'a str,
    /// The class's windows.
    pub(crate) window: &'a str,
    /// `[[class]]`
    pub(crate) class: &'a str,
    /// The tables of the class.
    pub(crate) tables: &'a str,
    /// `[uplink]`
    pub(crate) uplink: &'a str,
}

impl Default for Setup<'_> {
    /// One reading a message on `plant/{device}/{channel}`, as [`super::reading`] writes them, and devices
    /// `m-*` with one channel `speed`, windows of a second, and statistics that speak after 20 of them.
    fn default() -> Self {
        Self {
            limits: "",
            store: "",
            http: None,
            host: "mqtt://127.0.0.1",
            source: "",
            rules: r#"
                [[source.rule]]
                name = "reading"
                topic = "plant/{device}/{channel}"
                decoder = "json"
                time = "ts"
                time_format = "unix_ms"
                value = "v"
            "#,
            window: "\"1s\"",
            class: "",
            tables: "[class.channels]\nspeed = { unit = \"1/s\", min = -1000, max = 1000 }",
            uplink: "",
        }
    }
}

impl Setup<'_> {
    /// The text for a broker at port `plant`, and an upstream at port `shore` if there is one.
    pub(crate) fn text(&self, plant: u16, shore: Option<u16>) -> String {
        let Self {
            limits,
            store,
            http,
            host,
            source,
            rules,
            window,
            class,
            tables,
            uplink,
        } = self;
        let http = http.map_or_else(
            || "enabled = false".to_owned(),
            |address| format!("listen = \"{address}\""),
        );
        // Pauses for impatient tests: nobody else is waiting for these brokers.
        let uplink = shore.map_or_else(String::new, |port| {
            format!(
                "[uplink]\nurl = \"mqtt://127.0.0.1:{port}\"\nbackoff_min = \"20ms\"\n\
                 backoff_max = \"100ms\"\n{uplink}\n"
            )
        });
        format!(
            r#"
[agent]
name = "gateway"
data_dir = "data"

[limits]
{limits}

[store]
commit_interval = "20ms"
{store}

[http]
{http}

[[source]]
name = "plant"
url = "{host}:{plant}"
{source}

{rules}

[[class]]
name = "machine"
devices = ["m-*"]
window = {window}
out_of_orderness = "100ms"
idle_timeout = "5m"
{class}

{tables}

{uplink}
"#
        )
    }

    /// The same, read as the agent reads it; relative paths start from `folder`.
    pub(crate) fn config(&self, plant: u16, shore: Option<u16>, folder: &Path) -> Config {
        let text = self.text(plant, shore);
        Config::parse(&text, "test.toml", folder)
            .unwrap_or_else(|faults| panic!("{faults}\n{text}"))
    }
}
