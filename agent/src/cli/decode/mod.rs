//! `eyot decode`: what a message comes to, and why.
#![expect(clippy::print_stderr, reason = "a command speaks to its terminal")]

pub(crate) mod dump;
pub(crate) mod live;
mod show;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use eyot_decode::{Decoder, Frame, Framer, Mapping, Message, Profile, profiles};
use eyot_pipeline::Timestamp;

use self::dump::Line;
use self::show::Show;
use crate::clock;
use crate::config::Config;
use crate::error::chain;

/// Bytes of a frame at most.
const FRAME_LIMIT: usize = 64 * 1024;

/// Arguments of `eyot decode`.
#[derive(Debug, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are switches of a command line"
)]
#[command(after_long_help = list_of_profiles())]
pub struct DecodeArgs {
    /// Use a profile that ships with Eyot
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    profile: Option<String>,
    /// Use a source of this configuration
    #[arg(long, value_name = "FILE", required_unless_present = "profile")]
    config: Option<PathBuf>,
    /// Which source of the configuration; needed if there are several
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Time zone of times that name none, as `time_zone` in a configuration
    #[arg(long, value_name = "ZONE", requires = "profile")]
    time_zone: Option<String>,
    /// Topic of the message
    #[arg(long, default_value = "")]
    topic: String,
    /// The message is a retained one that the broker replays
    #[arg(long)]
    retained: bool,
    /// The input is written in hexadecimal
    #[arg(long)]
    hex: bool,
    /// The input is a sequence of messages: JSON lines with `topic`, `payload` or `payload_hex`, `retain` and `at`
    #[arg(long, conflicts_with_all = ["hex", "topic", "retained"])]
    dump: bool,
    /// Listen to this broker, `mqtt://host[:port]`, for `--seconds`, instead of reading a file
    #[arg(long, value_name = "URL", conflicts_with_all = ["hex", "topic", "retained", "dump", "file"])]
    broker: Option<String>,
    /// How long to listen
    #[arg(long, default_value_t = 10, requires = "broker")]
    seconds: u64,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// File to read; `-` is standard input
    #[arg(default_value = "-")]
    file: PathBuf,
}

fn list_of_profiles() -> String {
    let lines = profiles().map(|(name, description)| format!("  {name:<20} {description}\n"));
    format!("Profiles:\n{}", lines.collect::<String>())
}

/// Success if something was decoded and nothing became a dead letter.
pub fn run(args: &DecodeArgs) -> ExitCode {
    match try_run(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn try_run(args: &DecodeArgs) -> anyhow::Result<bool> {
    let mapping = mapping(args)?;
    let mut decoder = compile(&mapping)?;
    decoder.report_unmapped(true);
    let mut show = Show::new(args.json);
    if let Some(url) = &args.broker {
        live::listen(url, args.seconds, &mut decoder, &mut show)?;
        return Ok(show.good());
    }
    let input = read(&args.file)?;
    if args.dump {
        for line in dump::lines(&input) {
            let Line {
                topic,
                payload,
                retained,
                at,
            } = line?;
            one(&mut decoder, &mut show, &topic, &payload, retained, at);
        }
        return Ok(show.good());
    }
    let bytes = if args.hex { from_hex(&input)? } else { input };
    match mapping.framing {
        Some(framing) => {
            let mut framer = Framer::new(framing, FRAME_LIMIT);
            let mut take = |frame: Frame<'_>| match frame {
                Frame::Good(bytes) => one(&mut decoder, &mut show, "", bytes, false, None),
                Frame::Bad { bytes, why } => show.bad_frame(bytes, &why.to_string()),
                Frame::Partial(bytes) => show.partial_frame(bytes),
            };
            framer.push(&bytes, &mut take);
            framer.finish(&mut take);
        }
        None => one(
            &mut decoder,
            &mut show,
            &args.topic,
            &bytes,
            args.retained,
            None,
        ),
    }
    Ok(show.good())
}

/// Decodes one message and shows what it comes to.
fn one(
    decoder: &mut Decoder,
    show: &mut Show,
    topic: &str,
    payload: &[u8],
    retained: bool,
    at: Option<Timestamp>,
) {
    let message = Message {
        topic,
        payload,
        retained,
        arrival: at.unwrap_or_else(clock::now),
    };
    let mut events = show.message();
    let result = decoder.message(&message, &mut |event| events.event(&event));
    let rule = result.rule.map_or("", |rule| decoder.rule_name(rule));
    events.end(rule, &result.fate);
}

/// The mapping that the arguments name.
fn mapping(args: &DecodeArgs) -> anyhow::Result<Mapping> {
    if let Some(name) = &args.profile {
        let Some(profile) = Profile::named(name) else {
            bail!("there is no profile `{name}`\n{}", list_of_profiles());
        };
        return Ok(profile.mapping(args.time_zone.as_deref()));
    }
    let path = args.config.as_deref().unwrap_or(Path::new(""));
    let mut sources = Config::mappings(path)?;
    let names: Vec<String> = sources.iter().map(|(name, _)| name.clone()).collect();
    let at = match &args.source {
        Some(name) => names.iter().position(|known| known == name),
        None if names.len() == 1 => Some(0),
        None => bail!("say with --source which one of {}", names.join(", ")),
    };
    let Some(at) = at else {
        bail!("there is no such source; there are {}", names.join(", "));
    };
    Ok(sources.swap_remove(at).1)
}

fn compile(mapping: &Mapping) -> anyhow::Result<Decoder> {
    mapping.decoder().map_err(|faults| {
        let faults = faults.into_iter().map(|fault| {
            let rule = mapping.rules.get(fault.rule).map_or("", |rule| &rule.name);
            format!("rule {rule}: {}: {}", fault.keys.join("."), fault.message)
        });
        anyhow::anyhow!(faults.collect::<Vec<_>>().join("\n"))
    })
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        io::stdin()
            .read_to_end(&mut bytes)
            .context("cannot read standard input")?;
    } else {
        let mut file =
            File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        file.read_to_end(&mut bytes)
            .with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(bytes)
}

/// Bytes from pairs of hexadecimal digits; white space between them does not matter.
fn from_hex(text: &[u8]) -> anyhow::Result<Vec<u8>> {
    let digits: Vec<u8> = text
        .iter()
        .copied()
        .filter(|b| !b.is_ascii_whitespace())
        .collect();
    let nibble = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    let (pairs, rest) = digits.as_chunks::<2>();
    anyhow::ensure!(rest.is_empty(), "an odd number of hexadecimal digits");
    pairs
        .iter()
        .map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?))
        .collect::<Option<_>>()
        .context("the input is not hexadecimal")
}
