//! Channels computed from others, on a grid in time.
//!
//! Sensors are read at different moments, so that what depends on several of them needs each at the same one: every
//! so often, aligned to the epoch, each input has the value that it last had, the one that a line between its neighbours
//! has there, or that of the nearest reading; none if that is further away than is allowed, and then there is no reading
//! at that instant. An instant is computed once the watermarks of all inputs have passed what it depends on, so that it
//! does not depend on the order in which readings came; what is later than that changes nothing there.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use exmex::{Express as _, FlatEx};
use serde::{Deserialize, Serialize};

use crate::device::grown;
use crate::reading::ChannelIndex;
use crate::time::{Span, Timestamp};

/// Readings of an input that wait for the others, at most; beyond it the oldest go.
pub const MOST_HELD: usize = 1_024;
/// Instants that are computed at once, at most.
const MOST_INSTANTS: usize = 100_000;

/// The value of a channel between its readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Align {
    /// That of the last reading before or at the instant.
    Last,
    /// On the line from the last reading to the next one.
    Linear,
    /// That of the nearest reading; of two the earlier one.
    Nearest,
}

/// A formula of channels.
#[derive(Clone)]
pub struct Expression {
    text: String,
    compiled: Arc<FlatEx<f64>>,
}

impl Expression {
    /// Reads a formula: numbers, `+ - * / ^`, parentheses, the functions of `exmex`, and channels by their names, in
    /// braces where those are no plain words.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let compiled = exmex::parse::<f64>(text).map_err(|error| error.to_string())?;
        Ok(Self {
            text: text.to_owned(),
            compiled: Arc::new(compiled),
        })
    }

    /// The channels that it is of, in the order in which [`Expression::value`] wants their values.
    #[must_use]
    pub fn channels(&self) -> &[String] {
        self.compiled.var_names()
    }

    /// Its value; not a number where it has none.
    #[must_use]
    pub fn value(&self, values: &[f64]) -> f64 {
        self.compiled.eval(values).unwrap_or(f64::NAN)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// What a computed channel is.
#[derive(Debug, Clone, PartialEq)]
pub enum Formula {
    /// A formula of its inputs.
    Expression(Expression),
    /// Pearson's correlation of its two inputs over so long a time up to the instant, in [−1, 1].
    Correlation {
        /// How long.
        over: Span,
    },
}

/// A channel that is computed.
#[derive(Debug, Clone, PartialEq)]
pub struct VirtualConfig {
    /// Its own index among the class's channels.
    pub channel: ChannelIndex,
    /// What it is.
    pub formula: Formula,
    /// What it is of, by index.
    pub inputs: Vec<ChannelIndex>,
    /// From one instant to the next.
    pub every: Span,
    /// What the inputs have there.
    pub align: Align,
    /// How far away the readings may be that this comes from.
    pub max_age: Span,
}

/// How far an input has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    /// Its watermark; the last instant if it is silent.
    pub(crate) mark: Timestamp,
}

/// The state of one computed channel.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Grid {
    /// The next instant to be computed; `None` before all inputs were heard.
    next: Option<Timestamp>,
    /// Readings of each input, in order of time: what the next instant needs and what comes after.
    inputs: Vec<VecDeque<(Timestamp, f64)>>,
    /// What two inputs had at instants that a correlation goes over.
    pairs: VecDeque<(Timestamp, f64, f64)>,
}

impl Grid {
    pub(crate) fn new(config: &VirtualConfig) -> Self {
        Self {
            next: None,
            inputs: vec![VecDeque::new(); config.inputs.len()],
            pairs: VecDeque::new(),
        }
    }

    /// Whether any can have got here.
    pub(crate) fn is_sound(&self) -> bool {
        let pairs = self.pairs.iter();
        let sorted = self.pairs.iter().is_sorted_by(|a, b| a.0 < b.0);
        let sound = pairs
            .clone()
            .all(|(_, a, b)| a.is_finite() && b.is_finite());
        sorted
            && sound
            && self.pairs.len() <= MOST_HELD
            && self.inputs.iter().all(|held| {
                held.len() <= MOST_HELD
                    && held.iter().all(|(_, value)| value.is_finite())
                    && held.iter().is_sorted_by(|a, b| a.0 <= b.0)
            })
    }

    /// Whether it can be one of this configuration: the grid may be another one now.
    pub(crate) fn fits(&self, config: &VirtualConfig) -> bool {
        let aligned = |next: Timestamp| next.0.rem_euclid(config.every.0.max(1)) == 0;
        self.inputs.len() == config.inputs.len() && self.next.is_none_or(aligned)
    }

    /// Everything so far is forgotten.
    pub(crate) fn begin_anew(&mut self) {
        self.next = None;
        self.pairs.clear();
        self.inputs.iter_mut().for_each(VecDeque::clear);
    }

    /// An input has taken a reading in.
    pub(crate) fn put(&mut self, input: usize, time: Timestamp, value: f64) {
        let Some(held) = self.inputs.get_mut(input) else {
            return;
        };
        let at = held.partition_point(|(before, other)| {
            (*before, *other)
                .partial_cmp(&(time, value))
                .is_none_or(std::cmp::Ordering::is_lt)
        });
        held.insert(at, (time, value));
        if held.len() > MOST_HELD {
            held.pop_front();
        }
    }

    /// The next reading of the channel, if there is one that nothing in time can change any more.
    pub(crate) fn take(
        &mut self,
        config: &VirtualConfig,
        progress: impl Fn(usize) -> Progress,
        values: &mut Vec<f64>,
    ) -> Option<(Timestamp, f64)> {
        for _ in 0..MOST_INSTANTS {
            let at = match self.next {
                Some(next) => next,
                None => self.first(config)?,
            };
            self.next = Some(at);
            if !self.is_settled(at, config, &progress) {
                return None;
            }
            values.clear();
            for held in &self.inputs {
                values.extend(value(held, at, config));
            }
            let complete = values.len() == self.inputs.len();
            let known = (0..self.inputs.len())
                .map(|input| progress(input).mark)
                .min();
            self.pass(at, config, complete, known.unwrap_or(at));
            if complete
                && let Some(value) = self.evaluate(at, config, values)
                && value.is_finite()
            {
                return Some((at, value));
            }
        }
        None
    }

    /// What it is at an instant at which the inputs have these values.
    fn evaluate(&mut self, at: Timestamp, config: &VirtualConfig, values: &[f64]) -> Option<f64> {
        match (&config.formula, values) {
            (Formula::Expression(expression), values) => Some(expression.value(values)),
            (Formula::Correlation { over }, &[a, b]) => {
                self.pairs.push_back((at, a, b));
                while self.pairs.len() > MOST_HELD
                    || self
                        .pairs
                        .front()
                        .is_some_and(|(time, ..)| *time <= at - *over)
                {
                    self.pairs.pop_front();
                }
                let series = |of: fn(&(Timestamp, f64, f64)) -> f64| {
                    self.pairs.iter().map(of).collect::<Vec<_>>()
                };
                eyot_signal::correlation(&series(|pair| pair.1), &series(|pair| pair.2))
            }
            (Formula::Correlation { .. }, _) => None,
        }
    }

    /// The first instant that all inputs may have something for.
    fn first(&self, config: &VirtualConfig) -> Option<Timestamp> {
        let firsts = self
            .inputs
            .iter()
            .map(|held| held.front().map(|(time, _)| *time));
        let latest = firsts.collect::<Option<Vec<_>>>()?.into_iter().max()?;
        Some(ceil(latest, config.every))
    }

    /// Whether nothing that is in time can change what the inputs have at `at`.
    fn is_settled(
        &self,
        at: Timestamp,
        config: &VirtualConfig,
        progress: impl Fn(usize) -> Progress,
    ) -> bool {
        self.inputs.iter().enumerate().all(|(input, held)| {
            let Progress { mark } = progress(input);
            if mark == Timestamp::MAX {
                // Silent: what it has is all there is, and that is not for ever.
                return held
                    .back()
                    .is_some_and(|(last, _)| at <= *last + config.max_age);
            }
            if mark <= at {
                return false;
            }
            match config.align {
                Align::Last => true,
                Align::Linear | Align::Nearest => {
                    let next = held.get(held.partition_point(|(time, _)| *time < at));
                    next.is_some_and(|(time, _)| *time < mark) || mark > at + config.max_age
                }
            }
        })
    }

    /// Goes on to the next instant, over those for which an input has nothing. Up to `known` all readings are there.
    fn pass(&mut self, at: Timestamp, config: &VirtualConfig, complete: bool, known: Timestamp) {
        let mut next = at + config.every;
        if !complete {
            let reach = match config.align {
                Align::Last => Span::ZERO,
                Align::Linear | Align::Nearest => config.max_age,
            };
            for held in &self.inputs {
                let later = held.get(held.partition_point(|(time, _)| *time <= at));
                if let Some((time, _)) = later
                    && value(held, at, config).is_none()
                {
                    let begins = (*time).min(known) - reach;
                    next = next.max(ceil(begins, config.every));
                }
            }
        }
        self.next = Some(next);
        for held in &mut self.inputs {
            // The last one before the next instant is still needed.
            while held.get(1).is_some_and(|(time, _)| *time <= next) {
                held.pop_front();
            }
        }
    }
}

/// Bytes of what waits for a computed channel, at most.
pub(crate) fn bytes(config: &VirtualConfig) -> usize {
    let inputs = config.inputs.len();
    let held = grown(MOST_HELD + 1) * size_of::<(Timestamp, f64)>();
    let pairs = match config.formula {
        Formula::Expression(_) => 0,
        Formula::Correlation { .. } => grown(MOST_HELD + 1) * size_of::<(Timestamp, f64, f64)>(),
    };
    inputs * (size_of::<VecDeque<(Timestamp, f64)>>() + held) + pairs
}

/// The first instant of the grid at or after `time`.
fn ceil(time: Timestamp, every: Span) -> Timestamp {
    let every = every.0.max(1);
    let over = time.0.rem_euclid(every);
    if over == 0 {
        time
    } else {
        Timestamp(time.0.saturating_add(every - over))
    }
}

/// What a channel with these readings has at an instant.
fn value(held: &VecDeque<(Timestamp, f64)>, at: Timestamp, config: &VirtualConfig) -> Option<f64> {
    let after = held.partition_point(|(time, _)| *time <= at);
    let before = after.checked_sub(1).and_then(|place| held.get(place));
    let after = held.get(after);
    between(
        before.copied(),
        after.copied(),
        at,
        config.align,
        config.max_age,
    )
}

/// What a channel has at an instant between two readings of it: the last one up to there, and the first one behind it.
pub(crate) fn between(
    before: Option<(Timestamp, f64)>,
    after: Option<(Timestamp, f64)>,
    at: Timestamp,
    align: Align,
    max_age: Span,
) -> Option<f64> {
    let near = |(time, _): &(Timestamp, f64)| Span((at - *time).0.saturating_abs()) <= max_age;
    match align {
        Align::Last => before.filter(near).map(|(_, value)| value),
        Align::Nearest => match (before.filter(near), after.filter(near)) {
            (Some(a), Some(b)) if b.0 - at < at - a.0 => Some(b.1),
            (Some(a), _) => Some(a.1),
            (None, b) => b.map(|b| b.1),
        },
        Align::Linear => {
            let (start, one) = before.filter(near)?;
            if start == at {
                return Some(one);
            }
            let (end, other) = after.filter(near)?;
            let part = (at - start).0 as f64 / (end - start).0 as f64;
            Some(one + (other - one) * part)
        }
    }
}

#[cfg(test)]
mod tests;
