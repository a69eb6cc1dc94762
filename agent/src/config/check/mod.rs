//! From the raw shape to the validated one: what the schema can't say.
//!
//! Every function here reports what is wrong and goes on with a stand-in, so that one run finds
//! everything; [`config`] gives the result out only if nothing was reported.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use eyot_decode::Mapping;
use eyot_pipeline::Span;
use eyot_pipeline::retention::Quotas;

use super::fault::{Fault, Report};
use super::raw::{self, Period, Size};
use super::text::{self, TextError};
use super::tree::Node;
use super::{
    Agent, Asset, Class, Clock, Config, Durability, Freshness, Http, Journal, Limits, Member,
    Outbox, Source, Store, default,
};

mod broker;
mod channel;
mod class;
mod source;
mod uplink;
mod window;

/// Checks `raw`, which was read from the tree below `root`; `None` if `report` says why not.
pub(super) fn config(
    raw: raw::Config,
    root: &Node<'_>,
    base: &Path,
    hash: String,
    report: &mut Report<'_>,
) -> Option<Config> {
    let mut check = Check { base, report };
    let agent = check.agent(raw.agent, &root.key("agent"));
    let limits = check.limits(&raw.limits, &root.key("limits"));
    let store = check.store(&raw.store, &root.key("store"));
    let journal = check.journal(&raw.journal, &root.key("journal"));
    let clock = check.clock(&raw.clock, &root.key("clock"));
    let outbox = check.outbox(&raw.outbox, &root.key("outbox"));
    let sources = check.sources(raw.source, &root.key("source"), &agent.name);
    let assets = check.assets(raw.asset, &root.key("asset"));
    let mut classes = check.classes(&raw.class, &root.key("class"));
    let own = raw.class.into_iter().map(|class| class.freshness);
    let mut own: Vec<raw::Freshness> = own.collect();
    own.resize_with(classes.len(), default::table);
    check.freshness(&raw.freshness, &own, &mut classes, root);
    check.mapped_channels(&sources, &classes, &root.key("source"));
    let uplink = raw
        .uplink
        .and_then(|uplink| check.uplink(uplink, &root.key("uplink"), &agent.name));
    check.client_ids(root, &sources, uplink.as_ref());
    check.ceilings(&sources, &journal, root);
    let http = check.http(&raw.http, &root.key("http"));
    report.is_clean().then_some(Config {
        agent,
        limits,
        store,
        sources: sources
            .into_iter()
            .flatten()
            .map(|source| Source {
                journaled: source.journaled && journal.durability > Durability::Memory,
                ..source
            })
            .collect(),
        journal,
        outbox,
        clock,
        assets,
        classes,
        uplink,
        http,
        hash,
    })
}

/// Checks what the messages of `raw` mean and nothing else.
pub(super) fn mappings(
    raw: raw::Sources,
    at: &Node<'_>,
    base: &Path,
    report: &mut Report<'_>,
) -> Option<Vec<(String, Mapping)>> {
    let mut check = Check { base, report };
    check.some_sources(&raw.source, at);
    let mappings: Vec<_> = raw
        .source
        .into_iter()
        .enumerate()
        .filter_map(|(index, source)| {
            let mapping = check.mapping(&source, &at.index(index))?;
            Some((source.name, mapping))
        })
        .collect();
    report.is_clean().then_some(mappings)
}

/// What every check needs.
struct Check<'r, 't> {
    /// Folder that relative paths start from.
    base: &'r Path,
    report: &'r mut Report<'t>,
}

impl Check<'_, '_> {
    fn agent(&mut self, raw: raw::Agent, at: &Node<'_>) -> Agent {
        let name = raw.name.unwrap_or_else(host_name);
        self.topic_levels(&name, &at.key("name"));
        if name.contains('/') {
            let message = "the agent's name is one level of a topic: no `/`";
            self.report.value(&at.key("name"), message);
        }
        if raw.data_dir.is_empty() {
            self.report.value(&at.key("data_dir"), "must name a folder");
        }
        Agent {
            name,
            data_dir: self.base.join(raw.data_dir),
            workers: raw.workers,
            shutdown_timeout: self.duration(
                &raw.shutdown_timeout,
                &at.key("shutdown_timeout"),
                MILLISECOND,
            ),
        }
    }

    fn assets(&mut self, raw: Vec<raw::Asset>, at: &Node<'_>) -> Vec<Asset> {
        self.unique_names(raw.iter().map(|asset| asset.name.as_str()), at);
        let mut taken: Vec<(String, String)> = Vec::new();
        let mut assets = Vec::new();
        for (index, asset) in raw.into_iter().enumerate() {
            let at = at.index(index).key("channels");
            let mut members: Vec<Member> = Vec::new();
            for (index, member) in asset.channels.into_iter().enumerate() {
                let at = at.index(index);
                let name = member.name.unwrap_or_else(|| member.channel.clone());
                let sender = (member.device, member.channel);
                if taken.contains(&sender) {
                    let message =
                        format!("`{}` of `{}` is in an asset already", sender.1, sender.0);
                    self.report.value(&at, message);
                }
                if members.iter().any(|other| other.name == name) {
                    let message = format!("the asset has a channel `{name}` already");
                    self.report
                        .value(&at, message)
                        .help("give one of them another name with `as`");
                }
                taken.push(sender.clone());
                let (device, channel) = sender;
                members.push(Member {
                    device,
                    channel,
                    name,
                });
            }
            let name = asset.name;
            assets.push(Asset { name, members });
        }
        assets
    }

    fn limits(&mut self, raw: &raw::Limits, at: &Node<'_>) -> Limits {
        if raw.readings_in_flight_per_device > raw.readings_in_flight {
            let written = at.first_of(["readings_in_flight_per_device", "readings_in_flight"]);
            let message = format!(
                "one device may not have more readings in flight ({}) than all together ({})",
                raw.readings_in_flight_per_device, raw.readings_in_flight
            );
            self.report.value(&written, message);
        }
        Limits {
            devices: raw.devices,
            readings_in_flight: raw.readings_in_flight,
            readings_in_flight_per_device: raw.readings_in_flight_per_device,
            restarts: raw.restarts,
            restart_window: self.duration(
                &raw.restart_window,
                &at.key("restart_window"),
                MILLISECOND,
            ),
            dead_letters: raw.dead_letters,
            dead_letter_bytes: raw.dead_letter_bytes,
        }
    }

    fn store(&mut self, raw: &raw::Store, at: &Node<'_>) -> Store {
        Store {
            commit_interval: self.duration(
                &raw.commit_interval,
                &at.key("commit_interval"),
                Span::ZERO,
            ),
            headroom: self.headroom(&raw.headroom, &at.key("headroom")),
            max_written_per_day: raw
                .max_written_per_day
                .as_ref()
                .map(|size| self.size(size, &at.key("max_written_per_day"), MEBIBYTE)),
            flash_endurance: raw
                .flash_endurance
                .as_ref()
                .map(|size| self.size(size, &at.key("flash_endurance"), MEBIBYTE)),
        }
    }

    /// None at all, or enough for a write-ahead log of the least useful size.
    fn headroom(&mut self, raw: &Size, at: &Node<'_>) -> u64 {
        let bytes = self.size(raw, at, 0);
        if bytes > 0 && bytes < MEBIBYTE {
            self.report.value(at, "must be 0B or at least 1MiB");
        }
        bytes
    }

    /// What holds for each class: its own limits, and those of all others.
    fn freshness(
        &mut self,
        raw: &raw::Freshness,
        of_classes: &[raw::Freshness],
        classes: &mut [Class],
        root: &Node<'_>,
    ) {
        let at = root.key("freshness");
        let general = self.limits_of(raw, &at);
        for (index, (class, raw)) in classes.iter_mut().zip(of_classes).enumerate() {
            let own_at = root.key("class").index(index).key("freshness");
            let own = self.limits_of(raw, &own_at);
            let limits = [
                (
                    "admit",
                    &mut class.freshness.admit,
                    own.admit,
                    general.admit,
                ),
                (
                    "score",
                    &mut class.freshness.score,
                    own.score,
                    general.score,
                ),
                (
                    "commit",
                    &mut class.freshness.commit,
                    own.commit,
                    general.commit,
                ),
                (
                    "delivery",
                    &mut class.freshness.delivery,
                    own.delivery,
                    general.delivery,
                ),
            ];
            let pipeline = &class.pipeline;
            let age = pipeline
                .window
                .length()
                .map(|length| Span(length.0.saturating_add(pipeline.out_of_orderness.0)));
            for (key, limit, own, general) in limits {
                *limit = own.or(general);
                let node = if own.is_some() {
                    own_at.key(key)
                } else {
                    at.key(key)
                };
                // No window is scored before its end has passed, so that no limit below that can be kept.
                if key != "admit"
                    && let (Some(limit), Some(age)) = (*limit, age)
                    && limit <= age
                {
                    let message = format!(
                        "{limit} cannot be kept: when a window of class `{}` is scored, its oldest reading is up to {age} old",
                        pipeline.name
                    );
                    self.report.value(&node, message).help(
                        "the window's length and out_of_orderness together; allow more, shorten them, or give the class a [class.freshness] of its own",
                    );
                }
            }
        }
    }

    fn limits_of(&mut self, raw: &raw::Freshness, at: &Node<'_>) -> Freshness {
        let mut limit = |key, period: &Option<Period>| {
            let period = period.as_ref()?;
            Some(self.span(period, &at.key(key), MILLISECOND))
        };
        Freshness {
            admit: limit("admit", &raw.admit),
            score: limit("score", &raw.score),
            commit: limit("commit", &raw.commit),
            delivery: limit("delivery", &raw.delivery),
        }
    }

    fn outbox(&mut self, raw: &raw::Outbox, at: &Node<'_>) -> Outbox {
        let age = raw.max_age.as_ref();
        Outbox {
            quotas: Quotas {
                records: raw.max_records,
                bytes: self.size(&raw.max_bytes, &at.key("max_bytes"), MEBIBYTE),
                age: age.map(|age| self.span(age, &at.key("max_age"), MINUTE)),
                when_full: raw.when_full.into(),
            },
            fold_after: self.span(&raw.fold_after, &at.key("fold_after"), Span::from_secs(1)),
        }
    }

    fn journal(&mut self, raw: &raw::Journal, at: &Node<'_>) -> Journal {
        Journal {
            durability: raw.durability,
            max_bytes: self.size(&raw.max_bytes, &at.key("max_bytes"), MEBIBYTE),
            max_wait: self.duration(&raw.max_wait, &at.key("max_wait"), Span::ZERO),
        }
    }

    fn clock(&mut self, raw: &raw::Clock, at: &Node<'_>) -> Clock {
        if raw.synchronised.is_empty() {
            let message = "a file that is there once a time server was heard";
            self.report.value(&at.key("synchronised"), message);
        }
        Clock {
            rtc: raw.rtc,
            synchronised: self.base.join(&raw.synchronised),
            hold_unsynced: self.span(&raw.hold_unsynced, &at.key("hold_unsynced"), Span::ZERO),
        }
    }

    fn http(&mut self, raw: &raw::Http, at: &Node<'_>) -> Option<Http> {
        let node = at.key("listen");
        let Ok(listen) = raw.listen.parse::<SocketAddr>() else {
            let message = format!("`{}` is not an address and a port", raw.listen);
            self.report
                .value(&node, message)
                .help(format!("write it like {}", default::listen()));
            return None;
        };
        if !raw.enabled {
            return None;
        }
        if !listen.ip().is_loopback() && !raw.allow_remote {
            let message =
                format!("{listen} can be reached from other machines, and the page has no login");
            self.report
                .value(&node, message)
                .help("listen on 127.0.0.1, or set allow_remote = true");
        }
        Some(Http { listen })
    }

    /// A length of time, at least `least`.
    fn span(&mut self, period: &Period, at: &Node<'_>, least: Span) -> Span {
        match text::period(&period.0) {
            Ok(span) if span < least => {
                self.report.value(at, format!("must be at least {least}"));
                least
            }
            Ok(span) => span,
            Err(error) => {
                self.text_error(at, error);
                least
            }
        }
    }

    /// As [`Self::span`], for what runs on the gateway's clock.
    fn duration(&mut self, period: &Period, at: &Node<'_>, least: Span) -> Duration {
        Duration::from_nanos(self.span(period, at, least).0.unsigned_abs())
    }

    /// A number of bytes, at least `least`.
    fn size(&mut self, size: &Size, at: &Node<'_>, least: u64) -> u64 {
        match text::size(&size.0) {
            Ok(bytes) if bytes < least => {
                self.report.value(at, format!("must be at least {least}B"));
                least
            }
            Ok(bytes) => bytes,
            Err(error) => {
                self.text_error(at, error);
                least
            }
        }
    }

    /// A name for people and labels.
    fn name(&mut self, name: &str, at: &Node<'_>) {
        if name.trim().is_empty() {
            self.report.value(at, "must not be empty");
        } else if name.contains(char::is_control) {
            self.report.value(at, "holds a control character");
        }
    }

    /// One or several levels of a topic to publish to.
    fn topic_levels(&mut self, levels: &str, at: &Node<'_>) {
        self.name(levels, at);
        if levels.contains(['+', '#']) {
            self.report
                .value(at, "a topic to publish to holds no `+` and no `#`");
        } else if levels.starts_with(['/', '$']) || levels.ends_with('/') {
            let message = "neither starts with `/` or `$` nor ends with `/`";
            self.report.value(at, message);
        }
    }

    /// Reports every name that an earlier element of the array `at` has taken.
    fn unique_names<'n>(&mut self, names: impl IntoIterator<Item = &'n str>, at: &Node<'_>) {
        let mut seen: Vec<&str> = Vec::new();
        for (index, name) in names.into_iter().enumerate() {
            let node = at.index(index).key("name");
            self.name(name, &node);
            if let Some(first) = seen.iter().position(|earlier| *earlier == name) {
                let line = self.report.line(&at.index(first).key("name"));
                let message = format!(
                    "the name `{name}` is taken by {}[{first}] in line {line}",
                    at.path()
                );
                self.report.value(&node, message);
            }
            seen.push(name);
        }
    }

    /// Reads what `text` says.
    fn parse<T: std::str::FromStr<Err = TextError>>(
        &mut self,
        text: &str,
        at: &Node<'_>,
    ) -> Option<T> {
        text.parse()
            .map_err(|error| self.text_error(at, error))
            .ok()
    }

    fn text_error(&mut self, at: &Node<'_>, error: TextError) {
        let fault: &mut Fault = self.report.value(at, error.message);
        fault.help = error.help;
    }
}

/// The least length of most times.
const MILLISECOND: Span = Span::from_millis(1);
/// The least time to keep a record for.
const MINUTE: Span = Span::from_secs(60);
/// The least room for records.
const MEBIBYTE: u64 = 1024 * 1024;

/// Name of this machine, if the system has one that can stand in a topic.
fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty() && !name.contains(['/', '+', '#', '$']))
        .unwrap_or_else(|| default::AGENT_NAME.to_owned())
}
