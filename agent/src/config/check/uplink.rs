//! Checks `[uplink]`.

use eyot_pipeline::Span;
use eyot_pipeline::forward::{BatchPolicy, Policy};
use jiff::tz::TimeZone;

use super::{Check, MILLISECOND, broker};
use crate::config::raw;
use crate::config::text;
use crate::config::tree::Node;
use crate::config::{Schedule, Uplink};

/// How long live data may pile up before it becomes backlog.
const HORIZON: Span = Span::from_secs(60);
/// The least heartbeat: it is for people and alarms.
const SECOND: Span = Span::from_secs(1);

impl Check<'_, '_> {
    pub(super) fn uplink(
        &mut self,
        raw: raw::Uplink,
        at: &Node<'_>,
        agent: &str,
    ) -> Option<Uplink> {
        self.topic_levels(&raw.topic_prefix, &at.key("topic_prefix"));
        let policy = self.policy(&raw, at);
        let schedule = self.schedule(&raw, at);
        let heartbeat = self.duration(&raw.heartbeat, &at.key("heartbeat"), SECOND);
        let broker = self.broker(&broker::Keys::from(&raw), at, || {
            format!("eyot-{agent}-uplink")
        })?;
        Some(Uplink {
            broker,
            topic_prefix: raw.topic_prefix,
            in_flight: raw.in_flight,
            backoff: policy.backoff,
            policy,
            schedule,
            heartbeat,
        })
    }

    fn policy(&mut self, raw: &raw::Uplink, at: &Node<'_>) -> Policy {
        let [first, longest] = [
            (&raw.backoff_min, "backoff_min"),
            (&raw.backoff_max, "backoff_max"),
        ]
        .map(|(period, key)| self.duration(period, &at.key(key), MILLISECOND));
        if first > longest {
            let written = at.first_of(["backoff_min", "backoff_max"]);
            self.report
                .value(&written, "backoff_min is longer than backoff_max");
        }
        let bytes_in_flight = self.bytes(&raw.in_flight_bytes, &at.key("in_flight_bytes"));
        let batch = raw.batch.as_ref().map(|batch| {
            let at = at.key("batch");
            let bytes = self.bytes(&batch.bytes, &at.key("bytes"));
            if bytes > bytes_in_flight {
                let message = "a batch is larger than all that may be in flight (in_flight_bytes)";
                self.report.value(&at.key("bytes"), message);
            }
            BatchPolicy {
                records: batch.records,
                bytes,
                wait: self.span(&batch.wait, &at.key("wait"), Span::ZERO),
            }
        });
        let expire_after = raw.expire_after.as_ref();
        Policy {
            in_flight: usize::from(raw.in_flight),
            bytes_in_flight,
            backlog_share: raw.backlog_share,
            horizon: HORIZON,
            max_tries: raw.max_tries,
            backoff: (first, longest),
            breaker_failures: raw.breaker_failures,
            max_bytes_per_second: raw.max_bytes_per_second,
            alerts_any_time: raw.alerts_any_time,
            batch,
            expire_after: expire_after.map(|age| self.span(age, &at.key("expire_after"), SECOND)),
        }
    }

    fn schedule(&mut self, raw: &raw::Uplink, at: &Node<'_>) -> Option<Schedule> {
        let mut hours = Vec::new();
        for (index, text) in raw.hours.iter().enumerate() {
            match text::hours(text) {
                Ok(read) => hours.push(read),
                Err(error) => self.text_error(&at.key("hours").index(index), error),
            }
        }
        let at = at.key("time_zone");
        let zone = match &raw.time_zone {
            Some(_) if raw.hours.is_empty() => {
                self.report.value(&at, "is for `hours`, and there are none");
                return None;
            }
            Some(name) => {
                let Ok(zone) = TimeZone::get(name) else {
                    let message = format!("this machine knows no time zone `{name}`");
                    let help =
                        "write an IANA name, like Europe/Berlin; it comes with the package tzdata";
                    self.report.value(&at, message).help(help);
                    return None;
                };
                zone
            }
            None => TimeZone::system(),
        };
        (!hours.is_empty()).then_some(Schedule { hours, zone })
    }

    /// A number of bytes that memory may hold, at least one.
    fn bytes(&mut self, size: &raw::Size, at: &Node<'_>) -> usize {
        usize::try_from(self.size(size, at, 1)).unwrap_or(usize::MAX)
    }
}
