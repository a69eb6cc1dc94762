//! `eyot sim`: a fleet of simulated pumps.

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context;
use eyot_pipeline::{Span, Timestamp};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::sim::fault::{Fault, FaultPlan, PlannedFault, RandomFaults};
use crate::sim::fleet::{Delivery, Event, Fleet, FleetConfig};
use crate::sim::pace::{self, Pace, Paced, Speed};
use crate::sim::payload::{CSV_HEADER, Encoder, Form, Sample, Samples, Topic};
use crate::sim::pump::CHANNELS;
use crate::sim::{self, Publish, parse_span};

/// Publish the readings of simulated pumps, with faults whose truth is known.
///
/// Without --start or --start-in-past a run that is faster than real time begins so long ago that its
/// event times meet the wall clock at its end, and never run ahead of it.
#[derive(Debug, Clone, clap::Args)]
pub struct SimArgs {
    /// Broker to publish to
    #[arg(long, value_name = "URL", default_value = "mqtt://127.0.0.1:1883")]
    pub broker: String,
    /// Write the readings as CSV to standard output, to no broker
    #[arg(long, conflicts_with_all = ["broker", "payload", "topic", "pad", "qos", "json"])]
    pub print: bool,
    /// How many devices: pump-0001 and so on
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub devices: u32,
    /// Simulated time to cover, like 90s or 1h; a bare number is seconds
    #[arg(long, visible_alias = "seconds", value_name = "TIME", default_value = "5m", value_parser = parse_span)]
    pub duration: Span,
    /// Mean interval between two readings of a channel
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_period)]
    pub period: Span,
    /// Everything random follows from this number
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Simulated seconds a second, or max [default: 1; with --start-in-past: max]
    #[arg(long, value_name = "X")]
    pub speed: Option<Speed>,
    /// Begin that long ago, catch up at --speed, and go on in real time
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub start_in_past: Option<Span>,
    /// Event time at which the run begins, RFC 3339; it is not tied to the wall clock then
    #[arg(long, value_name = "TIME", conflicts_with = "start_in_past")]
    pub start: Option<jiff::Timestamp>,
    /// How many devices become faulty, or none, or a list like pump-0001:bearing_wear@90s,pump-0002:offset:flow@2m+30s,pump-0003:clock_jump@1m+20s
    #[arg(long, value_name = "FAULTS", default_value = "none")]
    pub faults: FaultsArg,
    /// Time before the first of a number of faults
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = parse_span)]
    pub fault_after: Span,
    /// How long each of a number of faults lasts [default: to the end of the run]
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub fault_duration: Option<Span>,
    /// Write the faults as JSON to this file before anything is sent
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    /// Share of devices that are switched off now and then
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = parse_share)]
    pub stops: f64,
    /// Share of readings sent late, by up to 1.5 s
    #[arg(long, value_name = "SHARE", default_value_t = 0.03, value_parser = parse_share)]
    pub delayed: f64,
    /// Share of readings sent twice
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, value_parser = parse_share)]
    pub duplicates: f64,
    /// Quality of service
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=1))]
    pub qos: u8,
    /// Topic with {site}, {device} and {channel} [default: plant/{site}/{device}/{channel}; object: without {channel}]
    #[arg(long, value_name = "TOPIC")]
    pub topic: Option<Topic>,
    /// Form of a message
    #[arg(long, value_enum, default_value = "reading")]
    pub payload: Form,
    /// Fill JSON messages up to this size
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub pad: usize,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
}

/// `--faults`: how many, or which.
#[derive(Debug, Clone, PartialEq)]
pub enum FaultsArg {
    /// This many devices, at random.
    Devices(u32),
    /// These.
    List(Vec<PlannedFault>),
}

impl FromStr for FaultsArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::Devices(0));
        }
        if let Ok(devices) = text.parse() {
            return Ok(Self::Devices(devices));
        }
        let faults = text.split(',').map(str::parse).collect::<Result<_, _>>();
        faults
            .map(Self::List)
            .map_err(|error: crate::sim::fault::ParseFaultError| error.to_string())
    }
}

fn parse_period(text: &str) -> Result<Span, String> {
    let period = parse_span(text)?;
    if period < Span::from_millis(10) {
        return Err(format!(
            "{period} is too short; the shortest period is 10ms"
        ));
    }
    Ok(period)
}

fn parse_share(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| format!("`{text}` is no share; write a number from 0 to 1"))
}

/// Runs `eyot sim` to its end or until `stop` is cancelled; `connect` is called with the broker's URL
/// unless the readings are printed.
pub async fn run<P: Publish>(
    args: &SimArgs,
    connect: impl AsyncFnOnce(&str) -> anyhow::Result<P>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let form = if args.print { Form::Csv } else { args.payload };
    let topic = match &args.topic {
        Some(topic) => topic.clone(),
        None => form.default_topic().parse()?,
    };
    if args.pad > 0 && form == Form::Value {
        anyhow::bail!("a bare value cannot be padded; drop --pad or choose another --payload");
    }
    let encoder = Encoder::new(form, topic, args.pad)?;
    let pace = pace_of(args);
    let config = FleetConfig {
        period: args.period,
        aligned: form == Form::Object,
        stops: args.stops,
        delayed: args.delayed,
        duplicates: args.duplicates,
        faults: fault_plan(args),
        ..FleetConfig::new(args.seed, args.devices, pace.start, args.duration)
    };
    let fleet = Fleet::new(&config)?;
    let faults = fleet.truth().to_vec();
    if let Some(file) = &args.truth {
        let truth = Truth::new(&config, &faults);
        let text =
            serde_json::to_string_pretty(&truth).context("cannot write the truth as JSON")?;
        std::fs::write(file, text + "\n")
            .with_context(|| format!("cannot write the truth to {}", file.display()))?;
    }
    tracing::info!(
        seed = args.seed,
        devices = args.devices,
        faults = faults.len(),
        start = %sim::rfc3339(pace.start),
        "simulating"
    );
    let samples = Samples::new(fleet, form);
    let mut tally = Tally::new(args.devices);
    let encode = |sample: Sample| {
        tally.add(&sample);
        encoder.encode(&sample)
    };
    let paced = if args.print {
        let mut printer = Printer::new();
        printer.line(CSV_HEADER.as_bytes())?;
        pace::run(samples, encode, &pace, 0, &mut printer, stop).await?
    } else {
        let mut publish = connect(&args.broker).await?;
        let sent = pace::run(samples, encode, &pace, args.qos, &mut publish, stop).await;
        sent.with_context(|| format!("cannot publish to {}", args.broker))?
    };
    let summary = Summary::new(&config, &tally, &paced, faults);
    if args.print {
        tracing::info!("{summary}");
        return Ok(());
    }
    super::report(&summary, args.json)
}

fn pace_of(args: &SimArgs) -> Pace {
    let wall = sim::now();
    let speed = args.speed.unwrap_or(match args.start_in_past {
        Some(_) => Speed::Max,
        None => Speed::Times(1.0),
    });
    match (args.start, args.start_in_past) {
        (Some(start), _) => Pace {
            start: Timestamp::from_millis(start.as_millisecond()),
            wall,
            speed,
            join_wall: false,
        },
        (None, Some(ago)) => Pace::catching_up(ago, wall, speed),
        (None, None) => Pace::ending_now(args.duration, wall, speed),
    }
}

fn fault_plan(args: &SimArgs) -> FaultPlan {
    match &args.faults {
        FaultsArg::Devices(0) => FaultPlan::None,
        FaultsArg::Devices(devices) => FaultPlan::Random(RandomFaults {
            devices: *devices,
            warmup: args.fault_after,
            duration: args.fault_duration,
        }),
        FaultsArg::List(faults) => FaultPlan::List(faults.clone()),
    }
}

/// The truth file.
#[derive(Debug, Serialize)]
struct Truth<'a> {
    seed: u64,
    devices: u32,
    start: String,
    end: String,
    faults: &'a [Fault],
}

impl<'a> Truth<'a> {
    fn new(config: &FleetConfig, faults: &'a [Fault]) -> Self {
        Self {
            seed: config.seed,
            devices: config.devices,
            start: sim::rfc3339(config.start),
            end: sim::rfc3339(config.start + config.duration),
            faults,
        }
    }
}

/// What was sent.
#[derive(Debug, Clone)]
struct Tally {
    readings: u64,
    delayed: u64,
    duplicates: u64,
    out_of_order: u64,
    /// Latest event time sent, by device and channel.
    latest: Vec<Timestamp>,
}

impl Tally {
    fn new(devices: u32) -> Self {
        Self {
            readings: 0,
            delayed: 0,
            duplicates: 0,
            out_of_order: 0,
            latest: vec![Timestamp::MIN; devices as usize * CHANNELS.len()],
        }
    }

    fn add(&mut self, sample: &Sample) {
        for event in &sample.events {
            self.add_event(event);
        }
    }

    fn add_event(&mut self, event: &Event) {
        self.readings += 1;
        match event.delivery {
            Delivery::Prompt => {}
            Delivery::Delayed => self.delayed += 1,
            Delivery::Duplicate => {
                self.duplicates += 1;
                return;
            }
        }
        let latest = &mut self.latest[event.device as usize * CHANNELS.len() + event.channel];
        if event.time < *latest {
            self.out_of_order += 1;
        }
        *latest = event.time.max(*latest);
    }
}

/// The outcome, all that were sent counted.
#[derive(Debug, Serialize)]
struct Summary {
    seed: u64,
    devices: u32,
    start: String,
    messages: u64,
    readings: u64,
    /// Of the readings: held back on purpose.
    delayed: u64,
    /// Of the readings: sent after a later one of the same channel, duplicates aside.
    out_of_order: u64,
    /// Of the readings: sent for the second time.
    duplicates: u64,
    elapsed_s: f64,
    messages_per_s: f64,
    /// The most a message left after its time; large when the broker or this machine cannot keep up.
    behind_ms: u64,
    faults: Vec<Fault>,
}

impl Summary {
    fn new(config: &FleetConfig, tally: &Tally, paced: &Paced, faults: Vec<Fault>) -> Self {
        let elapsed = paced.elapsed.as_secs_f64();
        Self {
            seed: config.seed,
            devices: config.devices,
            start: sim::rfc3339(config.start),
            messages: paced.messages,
            readings: tally.readings,
            delayed: tally.delayed,
            out_of_order: tally.out_of_order,
            duplicates: tally.duplicates,
            elapsed_s: elapsed,
            messages_per_s: paced.messages as f64 / elapsed.max(1e-3),
            behind_ms: u64::try_from(paced.behind.as_millis()).unwrap_or(u64::MAX),
            faults,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sent {} messages in {:.1} s ({:.0}/s, at most {} ms behind): {} readings of {} devices, \
             {} delayed, {} out of order, {} duplicates; {} faults",
            self.messages,
            self.elapsed_s,
            self.messages_per_s,
            self.behind_ms,
            self.readings,
            self.devices,
            self.delayed,
            self.out_of_order,
            self.duplicates,
            self.faults.len()
        )
    }
}

/// Standard output as a place to publish to: a payload a line.
struct Printer(io::BufWriter<io::Stdout>);

impl Printer {
    fn new() -> Self {
        Self(io::BufWriter::new(io::stdout()))
    }

    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        self.0.write_all(line)?;
        self.0.write_all(b"\n")
    }
}

impl Publish for Printer {
    type Error = io::Error;

    async fn publish(&mut self, _: &str, _: u8, payload: Vec<u8>) -> io::Result<()> {
        self.line(&payload)
    }

    async fn finish(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
