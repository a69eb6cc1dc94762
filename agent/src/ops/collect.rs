//! Metrics read at scrape time: the ledger itself is encoded, so there is no second set of counters
//! that could disagree with it. Nothing is labelled by device, whose number has no small bound.

use std::fmt;
use std::sync::Arc;

use eyot_pipeline::ledger::{MessageFate, ReadingFate};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::health::{Status, health};
use super::metrics::{Metrics, Snapshot, Stage};
use super::process::Process;
use super::view::{DeviceState, JournalStatusView, Overview, Phase, View, WearView};

/// Everything that `/metrics` shows.
pub(super) fn registry(view: Arc<dyn View>, metrics: Arc<Metrics>) -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(ProcessCollector));
    let eyot = registry.sub_registry_with_prefix("eyot");
    eyot.register_collector(Box::new(ViewCollector(view)));
    eyot.register_collector(Box::new(PushedCollector(metrics)));
    registry
}

/// `N` labels, names and values, and the value they stand for.
type Row<const N: usize, V> = ([(&'static str, String); N], V);

/// Families of metrics, written one after the other.
struct Families<'a>(DescriptorEncoder<'a>);

impl Families<'_> {
    fn family<const N: usize, V>(
        &mut self,
        (name, help, kind): (&str, &str, MetricType),
        rows: impl IntoIterator<Item = Row<N, V>>,
        encode: impl Fn(&mut MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in rows {
            // No labels are no braces either.
            match N {
                0 => encode(&mut family, value)?,
                _ => encode(&mut family.encode_family(&labels)?, value)?,
            }
        }
        Ok(())
    }

    fn counters<const N: usize, V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = Row<N, V>>,
    ) -> fmt::Result {
        self.family((name, help, MetricType::Counter), rows, |to, value| {
            to.encode_counter::<NoLabelSet, _, u64>(&value, None)
        })
    }

    fn gauges<const N: usize, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = Row<N, V>>,
    ) -> fmt::Result {
        self.family((name, help, MetricType::Gauge), rows, |to, value| {
            to.encode_gauge(&value)
        })
    }

    fn histograms<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = Row<N, Snapshot>>,
    ) -> fmt::Result {
        self.family((name, help, MetricType::Histogram), rows, |to, value| {
            to.encode_histogram::<NoLabelSet>(value.sum, value.count, &value.buckets, None)
        })
    }

    fn counter(&mut self, name: &str, help: &str, value: impl EncodeCounterValue) -> fmt::Result {
        self.counters(name, help, [([], value)])
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        self.gauges(name, help, [([], value)])
    }
}

/// The agent's [`Overview`].
struct ViewCollector(Arc<dyn View>);

impl fmt::Debug for ViewCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ViewCollector")
    }
}

impl Collector for ViewCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let overview = self.0.overview();
        let mut to = Families(encoder);
        agent(&mut to, &overview)?;
        if let Some(journal) = &overview.journal {
            self::journal(&mut to, journal)?;
        }
        if let Some(wear) = &overview.wear {
            self::wear(&mut to, wear)?;
        }
        messages(&mut to, &overview)?;
        readings(&mut to, &overview)?;
        records(&mut to, &overview)
    }
}

fn agent(to: &mut Families<'_>, overview: &Overview) -> fmt::Result {
    let (store, devices) = (&overview.store, overview.devices);
    let version = [("version", overview.version.to_owned())];
    to.gauges("build_info", "The program; always 1.", [(version, 1_u64)])?;
    to.gauge(
        "start_time_seconds",
        "When the agent started, in seconds since the epoch.",
        overview.started_at.0 as f64 / 1e9,
    )?;
    let ready = overview.phase == Phase::Running;
    to.gauge("ready", "Whether /readyz says so.", u64::from(ready))?;
    let healthy = health(overview).status == Status::Healthy;
    to.gauge("healthy", "Whether /healthz says so.", u64::from(healthy))?;
    to.gauge(
        "store_degraded",
        "Whether something is wrong with the database.",
        u64::from(store.degraded.is_some()),
    )?;
    to.gauge("store_bytes", "Size of the database.", store.db_bytes)?;
    to.gauge("dead_letters", "Dead letters kept.", store.dead_letters)?;
    to.counters(
        "dead_letters_left",
        "Messages whose dead letters are no longer kept, by what became of them.",
        [
            ("evicted", store.dead_letters_evicted),
            ("dropped", store.dead_letters_dropped),
            ("replayed", store.dead_letters_replayed),
        ]
        .map(|(how, n)| ([("how", how.to_owned())], n)),
    )?;
    to.counter(
        "gaps",
        "Times of which nobody knows what was lost.",
        overview.gaps.count,
    )?;
    let clock = overview.clock;
    to.gauge(
        "clock_set",
        "Whether the gateway's clock is set, as far as anyone knows.",
        u64::from(clock.set),
    )?;
    to.counter(
        "clock_steps",
        "How often the gateway's clock was set.",
        clock.steps,
    )?;
    to.gauge(
        "records_held",
        "Records that wait for the gateway's clock to be set.",
        clock.records_held,
    )?;
    to.gauge(
        "devices_behind",
        "Devices that have to catch up with the journal.",
        devices.behind,
    )?;
    to.gauges(
        "devices",
        "Devices known, by state.",
        [
            (DeviceState::Running, devices.running),
            (DeviceState::Restarting, devices.restarting),
            (DeviceState::Quarantined, devices.quarantined),
        ]
        .map(|(state, n)| ([("state", state.name().to_owned())], n)),
    )?;
    to.counters(
        "sender_events",
        "What happened to sequence numbers and clocks of senders.",
        devices
            .time
            .named()
            .map(|(what, n)| ([("what", what.to_owned())], n)),
    )?;
    to.counter(
        "device_restarts",
        "Restarts of devices after a failure.",
        devices.restarts,
    )
}

fn journal(to: &mut Families<'_>, journal: &JournalStatusView) -> fmt::Result {
    to.gauge("journal_bytes", "Size of the journal.", journal.bytes)?;
    to.gauge(
        "journal_max_bytes",
        "Size that the journal may have.",
        journal.max_bytes,
    )?;
    to.gauge(
        "journal_failing",
        "Whether the journal cannot be written.",
        u64::from(journal.failing.is_some()),
    )?;
    to.gauge(
        "journal_full",
        "Whether the journal has no room for readings.",
        u64::from(journal.full),
    )?;
    to.counter(
        "journal_entries",
        "Entries committed to the journal.",
        journal.entries,
    )?;
    to.counter(
        "journal_readings",
        "Readings committed to the journal.",
        journal.readings,
    )?;
    to.counter(
        "journal_written_bytes",
        "Bytes written to the journal; over the readings, those that each takes.",
        journal.written_bytes,
    )?;
    to.counter(
        "journal_commits",
        "Commits of the journal.",
        journal.commits,
    )
}

fn wear(to: &mut Families<'_>, wear: &WearView) -> fmt::Result {
    to.counter(
        "storage_written_bytes",
        "Bytes that went to storage, as the system counts them.",
        wear.written_bytes,
    )?;
    to.counter(
        "call_written_bytes",
        "Bytes handed to the system to write, sockets included.",
        wear.call_bytes,
    )?;
    if let Some(rate) = wear.bytes_per_day {
        to.gauge(
            "storage_written_bytes_per_day",
            "Bytes that go to storage in a day at the rate of the last hours.",
            rate,
        )?;
    }
    if let Some(budget) = wear.budget_per_day {
        to.gauge(
            "storage_budget_bytes_per_day",
            "Bytes that may go to storage in a day.",
            budget,
        )?;
    }
    if let Some(days) = wear.lifetime_days {
        to.gauge(
            "storage_lifetime_days",
            "Days until the medium has taken what it can, at the rate of the last hours.",
            days,
        )?;
    }
    to.gauge(
        "commit_pace",
        "How many times as long as configured commits wait, to write less.",
        wear.pace,
    )
}

fn messages(to: &mut Families<'_>, overview: &Overview) -> fmt::Result {
    let sources = || {
        overview
            .sources
            .iter()
            .map(|s| (("source", s.name.clone()), s))
    };
    to.gauges(
        "source_connected",
        "Whether the source has a session with its broker.",
        sources().map(|(label, s)| ([label], u64::from(s.link.connected))),
    )?;
    to.counters(
        "messages_received",
        "Messages received.",
        sources().map(|(label, s)| ([label], s.book.messages)),
    )?;
    to.gauges(
        "messages_in_flight",
        "Messages received and not yet settled.",
        sources().map(|(label, s)| ([label], s.book.messages_in_flight)),
    )?;
    to.counters(
        "messages",
        "Messages settled, by what became of them.",
        sources().flat_map(|(label, s)| {
            MessageFate::ALL.iter().map(move |&fate| {
                let labels = [
                    label.clone(),
                    ("fate", fate.term().to_owned()),
                    ("reason", fate.reason().to_owned()),
                ];
                (labels, s.book.messages_with(fate))
            })
        }),
    )
}

fn readings(to: &mut Families<'_>, overview: &Overview) -> fmt::Result {
    let sources = || {
        overview
            .sources
            .iter()
            .map(|s| (("source", s.name.clone()), s))
    };
    to.counters(
        "readings_received",
        "Readings found in messages.",
        sources().map(|(label, s)| ([label], s.book.readings)),
    )?;
    to.gauges(
        "readings_in_flight",
        "Readings admitted and not yet settled.",
        sources().map(|(label, s)| ([label], s.book.readings_in_flight)),
    )?;
    to.counters(
        "readings",
        "Readings settled, by what became of them.",
        sources().flat_map(|(label, s)| {
            ReadingFate::ALL.iter().map(move |&fate| {
                let labels = [
                    label.clone(),
                    ("fate", fate.term().to_owned()),
                    ("reason", fate.reason().to_owned()),
                ];
                (labels, s.book.readings_with(fate))
            })
        }),
    )?;
    to.counters(
        "broker_dropped",
        "Messages that the source's broker has dropped, for all of its clients; where it is asked.",
        sources().filter_map(|(label, s)| Some(([label], s.broker_dropped?.total))),
    )?;
    to.counters(
        "unmapped_fields",
        "Fields of messages that no rule maps.",
        sources().map(|(label, s)| ([label], s.book.unmapped_fields)),
    )
}

fn records(to: &mut Families<'_>, overview: &Overview) -> fmt::Result {
    if let Some(uplink) = &overview.uplink {
        to.gauge(
            "uplink_connected",
            "Whether the uplink has a session with its broker.",
            u64::from(uplink.connected),
        )?;
    }
    let lanes = || {
        overview
            .lanes
            .iter()
            .map(|l| (("lane", l.lane.name().to_owned()), l))
    };
    to.counters(
        "lane_records",
        "Records by what became of them: enqueued = delivered + evicted + eyot_lane_records_buffered.",
        lanes().flat_map(|(label, l)| {
            let book = l.book;
            [
                ("enqueued", book.enqueued),
                ("delivered", book.delivered),
                ("evicted", book.evicted),
            ]
            .map(|(term, n)| ([label.clone(), ("term", term.to_owned())], n))
        }),
    )?;
    to.gauges(
        "lane_records_buffered",
        "Records waiting in the outbox.",
        lanes().map(|(label, l)| ([label], l.book.buffered)),
    )?;
    to.gauges(
        "lane_bytes",
        "Bytes that the records waiting take up.",
        lanes().map(|(label, l)| ([label], l.bytes)),
    )?;
    to.counters(
        "lane_records_evicted",
        "Records given up, by reason.",
        lanes().flat_map(|(label, l)| {
            l.evictions
                .iter()
                .map(move |(reason, n)| ([label.clone(), ("reason", reason.clone())], *n))
        }),
    )
}

/// The pushed histograms.
#[derive(Debug)]
struct PushedCollector(Arc<Metrics>);

impl Collector for PushedCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut to = Families(encoder);
        let stages = || {
            Stage::ALL.into_iter().flat_map(|stage| {
                self.0.freshness(stage).map(move |(class, ages)| {
                    let labels = [
                        ("class", class.to_owned()),
                        ("stage", stage.name().to_owned()),
                    ];
                    (labels, ages.snapshot())
                })
            })
        };
        to.histograms(
            "freshness_seconds",
            "Gateway time minus the event time of the oldest reading, by class and stage.",
            stages(),
        )?;
        to.gauges(
            "freshness_max_seconds",
            "Largest freshness since the agent started, by class and stage.",
            stages().filter_map(|(labels, s)| s.max.map(|max| (labels, max))),
        )?;
        to.histograms(
            "verdict_latency_seconds",
            "From the arrival of the reading that closes a window to the window's verdict.",
            [([], self.0.verdict_latency().snapshot())],
        )
    }
}

/// The process, under the names that every exporter uses.
#[derive(Debug)]
struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut to = Families(encoder);
        let process = Process::read();
        if let Some(bytes) = process.resident_bytes {
            to.gauge("process_resident_memory_bytes", "Resident memory.", bytes)?;
        }
        if let Some(seconds) = process.cpu_seconds {
            to.counter("process_cpu_seconds", "User and system time.", seconds)?;
        }
        if let Some(fds) = process.open_fds {
            to.gauge("process_open_fds", "Open file descriptors.", fds)?;
        }
        Ok(())
    }
}
