//! An example at work, as `eyot decode` would do it.

use eyot_decode::config::{Channel, Retained, Rule};
use eyot_decode::{Decoder, Frame, Framer, Framing, Mapping, Message, Profile};
use eyot_pipeline::Timestamp;
use indexmap::IndexMap;
use serde::Deserialize;

use crate::page::Example;
use crate::schema;
use crate::show::{ARRIVAL, Show};

/// What a page's mapping is part of.
#[derive(Deserialize)]
struct Configuration {
    source: Vec<toml::Table>,
}

/// `[[source]]`, as far as it says what messages mean.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "url")]
    _url: Option<String>,
    #[serde(default, rename = "rebirth")]
    _rebirth: bool,
    #[serde(default)]
    ignore: Vec<String>,
    retained: Option<Retained>,
    time_zone: Option<String>,
    framing: Option<Framing>,
    profile: Option<String>,
    base: Option<String>,
    #[serde(default)]
    rule: Vec<Rule>,
    #[serde(default)]
    channels: IndexMap<String, Channel>,
}

/// A line of a dump.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    topic: String,
    #[serde(default)]
    payload: String,
    payload_hex: Option<String>,
    #[serde(default)]
    retain: bool,
    at: Option<String>,
}

impl Example {
    /// Whether the page says what was found. `…` stands for all lines about single fields that nothing maps.
    pub(crate) fn says(&self, found: &[String]) -> bool {
        let line = |line: &String| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let expected = || self.output.iter().map(line);
        if !expected().any(|line| line == "…") {
            return expected().eq(found.iter().cloned());
        }
        let shown = |line: &&String| !line.starts_with("ignored reason=unmapped path=");
        expected()
            .filter(|line| line != "…")
            .eq(found.iter().filter(shown).cloned())
    }

    /// What the program says, with single spaces.
    pub(crate) fn run(&self) -> Result<Vec<String>, String> {
        let mapping = self.mapping()?;
        let mut decoder = mapping.decoder().map_err(|faults| format!("{faults:#?}"))?;
        decoder.report_unmapped(true);
        let mut show = Show::new(self.has("--json"));
        let bytes = if self.has("--hex") {
            from_hex(&self.message)?
        } else {
            self.message.clone().into_bytes()
        };
        if self.has("--dump") {
            for line in self.message.lines() {
                let line: Recorded = serde_json::from_str(line).map_err(text)?;
                let payload = match line.payload_hex {
                    Some(hex) => from_hex(&hex)?,
                    None => line.payload.into_bytes(),
                };
                let arrival = match line.at {
                    Some(at) => rfc3339(&at)?,
                    None => ARRIVAL,
                };
                show.message(
                    &mut decoder,
                    &message(&line.topic, &payload, line.retain, arrival),
                );
            }
        } else if let Some(framing) = mapping.framing {
            frames(framing, &bytes, &mut decoder, &mut show);
        } else {
            let topic = self.option("--topic").unwrap_or_default();
            let retained = self.has("--retained");
            show.message(&mut decoder, &message(topic, &bytes, retained, ARRIVAL));
        }
        Ok(show.lines)
    }

    /// The mapping that the command names.
    fn mapping(&self) -> Result<Mapping, String> {
        if let Some(name) = self.option("--profile") {
            let profile = Profile::named(name).ok_or(format!("there is no profile {name}"))?;
            return Ok(profile.mapping(self.option("--time-zone")));
        }
        let head = if self.mapping.contains("[[source]]") {
            ""
        } else {
            "[[source]]\nname = \"s\"\n"
        };
        let toml = format!("{head}{}", self.mapping);
        let configuration: Configuration = toml::from_str(&toml).map_err(text)?;
        let [source] = &configuration.source[..] else {
            return Err("more than one source".into());
        };
        schema::check(source)?;
        let source = Source::deserialize(source.clone()).map_err(text)?;
        source.mapping(self)
    }

    fn has(&self, flag: &str) -> bool {
        self.command.split(' ').any(|word| word == flag)
    }

    fn option(&self, name: &str) -> Option<&str> {
        let mut words = self.command.split(' ').skip_while(|word| *word != name);
        words.nth(1)
    }
}

impl Source {
    /// Its own rules, and those of its profile behind them.
    fn mapping(self, example: &Example) -> Result<Mapping, String> {
        let mut rules = self.rule;
        for rule in &mut rules {
            rule.inherit(&self.channels, self.time_zone.as_deref());
        }
        let mut mapping = Mapping {
            ignore: self.ignore,
            retained: self.retained.unwrap_or_default(),
            framing: self.framing,
            tables: example.tables.clone(),
            ..Mapping::default()
        };
        if let Some(name) = &self.profile {
            let named = Profile::named(name);
            let mut profile = named.ok_or(format!("there is no profile {name}"))?;
            if let Some(base) = &self.base {
                profile.rebase(base);
            }
            for rule in &mut profile.rule {
                rule.inherit(&self.channels, None);
            }
            let retained = self.retained.or(profile.retained);
            let shipped = profile.mapping(self.time_zone.as_deref());
            rules.extend(shipped.rules);
            mapping.ignore.extend(shipped.ignore);
            mapping.retained = retained.unwrap_or_default();
            mapping.framing = mapping.framing.or(shipped.framing);
        }
        mapping.rules = rules;
        Ok(mapping)
    }
}

fn frames(framing: Framing, bytes: &[u8], decoder: &mut Decoder, show: &mut Show) {
    let mut framer = Framer::new(framing, eyot_decode::frame::DEFAULT_LIMIT);
    let mut take = |frame: Frame<'_>| match frame {
        Frame::Good(bytes) => show.message(decoder, &message("", bytes, false, ARRIVAL)),
        Frame::Bad { bytes, why } => show.bad_frame(bytes, &why.to_string()),
        Frame::Partial(bytes) => show.partial_frame(bytes),
    };
    framer.push(bytes, &mut take);
    framer.finish(&mut take);
}

fn message<'m>(
    topic: &'m str,
    payload: &'m [u8],
    retained: bool,
    arrival: Timestamp,
) -> Message<'m> {
    Message {
        topic,
        payload,
        retained,
        arrival,
    }
}

fn rfc3339(time: &str) -> Result<Timestamp, String> {
    let time: jiff::Timestamp = time.parse().map_err(text)?;
    Ok(Timestamp(time.as_nanosecond() as i64))
}

fn from_hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: String = text.split_whitespace().collect();
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<_> = pairs.map(byte).collect();
    bytes.ok_or_else(|| "the message is not hexadecimal".into())
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
