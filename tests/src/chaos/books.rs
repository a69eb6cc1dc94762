//! The agent's books as its page shows them.

use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::Value;

/// One side of a source's books.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) total: u64,
    pub(super) difference: i64,
    /// What became of it, by term.
    pub(super) terms: BTreeMap<String, u64>,
    /// The parts of the terms that were not 0, for people.
    pub(super) reasons: Vec<String>,
}

impl Side {
    /// How many ended so; 0 if none did.
    pub(super) fn term(&self, name: &str) -> u64 {
        self.terms.get(name).copied().unwrap_or(0)
    }

    fn parse(value: &Value) -> anyhow::Result<Self> {
        let mut side = Self {
            total: value["total"].as_u64().context("no total")?,
            difference: value["difference"].as_i64().context("no difference")?,
            ..Self::default()
        };
        for term in value["terms"].as_array().context("no terms")? {
            let name = term["name"].as_str().context("a term without name")?;
            let count = term["count"].as_u64().context("a term without count")?;
            *side.terms.entry(name.to_owned()).or_default() += count;
            for reason in term["reasons"].as_array().into_iter().flatten() {
                side.reasons.push(format!(
                    "{name}{{{}}} {}",
                    reason["name"].as_str().unwrap_or_default(),
                    reason["count"]
                ));
            }
        }
        Ok(side)
    }
}

/// The whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Books {
    pub(super) messages: Side,
    pub(super) readings: Side,
    /// Records committed to the outbox.
    pub(super) enqueued: u64,
    pub(super) delivered: u64,
    pub(super) buffered: u64,
    pub(super) evicted: u64,
    /// Restarts of devices, and devices given up, since the agent's last start.
    pub(super) device_restarts: u64,
    pub(super) quarantined: u64,
    /// What else the agent says is wrong.
    pub(super) faults: Vec<String>,
}

impl Books {
    /// From `/api/overview.json`.
    pub(super) fn parse(body: &str) -> anyhow::Result<Self> {
        let value: Value = serde_json::from_str(body)?;
        let source = &value["sources"][0];
        let lanes = value["lanes"].as_array().context("no lanes")?;
        let sum = |name: &str| lanes.iter().filter_map(|lane| lane[name].as_u64()).sum();
        let faults = value["faults"].as_array().into_iter().flatten();
        let degraded = value["store"]["degraded"].as_str();
        let count = |name: &str| value["devices"][name].as_u64().unwrap_or(0);
        Ok(Self {
            messages: Side::parse(&source["messages"])?,
            readings: Side::parse(&source["readings"])?,
            enqueued: sum("enqueued"),
            delivered: sum("delivered"),
            buffered: sum("buffered"),
            evicted: sum("evicted"),
            device_restarts: count("restarts"),
            quarantined: count("quarantined"),
            faults: faults
                .map(|fault| fault.as_str().unwrap_or_default().to_owned())
                .chain(degraded.map(|why| format!("the store: {why}")))
                .collect(),
        })
    }

    /// Equations that do not hold.
    pub(super) fn unbalanced(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (name, side) in [("messages", &self.messages), ("readings", &self.readings)] {
            if side.difference != 0 {
                wrong.push(format!("{name} do not balance: {side:?}"));
            }
        }
        if self.enqueued != self.delivered + self.buffered + self.evicted {
            wrong.push(format!("the lanes do not balance: {self:?}"));
        }
        wrong
    }

    /// Whether everything that came in has been dealt with and everything that came of it has left.
    pub(super) fn settled(&self) -> bool {
        self.messages.term("in_flight") == 0
            && self.readings.term("in_flight") == 0
            && self.buffered == 0
    }
}
