//! Whether all is well (invariant 8): a pure decision about an [`Overview`].

use eyot_pipeline::{Span, Timestamp};
use serde::Serialize;

use super::equation::Equation;
use super::format::{Age, Bytes};
use super::view::{FreshnessView, Link, Overview, Phase};

/// How long what a broker has dropped is a reason.
const DROPS_MATTER: Span = Span::from_secs(60);

/// The answer of `/healthz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Degraded exactly when there is a reason.
    pub status: Status,
    /// Everything that is wrong, a sentence each.
    pub reasons: Vec<String>,
}

/// See [`health`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing is known to be wrong.
    Healthy,
    /// Readings are, or may soon be, not what the user counts on.
    Degraded,
}

/// Healthy means that readings can come in, are worked on and can go out, not that the process is up:
///
/// - the agent is running, neither starting nor stopping;
/// - every source is connected, and the uplink is, if there is one;
/// - no source's broker has said within a minute that it has dropped something, where it is asked;
/// - the journal takes what comes, and the store is not degraded;
/// - the gateway's clock is set, as far as anyone knows;
/// - no more is written than allowed, or commits can still be put off;
/// - data was within the last minute as fresh as `[freshness]` wants it;
/// - no device is quarantined;
/// - the books of every source and lane balance;
/// - the agent has reported no other fault.
///
/// Whatever fails of these is a reason. A device that restarts is none, nor is an anomaly: finding
/// those is what the agent is for. Silence of a connected source is none either, since some devices
/// report on change alone.
pub fn health(overview: &Overview) -> Health {
    let mut reasons = Vec::new();
    if overview.phase != Phase::Running {
        reasons.push(format!("the agent is {}", overview.phase.name()));
    }
    for source in &overview.sources {
        reasons.extend(disconnected(
            &format!("source {}", source.name),
            &source.link,
        ));
    }
    for source in &overview.sources {
        let Some(dropped) = source.broker_dropped else {
            continue;
        };
        let recently = |rose: Timestamp| overview.now - rose < DROPS_MATTER;
        if dropped.rose_at.is_some_and(recently) {
            reasons.push(format!(
                "the broker of source {} has dropped messages of its clients, {} so far: some of them may be readings",
                source.name, dropped.total
            ));
        }
    }
    if let Some(uplink) = &overview.uplink {
        reasons.extend(disconnected("the uplink", uplink));
    }
    if let Some(journal) = &overview.journal {
        if let Some(why) = &journal.failing {
            reasons.push(format!("the journal cannot be written: {why}"));
        }
        if journal.full {
            reasons.push(format!(
                "the journal is full ({} of {}): readings are dropped",
                Bytes(journal.bytes),
                Bytes(journal.max_bytes)
            ));
        }
    }
    if let Some(why) = &overview.store.degraded {
        reasons.push(format!("the store is degraded: {why}"));
    }
    if let Some(wear) = overview.wear.as_ref().filter(|wear| wear.beyond_budget) {
        reasons.push(format!(
            "more is written than [store] max_written_per_day allows, although commits wait as long as they may: \
             {} of {} a day",
            Bytes(wear.bytes_per_day.unwrap_or(0)),
            Bytes(wear.budget_per_day.unwrap_or(0))
        ));
    }
    if !overview.clock.set {
        reasons.push(match overview.clock.records_held {
            0 => "the gateway's clock is not set: its times are counted from a guess".to_owned(),
            n => format!(
                "the gateway's clock is not set: its times are counted from a guess, and {n} records wait for it"
            ),
        });
    }
    reasons.extend(overview.freshness.iter().filter_map(stale));
    match overview.devices.quarantined {
        0 => {}
        1 => reasons.push("1 device is quarantined".to_owned()),
        n => reasons.push(format!("{n} devices are quarantined")),
    }
    for source in &overview.sources {
        let name = &source.name;
        reasons.extend(unbalanced(
            &format!("messages of source {name}"),
            &Equation::messages(&source.book),
        ));
        reasons.extend(unbalanced(
            &format!("readings of source {name}"),
            &Equation::readings(&source.book),
        ));
    }
    for lane in &overview.lanes {
        reasons.extend(unbalanced(
            &format!("records of lane {}", lane.lane.name()),
            &Equation::lane(&lane.book),
        ));
    }
    reasons.extend(overview.faults.iter().cloned());
    Health {
        status: if reasons.is_empty() {
            Status::Healthy
        } else {
            Status::Degraded
        },
        reasons,
    }
}

fn stale(fresh: &FreshnessView) -> Option<String> {
    let (age, limit) = (fresh.recent_max?, fresh.limit?);
    let stage = fresh.stage.name();
    let device = fresh.device.as_deref().unwrap_or("?");
    (age > limit).then(|| {
        format!(
            "data of class {} is too old: up to {} at {stage} within the last minute ({device}), and [freshness] \
             {stage} allows {limit}",
            fresh.class,
            Age(age)
        )
    })
}

fn disconnected(who: &str, link: &Link) -> Option<String> {
    let Link {
        broker,
        connected,
        last_error,
    } = link;
    (!connected).then(|| match last_error {
        Some(why) => format!("{who} is not connected to {broker}: {why}"),
        None => format!("{who} is not connected to {broker}"),
    })
}

fn unbalanced(what: &str, equation: &Equation) -> Option<String> {
    let off = equation.difference;
    (off != 0).then(|| format!("the books do not balance: {what} are off by {off}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::tests::fake;

    #[test]
    fn data_that_is_too_old_is_a_reason_and_what_nobody_limits_is_none() {
        let of = |recent: Option<i64>, limit: Option<i64>| {
            reasons(|overview| {
                overview.freshness[0].recent_max = recent.map(Span::from_secs);
                overview.freshness[0].limit = limit.map(Span::from_secs);
            })
        };
        for fine in [(Some(15), Some(15)), (None, Some(15)), (Some(99), None)] {
            assert_eq!(of(fine.0, fine.1), [""; 0]);
        }
        assert_eq!(
            of(Some(51), Some(15)),
            [
                "data of class pump is too old: up to 51 s at score within the last minute (pump-07), and [freshness] \
                 score allows 15s"
            ]
        );
    }

    /// What is wrong with an agent that was well before `change`.
    fn reasons(change: impl FnOnce(&mut Overview)) -> Vec<String> {
        let mut overview = fake::overview();
        change(&mut overview);
        let health = health(&overview);
        let degraded = health.status == Status::Degraded;
        assert_eq!(degraded, !health.reasons.is_empty());
        health.reasons
    }

    #[test]
    fn invariant_8_healthy_is_when_nothing_is_wrong() {
        assert!(reasons(|_| {}).is_empty());
        assert!(
            reasons(|o| o.uplink = None).is_empty(),
            "no uplink is no fault"
        );
        let restarting = |o: &mut Overview| (o.devices.restarting, o.devices.restarts) = (1, 9);
        assert!(
            reasons(restarting).is_empty(),
            "a restart is how a fault ends"
        );
        let recovered = |o: &mut Overview| o.sources[0].link.last_error = Some("timeout".into());
        assert!(
            reasons(recovered).is_empty(),
            "an error of the past is no reason"
        );
    }

    #[test]
    fn invariant_8_each_fault_is_a_reason_in_words() {
        let check = |change: fn(&mut Overview), expected: &str| {
            assert_eq!(reasons(change), [expected]);
        };
        check(|o| o.phase = Phase::Starting, "the agent is starting");
        check(|o| o.phase = Phase::Stopping, "the agent is stopping");
        check(
            |o| o.sources[0].link.connected = false,
            "source plant is not connected to mqtt://127.0.0.1:1883",
        );
        check(
            |o| {
                o.uplink = Some(Link {
                    broker: "mqtt://shore:1883".into(),
                    connected: false,
                    last_error: Some("connection refused".into()),
                });
            },
            "the uplink is not connected to mqtt://shore:1883: connection refused",
        );
        check(
            |o| o.store.degraded = Some("disk full".into()),
            "the store is degraded: disk full",
        );
        check(
            |o| o.journal.as_mut().unwrap().failing = Some("disk full".into()),
            "the journal cannot be written: disk full",
        );
        check(
            |o| o.journal.as_mut().unwrap().full = true,
            "the journal is full (83.9 MB of 268.4 MB): readings are dropped",
        );
        check(
            |o| o.wear.as_mut().unwrap().beyond_budget = true,
            "more is written than [store] max_written_per_day allows, although commits wait as long as they may: \
             1.2 GB of 2.1 GB a day",
        );
        check(|o| o.devices.quarantined = 1, "1 device is quarantined");
        check(|o| o.devices.quarantined = 3, "3 devices are quarantined");
        check(
            |o| o.sources[0].book.messages += 1,
            "the books do not balance: messages of source plant are off by 1",
        );
        check(
            |o| o.sources[0].book.readings -= 2,
            "the books do not balance: readings of source plant are off by -2",
        );
        check(
            |o| o.lanes[2].book.buffered += 1,
            "the books do not balance: records of lane summary are off by -1",
        );
        check(|o| o.faults.push("no model".into()), "no model");
    }

    #[test]
    fn all_reasons_are_told_at_once() {
        let all = reasons(|o| {
            o.phase = Phase::Starting;
            o.store.degraded = Some("disk full".into());
            o.devices.quarantined = 2;
        });
        assert_eq!(all.len(), 3);
    }
}
